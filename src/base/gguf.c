// Reading the container. Everything is read through a cursor that knows what is left of the file.
#include "base/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"

enum { VERSION_MIN = 2, VERSION_MAX = 3 };

static const struct {
  const char *name;
  size_t bytes;  // of a value; the least, where there is more
} value_types[GGUF_VALUE_TYPES] = {
    [GGUF_U8] = {"u8", 1},   [GGUF_I8] = {"i8", 1},         [GGUF_U16] = {"u16", 2},      [GGUF_I16] = {"i16", 2},
    [GGUF_U32] = {"u32", 4}, [GGUF_I32] = {"i32", 4},       [GGUF_F32] = {"f32", 4},      [GGUF_BOOL] = {"bool", 1},
    [GGUF_U64] = {"u64", 8}, [GGUF_STRING] = {"string", 8}, [GGUF_ARRAY] = {"array", 12}, [GGUF_I64] = {"i64", 8},
    [GGUF_F64] = {"f64", 8},
};

const char *gguf_value_type_name(GgufValueType type) { return value_types[type].name; }

// ---- the cursor
typedef struct {
  const char *path;
  const uint8_t *data;
  size_t at, size;  // of the file
  size_t mapped;    // bytes that can be looked at
  bool beyond;      // more were needed
  char what[160];   // what is being read, for messages
} Cursor;

static size_t left(const Cursor *c) { return c->size - c->at; }

// Before looking at the next n bytes, which are known to be in the file.
static Err look(Cursor *c, size_t n) {
  if (n <= c->mapped - c->at) return ERR_OK;
  c->beyond = true;
  FAIL(ERR_FORMAT, "%s: the header goes on after byte %zu", c->path, c->mapped);
}

static uint64_t little_endian(const uint8_t *p, int bytes) {
  uint64_t v = 0;
  for (int i = 0; i < bytes; i++) v |= (uint64_t)p[i] << (8 * i);
  return v;
}

static Err read_number(Cursor *c, int bytes, uint64_t *out) {
  CHECK(left(c) >= (size_t)bytes, ERR_FORMAT, "%s: byte %zu: %s wants %d bytes, %zu are left; is it cut short?", c->path, c->at,
        c->what, bytes, left(c));
  TRY(look(c, (size_t)bytes));
  *out = little_endian(c->data + c->at, bytes);
  c->at += (size_t)bytes;
  return ERR_OK;
}

static Err read_u32(Cursor *c, uint32_t *out) {
  uint64_t v = 0;
  TRY(read_number(c, 4, &v));
  *out = (uint32_t)v;
  return ERR_OK;
}

static Err read_text(Cursor *c, GgufText *out) {
  size_t begin = c->at;
  uint64_t n = 0;
  TRY(read_number(c, 8, &n));
  CHECK(n <= left(c), ERR_FORMAT, "%s: byte %zu: %s claims %llu bytes of text, %zu are left; is it cut short?", c->path, begin,
        c->what, (unsigned long long)n, left(c));
  TRY(look(c, (size_t)n));
  *out = (GgufText){(const char *)c->data + c->at, (size_t)n};
  c->at += (size_t)n;
  return ERR_OK;
}

// ---- name -> index: open addressing, at most half full; 0 is empty, else index + 1
typedef struct {
  uint64_t mask;
  int64_t slot[];
} Index;

typedef GgufText NameOf(const Gguf *g, int64_t i);

static GgufText value_name(const Gguf *g, int64_t i) { return g->value[i].key; }
static GgufText tensor_name(const Gguf *g, int64_t i) { return (GgufText){g->tensor[i].name, strlen(g->tensor[i].name)}; }

static int64_t *find_slot(const Gguf *g, Index *x, NameOf *name_of, GgufText name) {
  uint64_t at = hash64(name.data, name.size, 0) & x->mask;
  for (; x->slot[at]; at = (at + 1) & x->mask) {
    GgufText other = name_of(g, x->slot[at] - 1);
    if (other.size == name.size && memcmp(other.data, name.data, name.size) == 0) break;
  }
  return &x->slot[at];
}

