// Cutting the input into chunks of whole documents.
#include <stdlib.h>
#include <string.h>

#include "data/build_chunk.h"

void chunk_free(Chunk *c) {
  free(c->text);
  ids_free(&c->ids);
  ids_free(&c->shape);
  *c = (Chunk){0};
}

void chunk_reader_init(ChunkReader *r, const BuildOptions *o, const Inputs *inputs, const BuildPlace *from) {
  *r = (ChunkReader){.option = o, .inputs = inputs, .file = from->file, .first_offset = from->offset, .stream = {.fd = -1}};
  for (int64_t i = 0; i < from->file; i++) r->before += inputs->file[i].size_bytes;
}

void chunk_reader_free(ChunkReader *r) {
  if (r->open) stream_close(&r->stream);
  free(r->carry);
  *r = (ChunkReader){0};
}

static Err reserve(char **data, size_t *capacity, size_t want) {
  if (*capacity >= want) return ERR_OK;
  size_t room = want + want / 2;
  char *grown = realloc(*data, room);
  CHECK(grown, ERR_MEMORY, "no memory for a piece of input of %zu bytes", want);
  *data = grown;
  *capacity = room;
  return ERR_OK;
}

// Behind the last line that is blank: there a paragraph has ended. 0 if there is none.
static size_t last_blank_line(const char *text, size_t size) {
  const char *end = text + size, *newline;
  while ((newline = memrchr(text, '\n', (size_t)(end - text)))) {
    const char *p = newline;
    while (p > text && (p[-1] == ' ' || p[-1] == '\t' || p[-1] == '\r')) p--;
    if (p == text || p[-1] == '\n') return (size_t)(newline - text) + 1;
    end = p;
  }
  return 0;
}

// Where text may be cut; 0: nowhere yet.
static size_t last_boundary(const ChunkReader *r, const char *text, size_t size) {
  if (r->inputs->file[r->file].format == INPUT_TEXT) {
    if (r->option->split == DOCUMENT_IS_FILE) return 0;
    if (r->option->split == DOCUMENT_IS_PARAGRAPH) return last_blank_line(text, size);
  }
  const char *newline = memrchr(text, '\n', size);
  return newline ? (size_t)(newline - text) + 1 : 0;
}

static Err open_next(ChunkReader *r) {
  TRY(stream_open(&r->stream, r->inputs->file[r->file].path));
  r->open = true;
  r->carry_size = 0;
  if (r->first_offset > 0) TRY(stream_skip_to(&r->stream, r->first_offset));
  r->first_offset = 0;
  return ERR_OK;
}

// Reads until there is a boundary behind at least a chunk's bytes, or the file ends. *cut: bytes that belong to the chunk.
static Err fill(ChunkReader *r, Chunk *c, size_t *cut) {
  size_t want = BUILD_CHUNK_BYTES, got;
  for (;;) {
    TRY(reserve(&c->text, &c->capacity, want));
    while (c->size < want) {
      TRY(stream_read(&r->stream, c->text + c->size, want - c->size, &got));
      c->size += got;
      if (got > 0) continue;
      c->ends_file = true;
      *cut = c->size;
      return ERR_OK;
    }
    *cut = last_boundary(r, c->text, c->size);
    if (*cut) return ERR_OK;
    CHECK(c->size < BUILD_DOCUMENT_BYTES_MAX, ERR_FORMAT,
          "%s: a document of more than %d MiB begins at byte %lld; no line ends there", r->stream.path,
          BUILD_DOCUMENT_BYTES_MAX >> 20, (long long)c->offset);
    want = c->size * 2 < BUILD_DOCUMENT_BYTES_MAX ? c->size * 2 : BUILD_DOCUMENT_BYTES_MAX;
  }
}

static Err read_chunk(ChunkReader *r, Chunk *c) {
  TRY(reserve(&c->text, &c->capacity, r->carry_size));
  c->file = r->file;
  c->offset = r->stream.given - (int64_t)r->carry_size;
  if (r->carry_size) memcpy(c->text, r->carry, r->carry_size);
  c->size = r->carry_size;
  size_t cut;
  TRY(fill(r, c, &cut));
  r->carry_size = c->size - cut;
  TRY(reserve(&r->carry, &r->carry_capacity, r->carry_size));
  if (r->carry_size) memcpy(r->carry, c->text + cut, r->carry_size);
  c->size = cut;
  c->consumed = r->before + r->stream.consumed;
  if (c->ends_file) {
    stream_close(&r->stream);
    r->open = false;
    r->before += r->inputs->file[r->file].size_bytes;
    r->file++;
  }
  return ERR_OK;
}

Err chunk_read(ChunkReader *r, Chunk *c, bool *got) {
  *got = false;
  for (;;) {
    c->size = 0;
    c->ends_file = false;
    c->ids.count = c->shape.count = c->lines = c->bad = 0;
    if (!r->open && r->file == r->inputs->count) return ERR_OK;
    c->file = r->file;
    if (!r->open) TRY(open_next(r));
    TRY(read_chunk(r, c));
    bool is_document =
        r->inputs->file[c->file].format == INPUT_TEXT && r->option->split == DOCUMENT_IS_FILE;  // even an empty one
    if (c->size == 0 && !is_document) continue;
    *got = true;
    return ERR_OK;
  }
}
