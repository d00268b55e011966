// Texts for `pleiad tokenizer train`.
#include <stdlib.h>
#include <string.h>

#include "base/progress.h"
#include "cli/tokenizer.h"
#include "data/input.h"
#include "data/jsonl.h"
#include "data/stream.h"

enum { READ_BYTES = 1 << 20, LINE_BYTES_MAX = 1 << 30 };

typedef struct {
  BpeTrainer *trainer;
  TrainFormat format;
  const char *key;
  Progress bar;
  int64_t before;  // bytes of files that are done
  char *text;      // what is read and not yet used
  size_t size, capacity;
  Strings strings;
} Reader;

// SentencePiece learns from lines, Hugging Face from texts as they are.
static Err add_text(Reader *r, const char *text, size_t size) {
  if (r->format == TRAIN_HUGGINGFACE) return bpe_trainer_add(r->trainer, text, size);
  for (size_t at = 0; at < size;) {
    const char *newline = memchr(text + at, '\n', size - at);
    size_t end = newline ? (size_t)(newline - text) : size;
    TRY(bpe_trainer_add(r->trainer, text + at, end - at));
    at = end + 1;
  }
  return ERR_OK;
}

// line[0, size): with its newline, if it has one.
static Err add_line(Reader *r, const InputFile *f, int64_t number, const char *line, size_t size) {
  if (f->format == INPUT_TEXT) return add_text(r, line, size);
  if (size && line[size - 1] == '\n') size--;
  if (jsonl_text(line, size, r->key, &r->strings)) FAIL(ERR_FORMAT, "%s:%lld: %s", f->path, (long long)number, err_text());
  size_t begin = 0;
  for (int64_t i = 0; i < r->strings.count; i++) {
    TRY(add_text(r, r->strings.data + begin, r->strings.end[i] - begin));
    begin = r->strings.end[i];
  }
  return ERR_OK;
}

// Uses up the whole lines of what is read; at the end of the file the rest too.
static Err add_lines(Reader *r, const InputFile *f, bool ended, int64_t *number) {
  size_t at = 0;
  while (at < r->size) {
    const char *newline = memchr(r->text + at, '\n', r->size - at);
    if (!newline && !ended) break;
    size_t end = newline ? (size_t)(newline - r->text) + 1 : r->size;
    TRY(add_line(r, f, ++*number, r->text + at, end - at));
    at = end;
  }
  if (at) memmove(r->text, r->text + at, r->size - at);
  r->size -= at;
  return ERR_OK;
}

static Err read_stream(Reader *r, Stream *s, const InputFile *f) {
  int64_t number = 0;
  for (size_t got = 1; got > 0;) {
    if (r->capacity - r->size < READ_BYTES) {
      CHECK(r->size < LINE_BYTES_MAX, ERR_FORMAT, "%s:%lld: a line of more than %d bytes", f->path, (long long)number + 1,
            LINE_BYTES_MAX);
      size_t capacity = r->capacity * 2 + 2 * READ_BYTES;
      char *text = realloc(r->text, capacity);
      CHECK(text, ERR_MEMORY, "%s: no memory for a line of %zu bytes", f->path, capacity);
      r->text = text;
      r->capacity = capacity;
    }
    TRY(stream_read(s, r->text + r->size, READ_BYTES, &got));
    r->size += got;
    TRY(add_lines(r, f, got == 0, &number));
    progress_update(&r->bar, (double)(r->before + s->consumed) * 1e-6);
  }
  return ERR_OK;
}

static Err read_all(Reader *r, const Inputs *in) {
  for (int64_t i = 0; i < in->count; i++) {
    Stream s;
    TRY(stream_open(&s, in->file[i].path));
    r->size = 0;
    Err err = read_stream(r, &s, &in->file[i]);
    stream_close(&s);
    TRY(err);
    r->before += in->file[i].size_bytes;
  }
  return ERR_OK;
}

Err tokenizer_train_read(BpeTrainer *t, TrainFormat format, const char *const *input, int64_t inputs, const char *key) {
  Inputs in = {0};
  Reader r = {.trainer = t, .format = format, .key = key};
  Err err = inputs_take(&in, input, inputs, INPUT_AUTO);
  if (!err) {
    progress_start(&r.bar, "read", "MB", (double)in.bytes * 1e-6, 0);
    err = read_all(&r, &in);
    progress_end(&r.bar);
  }
  inputs_free(&in);
  strings_free(&r.strings);
  free(r.text);
  return err ? err_frame(err, __func__, __FILE__, __LINE__) : ERR_OK;
}