// *twice: the first name that is there already, -1 if none.
static Err build_index(const Gguf *g, NameOf *name_of, int64_t n, void **out, int64_t *twice) {
  uint64_t slots = 2;
  while (slots < 2 * (uint64_t)n) slots *= 2;
  Index *x = calloc(1, sizeof *x + slots * sizeof x->slot[0]);
  CHECK(x, ERR_MEMORY, "no memory to read %s", g->map.path);
  x->mask = slots - 1;
  *out = x;
  *twice = -1;
  for (int64_t i = 0; i < n && *twice < 0; i++) {
    int64_t *slot = find_slot(g, x, name_of, name_of(g, i));
    if (*slot) *twice = i;
    else *slot = i + 1;
  }
  return ERR_OK;
}

const GgufValue *gguf_value(const Gguf *g, const char *key) {
  int64_t i = *find_slot(g, g->value_index, value_name, (GgufText){key, strlen(key)});
  return i ? &g->value[i - 1] : NULL;
}

const GgufTensor *gguf_tensor(const Gguf *g, const char *name) {
  int64_t i = *find_slot(g, g->tensor_index, tensor_name, (GgufText){name, strlen(name)});
  return i ? &g->tensor[i - 1] : NULL;
}

// ---- key-values
static Err read_items(Cursor *c, GgufValue *v) {
  size_t begin = c->at, size = (size_t)v->count * value_types[v->type].bytes;  // an array's count is known to fit
  if (v->type == GGUF_STRING) {
    GgufText text;
    for (int64_t i = 0; i < v->count; i++) TRY(read_text(c, &text));
  } else {
    CHECK(size <= left(c), ERR_FORMAT, "%s: byte %zu: %s wants %zu bytes, %zu are left; is it cut short?", c->path, begin,
          c->what, size, left(c));
    TRY(look(c, size));
    c->at += size;
  }
  v->data = c->data + begin;
  v->size = c->at - begin;
  for (size_t i = 0; v->type == GGUF_BOOL && i < v->size; i++)
    CHECK(v->data[i] <= 1, ERR_FORMAT, "%s: byte %zu: %s is a bool of %d; 0 or 1 is wanted", c->path, begin + i, c->what,
          v->data[i]);
  return ERR_OK;
}

static Err read_value_type(Cursor *c, bool item, GgufValueType *out) {
  size_t begin = c->at;
  uint32_t type = 0;
  TRY(read_u32(c, &type));
  CHECK(type < GGUF_VALUE_TYPES && !(item && type == GGUF_ARRAY), ERR_FORMAT, "%s: byte %zu: %s has %s type %u; %s", c->path,
        begin, c->what, item ? "items of" : "the", type,
        type == GGUF_ARRAY ? "arrays of arrays are not read" : "the format knows 0 to 12");
  *out = (GgufValueType)type;
  return ERR_OK;
}

// What is being read, with a name from the file: without control characters, since it goes to a terminal.
static void name_it(Cursor *c, const char *kind, int64_t i, GgufText name) {
  int at = snprintf(c->what, sizeof c->what, "%s %lld \"", kind, (long long)i);
  for (size_t k = 0; k < name.size && at < (int)sizeof c->what - 5; k++)
    c->what[at++] = (unsigned char)name.data[k] < ' ' || name.data[k] == 0x7f ? '?' : name.data[k];
  snprintf(c->what + at, sizeof c->what - (size_t)at, "%s\"", at < (int)sizeof c->what - 5 ? "" : "...");
}

