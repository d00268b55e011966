#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/gguf.h"

enum { VERSION = 3 };

Err gguf_create(GgufWriter *w, const char *path) {
  *w = (GgufWriter){0};
  file_sweep(path);
  return file_create(&w->file, path);
}

// ---- key-values

static Err append(GgufWriter *w, const void *data, size_t size) {
  if (w->values_capacity - w->values_size < size) {
    size_t capacity = w->values_capacity + w->values_capacity / 2 + size + 4096;
    char *grown = realloc(w->values, capacity);
    CHECK(grown, ERR_MEMORY, "%s: no memory for %zu bytes of key-values", w->file.path, capacity);
    w->values = grown;
    w->values_capacity = capacity;
  }
  if (size) memcpy(w->values + w->values_size, data, size);
  w->values_size += size;
  return ERR_OK;
}

static Err append_u32(GgufWriter *w, uint32_t v) { return append(w, &v, sizeof v); }
static Err append_u64(GgufWriter *w, uint64_t v) { return append(w, &v, sizeof v); }

static Err append_text(GgufWriter *w, const char *text, size_t size) {
  TRY(append_u64(w, size));
  return append(w, text, size);
}

static Err begin_value(GgufWriter *w, const char *key, GgufValueType type) {
  w->n_values++;
  TRY(append_text(w, key, strlen(key)));
  return append_u32(w, (uint32_t)type);
}

Err gguf_put_value(GgufWriter *w, const GgufValue *v) {
  w->n_values++;
  TRY(append_text(w, v->key.data, v->key.size));
  if (v->is_array) TRY(append_u32(w, GGUF_ARRAY));
  TRY(append_u32(w, (uint32_t)v->type));
  if (v->is_array) TRY(append_u64(w, (uint64_t)v->count));
  return append(w, v->data, v->size);
}

static Err begin_array(GgufWriter *w, const char *key, GgufValueType type, int64_t n) {
  TRY(begin_value(w, key, GGUF_ARRAY));
  TRY(append_u32(w, (uint32_t)type));
  return append_u64(w, (uint64_t)n);
}

Err gguf_put_u32(GgufWriter *w, const char *key, uint32_t v) {
  TRY(begin_value(w, key, GGUF_U32));
  return append_u32(w, v);
}

Err gguf_put_f32(GgufWriter *w, const char *key, float v) {
  TRY(begin_value(w, key, GGUF_F32));
  return append(w, &v, sizeof v);
}

Err gguf_put_bool(GgufWriter *w, const char *key, bool v) {
  TRY(begin_value(w, key, GGUF_BOOL));
  return append(w, &(uint8_t){v}, 1);
}

Err gguf_put_text(GgufWriter *w, const char *key, const char *text, size_t size) {
  TRY(begin_value(w, key, GGUF_STRING));
  return append_text(w, text, size);
}

Err gguf_put_texts(GgufWriter *w, const char *key, const GgufText *text, int64_t n) {
  TRY(begin_array(w, key, GGUF_STRING, n));
  for (int64_t i = 0; i < n; i++) TRY(append_text(w, text[i].data, text[i].size));
  return ERR_OK;
}

Err gguf_put_i32s(GgufWriter *w, const char *key, const int32_t *v, int64_t n) {
  TRY(begin_array(w, key, GGUF_I32, n));
  return append(w, v, (size_t)n * sizeof *v);
}

Err gguf_put_f32s(GgufWriter *w, const char *key, const float *v, int64_t n) {
  TRY(begin_array(w, key, GGUF_F32, n));
  return append(w, v, (size_t)n * sizeof *v);
}

Err gguf_put_u8s(GgufWriter *w, const char *key, const void *v, size_t n) {
  TRY(begin_array(w, key, GGUF_U8, (int64_t)n));
  return append(w, v, n);
}

// ---- tensors

