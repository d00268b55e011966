#include "data/build.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/thread.h"
#include "data/build_chunk.h"
#include "data/build_journal.h"

enum { CHUNKS_A_THREAD = 3, KEEP_BYTES = 4 * BUILD_CHUNK_BYTES };

// A ring of chunks. One thread at a time reads the next one, all tokenise, one at a time writes, in the order of reading.
typedef struct {
  const BuildOptions *option;
  Inputs inputs;
  char journal[PATH_BYTES], digest[17];
  ChunkReader reader;
  IndexedWriter writer;
  BuildState state;
  Progress progress;
  double journal_at_s;

  pthread_mutex_t mutex;
  pthread_cond_t moved;
  struct Slot {
    Chunk chunk;
    bool ready;  // tokenised, or failed
  } * slot;
  int64_t slots, read, written;  // chunks so far
  bool reading, writing, input_ended, failed;
  ErrInfo error;
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

static Err write_chunk(Build *b, const Chunk *c) {
  if (c->error.kind) return err_give(&c->error);
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
  bool due = !b->inputs.stdin_used && clock_s() - b->journal_at_s >= b->option->journal_s;
  return due ? write_journal(b) : ERR_OK;
}

// With the mutex: writes what is ready, in order, unless another thread is at it.
static void drain(Build *b) {
  if (b->writing) return;
  b->writing = true;
  while (!b->failed && b->written < b->read && b->slot[b->written % b->slots].ready) {
    struct Slot *s = &b->slot[b->written % b->slots];
    pthread_mutex_unlock(&b->mutex);
    Err err = write_chunk(b, &s->chunk);
    if (s->chunk.capacity > KEEP_BYTES) chunk_free(&s->chunk);  // one long document must not keep its memory
    pthread_mutex_lock(&b->mutex);
    if (err) {
      err_take(&b->error);
      b->failed = true;
    }
    s->ready = false;
    b->written++;
    pthread_cond_broadcast(&b->moved);
  }
  b->writing = false;
}

// ---- what each thread does
static bool take_chunk(Build *b, struct Slot *s) {
  bool got = false;
  b->reading = true;
  pthread_mutex_unlock(&b->mutex);
  Err err = chunk_read(&b->reader, &s->chunk, &got);
  if (err) err_take(&s->chunk.error);  // told in its turn: an earlier line may be bad
  pthread_mutex_lock(&b->mutex);
  b->reading = false;
  b->input_ended = err || !got;
  if (err || got) b->read++;
  pthread_cond_broadcast(&b->moved);
  return err || got;
}

static void work_on(Build *b, TokenizerWork *work, Strings *scratch) {
  pthread_mutex_lock(&b->mutex);
  while (!b->failed && !(b->input_ended && !b->reading && b->written == b->read)) {
    struct Slot *s = &b->slot[b->read % b->slots];
    bool may_read = !b->reading && !b->input_ended && b->read - b->written < b->slots;
    if (!may_read) {
      pthread_cond_wait(&b->moved, &b->mutex);
      continue;
    }
    if (!take_chunk(b, s)) continue;
    pthread_mutex_unlock(&b->mutex);
    Chunk *c = &s->chunk;
    if (!c->error.kind && chunk_tokenise(c, b->option, &b->inputs, work, scratch) != ERR_OK) err_take(&c->error);
    pthread_mutex_lock(&b->mutex);
    s->ready = true;
    drain(b);
  }
  pthread_mutex_unlock(&b->mutex);
}

static void build_thread(void *arg, int thread, int n_threads) {
  (void)thread, (void)n_threads;
  Build *b = arg;
  TokenizerWork *work = NULL;
  Strings scratch = {0};
  if (tokenizer_work_open(&work, b->option->tokenizer) == ERR_OK) {
    work_on(b, work, &scratch);
  } else {
    pthread_mutex_lock(&b->mutex);
    if (!b->failed) err_take(&b->error);
    b->failed = true;
    pthread_cond_broadcast(&b->moved);
    pthread_mutex_unlock(&b->mutex);
  }
  strings_free(&scratch);
  tokenizer_work_close(work);
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
  Err err = ERR_OK;
  b->slots = (int64_t)pool_threads(pool) * CHUNKS_A_THREAD;
  b->slot = calloc((size_t)b->slots, sizeof *b->slot);
  if (b->slot) pool_run(pool, build_thread, b);
  else err = ERR_HERE(ERR_MEMORY, "no memory for %lld chunks", (long long)b->slots);
  pool_close(pool);
  for (int64_t i = 0; b->slot && i < b->slots; i++) chunk_free(&b->slot[i].chunk);
  free(b->slot);
  return b->failed ? err_give(&b->error) : err;
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
  pthread_mutex_init(&b->mutex, NULL);
  pthread_cond_init(&b->moved, NULL);
  Err err = inputs_take(&b->inputs, o->input, o->inputs, o->format);
  if (!err) err = open_output(b, report->type, report);
  if (!err) err = build(b, report);
  inputs_free(&b->inputs);
  pthread_mutex_destroy(&b->mutex);
  pthread_cond_destroy(&b->moved);
  free(b);
  report->seconds = clock_s() - start_s;
  return err;
}