static Err read_value(Cursor *c, int64_t i, GgufValue *v) {
  size_t begin = c->at;
  *v = (GgufValue){.count = 1};
  snprintf(c->what, sizeof c->what, "key %lld", (long long)i);
  TRY(read_text(c, &v->key));
  CHECK(v->key.size > 0, ERR_FORMAT, "%s: byte %zu: key %lld is empty", c->path, begin, (long long)i);
  name_it(c, "key", i, v->key);
  TRY(read_value_type(c, false, &v->type));
  if (v->type == GGUF_ARRAY) {
    uint64_t count = 0;
    v->is_array = true;
    TRY(read_value_type(c, true, &v->type));
    TRY(read_number(c, 8, &count));
    CHECK(count <= left(c) / value_types[v->type].bytes, ERR_FORMAT,
          "%s: byte %zu: %s claims an array of %llu items, %zu bytes are left; is it cut short?", c->path, c->at - 8, c->what,
          (unsigned long long)count, left(c));
    v->count = (int64_t)count;
  }
  return read_items(c, v);
}

static Err read_values(Gguf *g, Cursor *c, int64_t n) {
  int64_t capacity = 0, twice;
  for (int64_t i = 0; i < n; i++) {
    if (i == capacity) {
      capacity = capacity ? 2 * capacity : 64;
      GgufValue *grown = realloc(g->value, (size_t)capacity * sizeof *grown);
      CHECK(grown, ERR_MEMORY, "no memory to read %s", c->path);
      g->value = grown;
    }
    TRY(read_value(c, i, &g->value[i]));
    g->n_values++;
  }
  TRY(build_index(g, value_name, g->n_values, &g->value_index, &twice));
  if (twice >= 0) {
    name_it(c, "key", twice, g->value[twice].key);
    FAIL(ERR_FORMAT, "%s: %s is there already under a smaller number", c->path, c->what);
  }
  return ERR_OK;
}

// ---- tensors
// The file has the innermost dimension first.
static Err read_dims(Cursor *c, GgufTensor *t) {
  size_t begin = c->at;
  uint32_t n_dims = 0;
  TRY(read_u32(c, &n_dims));
  CHECK(n_dims <= GGUF_DIMS, ERR_FORMAT, "%s: byte %zu: %s has %u dimensions; at most %d are wanted", c->path, begin, c->what,
        n_dims, GGUF_DIMS);
  t->n_dims = (int)n_dims;
  t->n = 1;
  for (int i = t->n_dims - 1; i >= 0; i--) {
    uint64_t n = 0;
    TRY(read_number(c, 8, &n));
    CHECK(n <= INT64_MAX, ERR_FORMAT, "%s: byte %zu: %s: dimension %d is %lld; not less than 0 is wanted", c->path, c->at - 8,
          c->what, t->n_dims - 1 - i, (long long)n);
    t->dim[i] = (int64_t)n;
  }
  bool over = false;
  for (int i = 0; i < t->n_dims; i++) over |= __builtin_mul_overflow(t->n, t->dim[i], &t->n);
  CHECK(!over, ERR_FORMAT, "%s: byte %zu: %s: its dimensions make more elements than 63 bits count", c->path, begin, c->what);
  return ERR_OK;
}

static Err read_tensor_type(Cursor *c, GgufTensor *t) {
  size_t begin = c->at;
  uint32_t type = 0;
  TRY(read_u32(c, &type));
  t->type = gguf_type_of(type);
  CHECK(t->type, ERR_FORMAT, "%s: byte %zu: %s has tensor type %u, which the format does not know, or no more", c->path, begin,
        c->what, type);
  int64_t row = t->n_dims ? t->dim[t->n_dims - 1] : 1;
  CHECK(row % t->type->block == 0, ERR_FORMAT,
        "%s: byte %zu: %s is %s with rows of %lld elements; a multiple of its block of %lld is wanted", c->path, begin, c->what,
        t->type->name, (long long)row, (long long)t->type->block);
  CHECK(!__builtin_mul_overflow((uint64_t)(t->n / t->type->block), t->type->bytes, &t->size) && t->size <= INT64_MAX,
        ERR_FORMAT, "%s: byte %zu: %s is larger than any file", c->path, begin, c->what);
  return ERR_OK;
}

