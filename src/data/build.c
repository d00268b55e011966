#include "data/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/relay.h"
#include "data/build_chunk.h"
#include "data/build_journal.h"

enum { CHUNKS_A_THREAD = 3, KEEP_BYTES = 4 * BUILD_CHUNK_BYTES };

typedef struct {
  TokenizerWork *work;
  Strings scratch;
} BuildThread;

typedef struct {
  const BuildOptions *option;
  Inputs inputs;
  char journal[PATH_BYTES], digest[17];
  ChunkReader reader;
  IndexedWriter writer;
  BuildState state;
  Progress progress;
  double journal_at_s;
  Chunk *chunk;         // a ring of them
  BuildThread *thread;  // what each has of its own
} Build;

// ---- writing, in order
static Err report_bad(Build *b, const Chunk *c) {
  const char *path = b->inputs.file[c->file].path;
  for (int64_t i = 0; i < c->bad; i++) {
    if (i >= BUILD_NAMED) break;
    long long line = (long long)(b->state.place.lines + c->named[i].line + 1);
    CHECK(b->option->skip_bad, ERR_FORMAT, "%s: line %lld: %s. --skip-bad leaves such lines out and counts them", path, line,
          c->named[i].reason);
    if (b->state.skipped + i < BUILD_NAMED)
      snprintf(b->state.named[b->state.skipped + i], BUILD_NAME_BYTES, "%.200s: line %lld: %s", path, line, c->named[i].reason);
  }
  b->state.skipped += c->bad;
  return ERR_OK;
}

static Err write_journal(Build *b) {
  TRY(indexed_sync(&b->writer, &b->state.mark));
  TRY(build_journal_write(b->journal, b->digest, &b->state));
  b->journal_at_s = clock_s();
  return ERR_OK;
}

static Err write_chunk(void *context, int64_t slot) {
  Build *b = context;
  Chunk *c = &b->chunk[slot];
  BuildPlace *place = &b->state.place;
  if (place->file != c->file) *place = (BuildPlace){.file = c->file};
  TRY(report_bad(b, c));
  const int32_t *id = c->ids.id;
  for (int64_t i = 0; i < c->shape.count; i++) {
    int32_t n = c->shape.id[i];
    if (n == END_OF_CHUNK_DOCUMENT) {
      TRY(indexed_end_document(&b->writer));
    } else {
      TRY(indexed_add(&b->writer, id, n));
      id += n;
    }
  }
  place->offset = c->offset + (int64_t)c->size;
  place->lines += c->lines;
  if (c->ends_file) *place = (BuildPlace){.file = c->file + 1};
  b->state.text_bytes += (int64_t)c->size;
  b->state.consumed = c->consumed;
  if (b->option->progress) {
    progress_update(&b->progress, (double)c->consumed * 1e-6);
    progress_note(&b->progress, "%lld documents, %lld tokens", (long long)b->writer.at.documents,
                  (long long)b->writer.at.tokens);
  }
  if (c->capacity > KEEP_BYTES) chunk_free(c);  // one long document must not keep its memory
  bool due = !b->inputs.stdin_used && clock_s() - b->journal_at_s >= b->option->journal_s;
  return due ? write_journal(b) : ERR_OK;
}

// ---- reading, and what each thread does
static Err read_chunk(void *context, int64_t slot, bool *got) {
  Build *b = context;
  return chunk_read(&b->reader, &b->chunk[slot], got);
}

static Err tokenise_chunk(void *context, int64_t slot, int thread) {
  Build *b = context;
  BuildThread *own = &b->thread[thread];
  if (!own->work) TRY(tokenizer_work_open(&own->work, b->option->tokenizer));
  return chunk_tokenise(&b->chunk[slot], b->option, &b->inputs, own->work, &own->scratch);
}

// ---- the whole
Err build_output_folder(const char *output, int endings, const char *like) {
  char folder[PATH_BYTES];
  int n = snprintf(folder, sizeof folder, "%s", output);
  CHECK(n > 0 && n < PATH_BYTES - endings && folder[n - 1] != '/', ERR_ARG, "output \"%s\": a prefix like %s is wanted", output,
        like);
  char *slash = strrchr(folder, '/');
  if (!slash || slash == folder) return ERR_OK;
  *slash = '\0';
  return folder_make(folder);
}

