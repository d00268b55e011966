// From the bytes of a chunk to the ids of its documents.
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "data/build_chunk.h"
#include "text/tokenizer_backend.h"

typedef struct {
  Chunk *chunk;
  const BuildOptions *option;
  TokenizerWork *work;
  Strings *scratch;
  const char *text, *end;  // of the chunk, without a byte order mark
} Tokenising;

static void note_bad(Chunk *c, int64_t line, const char *reason) {
  if (c->bad < BUILD_NAMED) {
    c->named[c->bad].line = line;
    snprintf(c->named[c->bad].reason, sizeof c->named[0].reason, "%s", reason);
  }
  c->bad++;
}

// A sequence for every string that has tokens; the end-of-document id closes the last of them. A document without tokens has no
// sequence.
static Err add_document(const Tokenising *t, const char *text, const size_t *end, int64_t count) {
  Chunk *c = t->chunk;
  int64_t last = -1;
  for (int64_t i = 0; i < count; i++) {
    size_t start = i ? end[i - 1] : 0;
    int64_t before = c->ids.count;
    TRY(tokenizer_encode(t->option->tokenizer, t->work, text + start, end[i] - start, SPECIAL_TEXT, &c->ids));
    int64_t n = c->ids.count - before;
    CHECK(n < INT32_MAX, ERR_FORMAT, "a text of %lld tokens; a sequence holds %d at most", (long long)n, INT32_MAX - 1);
    if (n == 0) continue;
    last = c->shape.count;
    TRY(ids_push(&c->shape, (int32_t)n));
  }
  if (last >= 0 && t->option->eod >= 0) {
    TRY(ids_push(&c->ids, t->option->eod));
    c->shape.id[last]++;
  }
  return ids_push(&c->shape, END_OF_CHUNK_DOCUMENT);
}

static Err tokenise_lines(const Tokenising *t) {
  Chunk *c = t->chunk;
  for (const char *at = t->text, *end = t->end; at < end; c->lines++) {
    const char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline : end;
    Err err = jsonl_text(at, (size_t)(stop - at), t->option->key, t->scratch);
    if (err == ERR_FORMAT) note_bad(c, c->lines, err_text());
    else if (err) return err;
    else TRY(add_document(t, t->scratch->data, t->scratch->end, t->scratch->count));
    at = newline ? newline + 1 : end;
  }
  return ERR_OK;
}

// One document of plain text, which begins in line `line` of the chunk.
static Err add_text(const Tokenising *t, const char *text, size_t size, int64_t line) {
  size_t bad = utf8_invalid_at(text, size);
  if (bad == size) return add_document(t, text, &size, 1);
  char reason[128];
  const char *start = text;
  for (const char *p; (p = memchr(start, '\n', (size_t)(text + bad - start))); start = p + 1) line++;
  const unsigned char *b = (const unsigned char *)text;
  bool utf16 = bad == 0 && size >= 2 && ((b[0] == 0xFF && b[1] == 0xFE) || (b[0] == 0xFE && b[1] == 0xFF));
  if (utf16) snprintf(reason, sizeof reason, "UTF-16 byte order mark; convert the file to UTF-8");
  else
    snprintf(reason, sizeof reason, "byte %lld of the line: invalid UTF-8 (0x%02X)", (long long)(text + bad - start), b[bad]);
  note_bad(t->chunk, line, reason);
  return ERR_OK;
}

static size_t without_line_end(const char *text, size_t size) {
  if (size && text[size - 1] == '\n') size--;
  if (size && text[size - 1] == '\r') size--;
  return size;
}

static bool is_blank(const char *text, size_t size) {
  while (size && (*text == ' ' || *text == '\t' || *text == '\r')) text++, size--;
  return size == 0;
}

// A document is a run of lines that are not blank; for DOCUMENT_IS_LINE the run is one line long.
static Err tokenise_runs(const Tokenising *t) {
  Chunk *c = t->chunk;
  const char *end = t->end, *run = NULL, *run_end = NULL;
  int64_t run_line = 0;
  for (const char *at = t->text; at < end; c->lines++) {
    const char *newline = memchr(at, '\n', (size_t)(end - at)), *next = newline ? newline + 1 : end;
    size_t n = without_line_end(at, (size_t)(next - at));
    bool blank = is_blank(at, n);
    if (run && (blank || t->option->split == DOCUMENT_IS_LINE)) {
      TRY(add_text(t, run, (size_t)(run_end - run), run_line));
      run = NULL;
    }
    if (!blank) {
      if (!run) run = at, run_line = c->lines;
      run_end = at + n;
    }
    at = next;
  }
  return run ? add_text(t, run, (size_t)(run_end - run), run_line) : ERR_OK;
}

Err chunk_tokenise(Chunk *c, const BuildOptions *o, const Inputs *inputs, TokenizerWork *work, Strings *scratch) {
  Tokenising t = {.chunk = c, .option = o, .work = work, .scratch = scratch, .text = c->text, .end = c->text + c->size};
  if (inputs->file[c->file].format == INPUT_JSONL) return tokenise_lines(&t);
  if (c->offset == 0 && c->size >= 3 && memcmp(c->text, "\xEF\xBB\xBF", 3) == 0) t.text += 3;
  return o->split == DOCUMENT_IS_FILE ? add_text(&t, t.text, (size_t)(t.end - t.text), 0) : tokenise_runs(&t);
}