// *offset: of its bytes within the data.
static Err read_tensor(Cursor *c, int64_t i, GgufTensor *t, uint64_t *offset) {
  size_t begin = c->at;
  GgufText name;
  *t = (GgufTensor){0};
  snprintf(c->what, sizeof c->what, "tensor %lld", (long long)i);
  TRY(read_text(c, &name));
  CHECK(name.size < GGUF_NAME_BYTES, ERR_FORMAT, "%s: byte %zu: the name of tensor %lld has %zu bytes; at most %d are wanted",
        c->path, begin, (long long)i, name.size, GGUF_NAME_BYTES - 1);
  CHECK(!memchr(name.data, 0, name.size), ERR_FORMAT, "%s: byte %zu: the name of tensor %lld holds a NUL", c->path, begin,
        (long long)i);
  memcpy(t->name, name.data, name.size);
  name_it(c, "tensor", i, name);
  TRY(read_dims(c, t));
  TRY(read_tensor_type(c, t));
  return read_number(c, 8, offset);
}

// Tensors follow each other, each from the next multiple of the alignment. Their places are kept in `data` until it is known
// where the data begins.
static Err read_tensors(Gguf *g, Cursor *c, int64_t n, uint64_t alignment) {
  int64_t capacity = 0, twice;
  uint64_t want = 0, offset = 0, end = 0;
  for (int64_t i = 0; i < n; i++) {
    if (i == capacity) {
      capacity = capacity ? 2 * capacity : 64;
      GgufTensor *grown = realloc(g->tensor, (size_t)capacity * sizeof *grown);
      CHECK(grown, ERR_MEMORY, "no memory to read %s", c->path);
      g->tensor = grown;
    }
    GgufTensor *t = &g->tensor[i];
    TRY(read_tensor(c, i, t, &offset));
    CHECK(offset == want, ERR_FORMAT, "%s: byte %zu: %s lies at data byte %llu; %llu is wanted (a %s)", c->path, c->at - 8,
          c->what, (unsigned long long)offset, (unsigned long long)want,
          offset % alignment ? "place that is not aligned"
          : offset < want    ? "shared range"
                             : "hole");
    g->n_tensors++;
    end = want + t->size;  // both below 2^63
    want = (end + alignment - 1) / alignment * alignment;
    CHECK(want <= INT64_MAX, ERR_FORMAT, "%s: %s ends beyond any file", c->path, c->what);
  }
  TRY(build_index(g, tensor_name, g->n_tensors, &g->tensor_index, &twice));
  if (twice >= 0) {
    name_it(c, "tensor", twice, tensor_name(g, twice));
    FAIL(ERR_FORMAT, "%s: %s is there already under a smaller number", c->path, c->what);
  }
  if (end == 0) return ERR_OK;
  uint64_t begin = (c->at + alignment - 1) / alignment * alignment, at = begin;
  CHECK(begin <= c->size && end <= c->size - begin, ERR_FORMAT,
        "%s: its tensors want %llu bytes from byte %llu on, the file ends at %zu; is it cut short?", c->path,
        (unsigned long long)end, (unsigned long long)begin, c->size);
  for (int64_t i = 0; i < n; i++) {
    g->tensor[i].offset = at;
    at += (g->tensor[i].size + alignment - 1) / alignment * alignment;
  }
  return ERR_OK;
}

// ---- the file
static Err read_alignment(const Gguf *g, uint64_t *alignment) {
  static const char key[] = "general.alignment";
  const GgufValue *v = gguf_value(g, key);
  *alignment = GGUF_ALIGN;
  if (!v) return ERR_OK;
  CHECK(v->type == GGUF_U32 && !v->is_array, ERR_FORMAT, "%s: byte %td: \"%s\" is of type %s%s; a u32 is wanted", g->map.path,
        v->data - g->map.data, key, v->is_array ? "array of " : "", gguf_value_type_name(v->type));
  *alignment = little_endian(v->data, 4);
  CHECK(*alignment && (*alignment & (*alignment - 1)) == 0, ERR_FORMAT,
        "%s: byte %td: \"%s\" is %llu; a power of two is wanted", g->map.path, v->data - g->map.data, key,
        (unsigned long long)*alignment);
  return ERR_OK;
}

