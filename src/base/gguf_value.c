// Typed access to key-values, and to the numbers of tensors.
#include <assert.h>
#include <string.h>

#include "base/gguf.h"

static int64_t integer_at(GgufValueType type, const uint8_t *p) {
  union {
    uint8_t u8;
    int8_t i8;
    uint16_t u16;
    int16_t i16;
    uint32_t u32;
    int32_t i32;
    uint64_t u64;
    int64_t i64;
  } v;
  switch (type) {
    case GGUF_U8: return *p;
    case GGUF_I8: return (int8_t)*p;
    case GGUF_U16: memcpy(&v, p, 2); return v.u16;
    case GGUF_I16: memcpy(&v, p, 2); return v.i16;
    case GGUF_U32: memcpy(&v, p, 4); return v.u32;
    case GGUF_I32: memcpy(&v, p, 4); return v.i32;
    case GGUF_I64: memcpy(&v, p, 8); return v.i64;
    default: memcpy(&v, p, 8); return v.u64 > INT64_MAX ? INT64_MAX : (int64_t)v.u64;
  }
}

static size_t integer_bytes(GgufValueType type) {
  switch (type) {
    case GGUF_U8:
    case GGUF_I8: return 1;
    case GGUF_U16:
    case GGUF_I16: return 2;
    case GGUF_U32:
    case GGUF_I32: return 4;
    case GGUF_U64:
    case GGUF_I64: return 8;
    default: return 0;
  }
}

static bool is_integer(GgufValueType type) { return integer_bytes(type) > 0; }

// The value of a key, which must be there if needed.
static Err find(const Gguf *g, const char *key, bool needed, const GgufValue **out) {
  *out = gguf_value(g, key);
  CHECK(*out || !needed, ERR_FORMAT, "%s: the key \"%s\" is missing", g->map.path, key);
  return ERR_OK;
}

static Err want(const Gguf *g, const GgufValue *v, bool ok, const char *kind) {
  CHECK(ok, ERR_FORMAT, "%s: byte %td: \"%.*s\" is %s%s; %s is wanted", g->map.path, v->data - g->map.data, (int)v->key.size,
        v->key.data, v->is_array ? "an array of " : "of type ", gguf_value_type_name(v->type), kind);
  return ERR_OK;
}

Err gguf_int(const Gguf *g, const char *key, bool needed, int64_t *out) {
  const GgufValue *v;
  TRY(find(g, key, needed, &v));
  if (!v) return ERR_OK;
  TRY(want(g, v, !v->is_array && is_integer(v->type), "an integer"));
  *out = integer_at(v->type, v->data);
  return ERR_OK;
}

Err gguf_real(const Gguf *g, const char *key, bool needed, double *out) {
  const GgufValue *v;
  TRY(find(g, key, needed, &v));
  if (!v) return ERR_OK;
  bool real = v->type == GGUF_F32 || v->type == GGUF_F64;
  TRY(want(g, v, !v->is_array && (real || is_integer(v->type)), "a real number"));
  float single;
  if (v->type == GGUF_F64) memcpy(out, v->data, sizeof *out);
  else if (v->type == GGUF_F32) memcpy(&single, v->data, sizeof single), *out = (double)single;
  else *out = (double)integer_at(v->type, v->data);
  return ERR_OK;
}

Err gguf_bool(const Gguf *g, const char *key, bool needed, bool *out) {
  const GgufValue *v;
  TRY(find(g, key, needed, &v));
  if (!v) return ERR_OK;
  TRY(want(g, v, !v->is_array && v->type == GGUF_BOOL, "a bool"));
  *out = *v->data != 0;
  return ERR_OK;
}

static GgufText text_at(const uint8_t *p) { return (GgufText){(const char *)p + 8, (size_t)integer_at(GGUF_I64, p)}; }

Err gguf_text(const Gguf *g, const char *key, bool needed, GgufText *out) {
  const GgufValue *v;
  TRY(find(g, key, needed, &v));
  if (!v) return ERR_OK;
  TRY(want(g, v, !v->is_array && v->type == GGUF_STRING, "a string"));
  *out = text_at(v->data);
  return ERR_OK;
}

Err gguf_array(const Gguf *g, const char *key, bool needed, GgufValueType type, const GgufValue **out) {
  TRY(find(g, key, needed, out));
  if (!*out) return ERR_OK;
  const GgufValue *v = *out;
  if (is_integer(type)) return want(g, v, v->is_array && is_integer(v->type), "an array of integers");
  char kind[32];
  snprintf(kind, sizeof kind, "an array of %s", gguf_value_type_name(type));
  return want(g, v, v->is_array && v->type == type, kind);
}

void gguf_array_texts(const GgufValue *v, GgufText *out) {
  assert(v->type == GGUF_STRING);
  const uint8_t *p = v->data;
  for (int64_t i = 0; i < v->count; i++, p = (const uint8_t *)out[i - 1].data + out[i - 1].size) out[i] = text_at(p);
}

int64_t gguf_array_int(const GgufValue *v, int64_t i) {
  assert(is_integer(v->type) && i >= 0 && i < v->count);
  return integer_at(v->type, v->data + (size_t)i * integer_bytes(v->type));
}

float gguf_array_f32(const GgufValue *v, int64_t i) {
  assert(v->type == GGUF_F32 && i >= 0 && i < v->count);
  float x;
  memcpy(&x, v->data + 4 * (size_t)i, sizeof x);
  return x;
}

Err gguf_read(const Gguf *g, const GgufTensor *t, size_t first, size_t size, void *out) {
  assert(first <= t->size && size <= t->size - first);
  return file_stream_read(g->stream, g->fd, g->map.path, t->offset + first, size, out);
}

Err gguf_read_f32(const Gguf *g, const GgufTensor *t, int64_t first, int64_t n, float *out) {
  int64_t block = t->type->block;
  assert(first >= 0 && n >= 0 && first + n <= t->n && first % block == 0 && n % block == 0);
  CHECK(t->type->decode, ERR_FORMAT, "%s: tensor \"%s\" is stored as %s, which is not read here; convert it to another type",
        g->map.path, t->name, t->type->name);
  enum { AT_ONCE = 1 << 14 };  // bytes
  uint8_t bytes[AT_ONCE];
  for (int64_t at = first / block, end = (first + n) / block, most = (int64_t)(AT_ONCE / t->type->bytes); at < end;) {
    int64_t count = end - at < most ? end - at : most;
    TRY(gguf_read(g, t, (size_t)at * t->type->bytes, (size_t)count * t->type->bytes, bytes));
    t->type->decode(bytes, count, out + (at * block - first));
    at += count;
  }
  return ERR_OK;
}
