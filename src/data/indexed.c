// Reading. Writing is in indexed_write.c.
#include "data/indexed.h"

#include <assert.h>
#include <stdio.h>

static const struct {
  const char *name;
  uint8_t bytes;
} types[] = {
    [TOKENS_U8] = {"uint8", 1},  [TOKENS_I8] = {"int8", 1},     [TOKENS_I16] = {"int16", 2},   [TOKENS_I32] = {"int32", 4},
    [TOKENS_I64] = {"int64", 8}, [TOKENS_F64] = {"float64", 8}, [TOKENS_F32] = {"float32", 4}, [TOKENS_U16] = {"uint16", 2}};

size_t token_type_bytes(TokenType type) { return types[type].bytes; }
const char *token_type_name(TokenType type) { return types[type].name; }
TokenType token_type_for(int64_t vocab) { return vocab < TOKENS_U16_VOCAB ? TOKENS_U16 : TOKENS_I32; }

static uint64_t u64_at(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

// Checks sizes and sets the arrays. Nothing that a field claims is used before the file is known to be that long.
static Err parse_header(Indexed *x) {
  const char *path = x->index.path;
  const uint8_t *d = x->index.data;
  size_t size = x->index.size;
  CHECK(size > 0, ERR_FORMAT, "%s: empty; an index has at least %d bytes", path, INDEXED_HEADER_BYTES);
  CHECK(size < 8 || memcmp(d, "version ", 8) != 0, ERR_FORMAT,
        "%s: a Git LFS pointer, not the data: fetch it with git lfs pull", path);
  CHECK(size >= 9 && memcmp(d, "MMIDIDX\0\0", 9) == 0, ERR_FORMAT,
        "%s: offset 0: no magic \"MMIDIDX\"; not an index of a token file", path);
  CHECK(size >= INDEXED_HEADER_BYTES, ERR_FORMAT, "%s: %zu bytes, the header wants %d", path, size, INDEXED_HEADER_BYTES);
  uint64_t version = u64_at(d + 9), sequences = u64_at(d + 18), documents = u64_at(d + 26);
  CHECK(version == 1, ERR_FORMAT, "%s: offset 9: version %llu, supported 1", path, (unsigned long long)version);
  CHECK(d[17] >= TOKENS_U8 && d[17] <= TOKENS_U16, ERR_FORMAT, "%s: offset 17: dtype code %d, known 1 to 8", path, d[17]);
  x->type = (TokenType)d[17];
  size_t rest = size - INDEXED_HEADER_BYTES;
  bool fits = sequences <= rest / 12 && documents <= (rest - 12 * sequences) / 8;
  CHECK(fits, ERR_FORMAT,
        "%s: the sequence count %llu and document count %llu are more than the file holds: its size is %zu, size wanted %.0f",
        path, (unsigned long long)sequences, (unsigned long long)documents, size,
        INDEXED_HEADER_BYTES + 12.0 * (double)sequences + 8.0 * (double)documents);
  CHECK(documents >= 1, ERR_FORMAT, "%s: offset 26: document count 0; the first entry of the document index is always there",
        path);
  rest -= 12 * sequences + 8 * documents;
  CHECK(rest == 0 || rest == sequences, ERR_FORMAT, "%s: %zu bytes too many: the size is %zu, wanted %zu (or %zu with modes)",
        path, rest, size, size - rest, size - rest + (size_t)sequences);
  x->sequences = (int64_t)sequences;
  x->documents = (int64_t)documents - 1;
  x->length = d + INDEXED_HEADER_BYTES;
  x->offset = x->length + 4 * sequences;
  x->document = x->offset + 8 * sequences;
  x->mode = rest ? x->document + 8 * documents : NULL;
  return ERR_OK;
}

static Err check_index(Indexed *x) {
  const char *path = x->index.path;
  int64_t size = (int64_t)token_type_bytes(x->type);
  for (int64_t s = 0; s < x->sequences; s++) {
    int64_t length = indexed_length(x, s), offset = indexed_offset(x, s);
    CHECK(length >= 0, ERR_FORMAT, "%s: sequence %lld: length %lld", path, (long long)s, (long long)length);
    CHECK(offset >= 0, ERR_FORMAT, "%s: sequence %lld: pointer %lld", path, (long long)s, (long long)offset);
    CHECK(offset % size == 0, ERR_FORMAT, "%s: sequence %lld: pointer %lld not a multiple of %lld, the size of %s", path,
          (long long)s, (long long)offset, (long long)size, token_type_name(x->type));
    x->tokens += length;
  }
  int64_t before = indexed_document(x, 0);
  CHECK(before == 0, ERR_FORMAT, "%s: document index 0 is %lld, not 0", path, (long long)before);
  for (int64_t d = 1; d <= x->documents; d++) {
    int64_t now = indexed_document(x, d);
    CHECK(now >= before, ERR_FORMAT, "%s: document index %lld is %lld, less than the one before, %lld", path, (long long)d,
          (long long)now, (long long)before);
    before = now;
  }
  CHECK(before == x->sequences, ERR_FORMAT, "%s: last document index %lld, sequences %lld", path, (long long)before,
        (long long)x->sequences);
  return ERR_OK;
}

static Err check_bin(const Indexed *x) {
  int64_t size = (int64_t)token_type_bytes(x->type), room = (int64_t)x->bin.size;
  for (int64_t s = 0; s < x->sequences; s++) {
    int64_t length = indexed_length(x, s), offset = indexed_offset(x, s);
    bool inside = length * size <= room && offset <= room - length * size;
    CHECK(inside, ERR_FORMAT, "%s: sequence %lld: end %.0f is past %s, bin size %lld", x->index.path, (long long)s,
          (double)offset + (double)(length * size), x->bin.path, (long long)room);
  }
  return ERR_OK;
}

static Err open_files(Indexed *x) {
  char path[PATH_BYTES + 8];
  snprintf(path, sizeof path, "%s.idx", x->prefix);
  TRY(file_map(&x->index, path));
  TRY(parse_header(x));
  TRY(check_index(x));
  snprintf(path, sizeof path, "%s.bin", x->prefix);
  CHECK(file_exists(path), ERR_IO, "%s: missing; it holds the tokens of %s", path, x->index.path);
  TRY(file_map(&x->bin, path));
  return check_bin(x);
}

Err indexed_open(Indexed *x, const char *prefix) {
  *x = (Indexed){0};
  size_t n = strlen(prefix);
  if (n > 4 && (strcmp(prefix + n - 4, ".idx") == 0 || strcmp(prefix + n - 4, ".bin") == 0)) n -= 4;
  CHECK(n < PATH_BYTES - 8, ERR_ARG, "%.100s...: a prefix longer than %d bytes", prefix, PATH_BYTES - 9);
  memcpy(x->prefix, prefix, n);
  Err err = open_files(x);
  if (err) indexed_close(x);
  return err;
}

void indexed_close(Indexed *x) {
  if (x->index.path) file_unmap(&x->index);
  if (x->bin.path) file_unmap(&x->bin);
  *x = (Indexed){0};
}

// A value of any type as an id; -1 for what is none.
static int64_t id_at(const uint8_t *p, TokenType type) {
  union {
    int16_t i16;
    uint16_t u16;
    int32_t i32;
    int64_t i64;
    float f32;
    double f64;
  } v;
  memcpy(&v, p, token_type_bytes(type));
  double real = type == TOKENS_F32 ? (double)v.f32 : v.f64;
  switch (type) {
    case TOKENS_U8: return *p;
    case TOKENS_I8: return (int8_t)*p;
    case TOKENS_I16: return v.i16;
    case TOKENS_I32: return v.i32;
    case TOKENS_I64: return v.i64;
    case TOKENS_U16: return v.u16;
    case TOKENS_F32:
    case TOKENS_F64: return real >= 0 && real <= INT32_MAX && real == (double)(int64_t)real ? (int64_t)real : -1;
  }
  return -1;
}

static Err refuse_id(const Indexed *x, int64_t s, int64_t place, int64_t vocab) {
  const uint8_t *p = x->bin.data + indexed_offset(x, s) + place * (int64_t)token_type_bytes(x->type);
  FAIL(ERR_FORMAT,
       "%s.bin: sequence %lld, token %lld: id %lld is not in the vocabulary of %lld; the file was made with another tokenizer",
       x->prefix, (long long)s, (long long)place, (long long)id_at(p, x->type), (long long)vocab);
}

Err indexed_read(const Indexed *x, int64_t s, int64_t first, int64_t n, int64_t vocab, int32_t *out) {
  assert(s >= 0 && s < x->sequences && first >= 0 && n >= 0 && first + n <= indexed_length(x, s));
  int64_t size = (int64_t)token_type_bytes(x->type);
  const uint8_t *p = x->bin.data + indexed_offset(x, s) + first * size;
  uint32_t limit = vocab > INT32_MAX ? (uint32_t)INT32_MAX + 1 : (uint32_t)vocab;
  bool good = true;
  if (x->type == TOKENS_I32) {
    memcpy(out, p, (size_t)n * 4);
    for (int64_t i = 0; i < n; i++) good &= (uint32_t)out[i] < limit;
  } else if (x->type == TOKENS_U16) {
    for (int64_t i = 0; i < n; i++) {
      uint16_t id;
      memcpy(&id, p + 2 * i, sizeof id);
      out[i] = id;
      good &= id < limit;
    }
  } else {
    for (int64_t i = 0; i < n; i++) {
      int64_t id = id_at(p + i * size, x->type);
      good &= id >= 0 && id < limit;
      out[i] = (int32_t)id;
    }
  }
  if (good) return ERR_OK;
  for (int64_t i = 0; i < n; i++) {
    int64_t id = id_at(p + i * size, x->type);
    if (id < 0 || id >= limit) return refuse_id(x, s, first + i, vocab);
  }
  return ERR_OK;
}