static Err read_version(Gguf *g, Cursor *c) {
  CHECK(c->size > 0, ERR_FORMAT, "%s: empty; a GGUF file is wanted", c->path);
  CHECK(c->size < 40 || memcmp(c->data, "version https://git-lfs", 23) != 0, ERR_FORMAT,
        "%s: a Git LFS pointer, not the data; fetch it with git lfs pull", c->path);
  CHECK(c->size >= 4 && memcmp(c->data, "GGUF", 4) == 0, ERR_FORMAT, "%s: byte 0: its first four bytes are not \"GGUF\"%s",
        c->path,
        c->size >= 4 && (memcmp(c->data, "lmgg", 4) == 0 || memcmp(c->data, "tjgg", 4) == 0)
            ? " but those of an older format of ggml; convert it with the tools it came from"
            : "");
  c->at = 4;
  snprintf(c->what, sizeof c->what, "the version");
  TRY(read_u32(c, &g->version));
  CHECK(g->version >= VERSION_MIN && g->version <= VERSION_MAX, ERR_FORMAT, "%s: byte 4: version %u; %d or %d is wanted%s",
        c->path, g->version, VERSION_MIN, VERSION_MAX,
        g->version && g->version % 65536 == 0 ? " (a file of a big-endian machine?)" : "");
  return ERR_OK;
}

// A count of records that take at least so many bytes each.
static Err read_count(Cursor *c, const char *what, size_t least, int64_t *out) {
  uint64_t n = 0;
  snprintf(c->what, sizeof c->what, "the number of %s", what);
  TRY(read_number(c, 8, &n));
  CHECK(n <= left(c) / least, ERR_FORMAT, "%s: byte %zu: %llu %s are claimed, but %zu bytes are left; is it cut short?",
        c->path, c->at - 8, (unsigned long long)n, what, left(c));
  *out = (int64_t)n;
  return ERR_OK;
}

static Err read_header(Gguf *g, Cursor *c) {
  enum { VALUE_LEAST = 8 + 1 + 4 + 1, TENSOR_LEAST = 8 + 4 + 4 + 8 };
  int64_t n_tensors = 0, n_values = 0;
  uint64_t alignment = 0;
  TRY(read_version(g, c));
  TRY(read_count(c, "tensors", TENSOR_LEAST, &n_tensors));
  TRY(read_count(c, "key-values", VALUE_LEAST, &n_values));
  TRY(read_values(g, c, n_values));
  TRY(read_alignment(g, &alignment));
  return read_tensors(g, c, n_tensors, alignment);
}

bool gguf_is(const char *path) {
  char magic[4];
  FILE *f = file_is_plain(path) ? fopen(path, "rb") : NULL;
  bool is = f && fread(magic, 1, sizeof magic, f) == sizeof magic && memcmp(magic, "GGUF", sizeof magic) == 0;
  if (f) fclose(f);
  return is;
}

Err gguf_open(Gguf *g, const char *path) {
  // Where the header ends is known when it has been read: from a map that holds it, else again from a larger one.
  for (size_t room = 1 << 24;; room *= 8) {
    *g = (Gguf){0};
    TRY(file_map_begin(&g->map, path, room, &g->fd, &g->size));
    Cursor c = {.path = g->map.path, .data = g->map.data, .size = g->size, .mapped = g->map.size};
    Err err = read_header(g, &c);
    if (!err) return ERR_OK;
    gguf_close(g);
    if (!c.beyond) return err_frame(err, __func__, __FILE__, __LINE__);
  }
}

void gguf_close(Gguf *g) {
  free(g->value);
  free(g->tensor);
  free(g->value_index);
  free(g->tensor_index);
  if (g->map.path) {
    close(g->fd);
    file_unmap(&g->map);
  }
  *g = (Gguf){0};
}