static Err open_output(Build *b, TokenType type, BuildReport *report) {
  const BuildOptions *o = b->option;
  TRY(build_output_folder(o->output, 32, "data/train"));
  snprintf(b->journal, sizeof b->journal, "%.*s.journal", PATH_BYTES - 32, o->output);
  TRY(build_digest(o, &b->inputs, b->digest));
  bool found = false;
  if (!o->fresh && !b->inputs.stdin_used) TRY(build_journal_read(b->journal, b->digest, &b->inputs, &b->state, &found));
  if (found) {
    if (indexed_create(&b->writer, o->output, type, &b->state.mark) == ERR_OK) {
      report->resumed_documents = b->state.mark.documents;
      return ERR_OK;
    }
    log_warn("%s; the build starts from the beginning", err_text());
    b->state = (BuildState){0};
  }
  TRY(indexed_create(&b->writer, o->output, type, NULL));
  CHECK(unlink(b->journal) == 0 || errno == ENOENT, ERR_IO, "%s: %s", b->journal, strerror(errno));
  return ERR_OK;
}

static Err run_threads(Build *b, int threads) {
  Pool *pool = NULL;
  TRY(pool_open(&pool, threads, false));
  int n = pool_threads(pool);
  Relay relay = {read_chunk, tokenise_chunk, write_chunk, NULL, b, (int64_t)n * CHUNKS_A_THREAD};
  Err err = ERR_OK;
  b->chunk = calloc((size_t)relay.slots, sizeof *b->chunk);
  b->thread = calloc((size_t)n, sizeof *b->thread);
  if (b->chunk && b->thread) err = relay_run(pool, &relay);
  else err = ERR_HERE(ERR_MEMORY, "no memory for %d threads", n);
  pool_close(pool);
  for (int64_t i = 0; b->chunk && i < relay.slots; i++) chunk_free(&b->chunk[i]);
  for (int i = 0; b->thread && i < n; i++) {
    strings_free(&b->thread[i].scratch);
    tokenizer_work_close(b->thread[i].work);
  }
  free(b->chunk);
  free(b->thread);
  return err;
}

// After an error: a bad input leaves nothing; anything else can go on from the journal.
static void leave(Build *b, Err err) {
  ErrInfo info;
  err_take(&info);
  bool keep = err != ERR_FORMAT && !b->inputs.stdin_used && file_exists(b->journal);
  indexed_abandon(&b->writer, keep);
  if (!keep) (void)unlink(b->journal);
  if (keep) log_info("what is done so far is kept: the same command goes on from there");
  (void)err_give(&info);
}

static Err build(Build *b, BuildReport *report) {
  const BuildOptions *o = b->option;
  chunk_reader_init(&b->reader, o, &b->inputs, &b->state.place);
  if (o->progress)
    progress_start(&b->progress, "tokenise", "MB", b->inputs.stdin_used ? 0 : (double)b->inputs.bytes * 1e-6,
                   (double)b->state.consumed * 1e-6);
  b->journal_at_s = clock_s();
  Err err = run_threads(b, o->threads);
  if (o->progress) progress_end(&b->progress);
  chunk_reader_free(&b->reader);
  if (!err) {
    b->state.mark = b->writer.at;
    err = indexed_commit(&b->writer);
  }
  if (err) {
    leave(b, err);
    return err;
  }
  (void)unlink(b->journal);
  report->documents = b->state.mark.documents;
  report->sequences = b->state.mark.sequences;
  report->tokens = b->state.mark.tokens;
  report->text_bytes = b->state.text_bytes;
  report->skipped = b->state.skipped;
  report->ignored_files = b->inputs.skipped;
  memcpy(report->named, b->state.named, sizeof report->named);
  return ERR_OK;
}

Err data_build(const BuildOptions *o, BuildReport *report) {
  double start_s = clock_s();
  int64_t vocab = tokenizer_vocab(o->tokenizer);
  *report = (BuildReport){.type = token_type_for(vocab)};
  CHECK(o->eod < vocab, ERR_ARG, "end of document %d is not in the vocabulary of %lld", o->eod, (long long)vocab);
  Build *b = calloc(1, sizeof *b);
  CHECK(b, ERR_MEMORY, "no memory for a build");
  b->option = o;
  Err err = inputs_take(&b->inputs, o->input, o->inputs, o->format);
  if (!err) err = open_output(b, report->type, report);
  if (!err) err = build(b, report);
  inputs_free(&b->inputs);
  free(b);
  report->seconds = clock_s() - start_s;
  return err;
}
