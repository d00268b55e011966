#include "data/sft_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/progress.h"
#include "data/build_chunk.h"

typedef struct {
  const SftBuildOptions *option;
  SftBuildReport *report;
  Inputs inputs;
  ChunkReader reader;
  SftPacker *packer;
  SftDialog dialog;
  SftTemplate template;
  IndexedWriter ids, mask;
  int32_t *wide;  // a mask as ids
  int64_t wide_room;
  Progress progress;
  int64_t file, line;  // of the input, where the next line lies
} SftBuild;

static Err add_pieces(IndexedWriter *w, const SftSample *s, const int32_t *id) {
  for (int64_t i = 0; i < s->dialogs || i == 0; i++) {
    int64_t from = i ? s->start[i] : 0, to = i + 1 < s->dialogs ? s->start[i + 1] : s->tokens;
    if (to > from) TRY(indexed_add(w, id + from, to - from));
  }
  return indexed_end_document(w);
}

static Err write_sample(void *context, const SftSample *s) {
  SftBuild *b = context;
  if (s->tokens > b->wide_room) {
    int32_t *grown = realloc(b->wide, (size_t)s->tokens * sizeof *grown);
    CHECK(grown, ERR_MEMORY, "no memory for the mask of %lld tokens", (long long)s->tokens);
    b->wide = grown;
    b->wide_room = s->tokens;
  }
  for (int64_t i = 0; i < s->tokens; i++) b->wide[i] = s->mask[i];
  if (s->tokens > b->report->longest) b->report->longest = s->tokens;
  TRY(add_pieces(&b->ids, s, s->id));
  return add_pieces(&b->mask, s, b->wide);
}

static Err bad_line(SftBuild *b, const char *path) {
  SftBuildReport *r = b->report;
  CHECK(b->option->skip_bad, ERR_FORMAT, "%s: line %lld: %s. --skip-bad leaves such lines out and counts them", path,
        (long long)b->line, err_text());
  if (r->skipped < BUILD_NAMED)
    snprintf(r->named[r->skipped], BUILD_NAME_BYTES, "%.200s: line %lld: %.250s", path, (long long)b->line, err_text());
  r->skipped++;
  return ERR_OK;
}

static bool is_blank(const char *text, size_t size) {
  while (size && strchr(" \t\r", *text)) text++, size--;
  return size == 0;
}

static Err take_lines(SftBuild *b, const Chunk *c) {
  if (c->file != b->file || c->offset == 0) b->line = 0;
  b->file = c->file;
  const char *path = b->inputs.file[c->file].path;
  for (const char *at = c->text, *end = c->text + c->size, *next; at < end; at = next) {
    const char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline : end;
    next = newline ? newline + 1 : end;
    b->line++;
    if (is_blank(at, (size_t)(stop - at))) continue;
    bool by_template = b->option->recipe == SFT_TEMPLATE;
    Err err = by_template ? sft_template_read(&b->template, at, (size_t)(stop - at))
                          : sft_dialog_read(&b->dialog, at, (size_t)(stop - at));
    if (err && err != ERR_MEMORY) {
      TRY(bad_line(b, path));
      continue;
    }
    TRY(err);
    int64_t number = b->report->counts.dialogs++;
    if (by_template) TRY(sft_packer_add_tokens(b->packer, &b->template.tokens.ids, b->template.tokens.spoken, number));
    else TRY(sft_packer_add(b->packer, &b->dialog, number));
  }
  b->report->text_bytes += (int64_t)c->size;
  if (b->option->progress) progress_update(&b->progress, (double)c->consumed * 1e-6);
  return ERR_OK;
}

static Err read_all(SftBuild *b) {
  Chunk chunk = {0};
  bool got = true;
  Err err = ERR_OK;
  while (!err && got) {
    err = chunk_read(&b->reader, &chunk, &got);
    if (!err && got) err = take_lines(b, &chunk);
  }
  chunk_free(&chunk);
  return err;
}

static Err open_outputs(SftBuild *b, char spill[PATH_BYTES]) {
  const SftBuildOptions *o = b->option;
  char path[PATH_BYTES];
  TRY(build_output_folder(o->output, 64, "data/chat"));
  snprintf(spill, PATH_BYTES, "%.4000s.dialogs", o->output);
  snprintf(path, sizeof path, "%.4000s.mask", o->output);
  TRY(indexed_create(&b->ids, o->output, b->report->type, NULL));
  return indexed_create(&b->mask, path, TOKENS_U8, NULL);
}

static Err build(SftBuild *b) {
  const SftBuildOptions *o = b->option;
  char spill[PATH_BYTES];
  BuildOptions reading = {.format = INPUT_JSONL, .split = DOCUMENT_IS_LINE};
  BuildPlace begin = {0};
  TRY(inputs_take(&b->inputs, o->input, o->inputs, INPUT_JSONL));
  TRY(open_outputs(b, spill));
  SftOptions packing = {.recipe = o->recipe,
                        .tokenizer = o->tokenizer,
                        .length = o->length,
                        .original = o->original,
                        .spill = spill,
                        .take = write_sample,
                        .context = b};
  TRY(sft_packer_open(&b->packer, &packing));
  if (o->recipe == SFT_TEMPLATE) TRY(sft_template_open(&b->template, o->chat, o->tokenizer, o->kwargs));
  chunk_reader_init(&b->reader, &reading, &b->inputs, &begin);
  if (o->progress) progress_start(&b->progress, "pack", "MB", b->inputs.stdin_used ? 0 : (double)b->inputs.bytes * 1e-6, 0);
  Err err = read_all(b);
  if (o->progress) progress_end(&b->progress);
  chunk_reader_free(&b->reader);
  TRY(err);
  TRY(sft_packer_finish(b->packer, &b->report->counts));
  CHECK(b->report->counts.samples > 0, ERR_FORMAT, "%s: no sample: %lld dialogs, %lld of them longer than %lld tokens",
        o->output, (long long)b->report->counts.dialogs, (long long)b->report->counts.dropped, (long long)o->length);
  TRY(indexed_commit(&b->mask));
  return indexed_commit(&b->ids);
}

Err sft_build(const SftBuildOptions *o, SftBuildReport *report) {
  double start_s = clock_s();
  *report = (SftBuildReport){.type = token_type_for(tokenizer_vocab(o->tokenizer))};
  SftBuild *b = calloc(1, sizeof *b);
  CHECK(b, ERR_MEMORY, "no memory for a build");
  b->option = o;
  b->report = report;
  b->ids.bin.fd = b->ids.index.fd = b->mask.bin.fd = b->mask.index.fd = -1;
  Err err = build(b);
  ErrInfo info = {0};
  if (err) err_take(&info);
  indexed_abandon(&b->ids, false);
  indexed_abandon(&b->mask, false);
  sft_packer_close(b->packer);
  sft_dialog_free(&b->dialog);
  sft_template_close(&b->template);
  inputs_free(&b->inputs);
  free(b->wide);
  free(b);
  report->seconds = clock_s() - start_s;
  return err ? err_give(&info) : ERR_OK;
}