Err gguf_declare(GgufWriter *w, const char *name, const GgufType *type, int n_dims, const int64_t *dim) {
  assert(n_dims >= 1 && n_dims <= GGUF_DIMS && type->encode);
  CHECK(strlen(name) < GGUF_NAME_BYTES, ERR_ARG, "%s: the tensor name \"%s\" has more than %d bytes", w->file.path, name,
        GGUF_NAME_BYTES - 1);
  CHECK(dim[n_dims - 1] % type->block == 0, ERR_SHAPE,
        "%s: tensor \"%s\" has rows of %lld elements, %s wants a multiple of %lld", w->file.path, name,
        (long long)dim[n_dims - 1], type->name, (long long)type->block);
  if (w->n_tensors == w->capacity) {
    int64_t capacity = w->capacity ? 2 * w->capacity : 64;
    GgufTensor *grown = realloc(w->tensor, (size_t)capacity * sizeof *grown);
    CHECK(grown, ERR_MEMORY, "%s: no memory for a list of %lld tensors", w->file.path, (long long)capacity);
    w->tensor = grown;
    w->capacity = capacity;
  }
  GgufTensor *t = &w->tensor[w->n_tensors++];
  *t = (GgufTensor){.type = type, .n_dims = n_dims, .n = 1};
  memcpy(t->name, name, strlen(name));
  for (int i = 0; i < n_dims; i++) t->n *= t->dim[i] = dim[i];
  t->size = (size_t)(t->n / type->block) * type->bytes;
  return ERR_OK;
}

static Err write_padding(GgufWriter *w, size_t size) {
  static const char zeros[GGUF_ALIGN];
  return file_write(&w->file, zeros, (GGUF_ALIGN - size % GGUF_ALIGN) % GGUF_ALIGN);
}

// The tensors' table goes after the key-values, in the same buffer.
static Err append_table(GgufWriter *w) {
  uint64_t offset = 0;
  for (int64_t i = 0; i < w->n_tensors; i++) {
    const GgufTensor *t = &w->tensor[i];
    TRY(append_text(w, t->name, strlen(t->name)));
    TRY(append_u32(w, (uint32_t)t->n_dims));
    for (int k = t->n_dims - 1; k >= 0; k--) TRY(append_u64(w, (uint64_t)t->dim[k]));
    TRY(append_u32(w, t->type->code));
    TRY(append_u64(w, offset));
    offset += (t->size + GGUF_ALIGN - 1) / GGUF_ALIGN * GGUF_ALIGN;
  }
  return ERR_OK;
}

// Past tensors that are whole, those without bytes among them.
static Err pass_whole(GgufWriter *w) {
  while (w->written < w->n_tensors && w->given == w->tensor[w->written].size) {
    TRY(write_padding(w, w->given));
    w->written++;
    w->given = 0;
  }
  return ERR_OK;
}

Err gguf_begin(GgufWriter *w) {
  const uint32_t version = VERSION;
  const int64_t counts[2] = {w->n_tensors, w->n_values};
  TRY(append_table(w));
  TRY(file_write(&w->file, "GGUF", 4));
  TRY(file_write(&w->file, &version, sizeof version));
  TRY(file_write(&w->file, counts, sizeof counts));
  TRY(file_write(&w->file, w->values, w->values_size));
  TRY(write_padding(w, 4 + sizeof version + sizeof counts + w->values_size));
  return pass_whole(w);
}

Err gguf_write(GgufWriter *w, const void *data, size_t bytes) {
  const uint8_t *p = data;
  while (bytes > 0) {
    CHECK(w->written < w->n_tensors, ERR_SHAPE, "%s: %zu bytes more than were declared", w->file.path, bytes);
    size_t rest = w->tensor[w->written].size - w->given, part = bytes < rest ? bytes : rest;
    TRY(file_write(&w->file, p, part));
    p += part;
    bytes -= part;
    w->given += part;
    TRY(pass_whole(w));
  }
  return ERR_OK;
}

static void release(GgufWriter *w) {
  free(w->values);
  free(w->tensor);
  *w = (GgufWriter){0};
}

Err gguf_commit(GgufWriter *w) {
  CHECK(w->written == w->n_tensors, ERR_SHAPE, "%s: tensor \"%s\" has %zu of its %zu bytes", w->file.path,
        w->tensor[w->written].name, w->given, w->tensor[w->written].size);
  TRY(file_commit(&w->file));
  release(w);
  return ERR_OK;
}

void gguf_abandon(GgufWriter *w) {
  file_abandon(&w->file);
  release(w);
}
