#include "model/hf_piece.h"

#include <stdlib.h>
#include <string.h>

Piece piece_whole(const SafeTensors *file, const StTensor *tensor) {
  int64_t cols = tensor->n_dims ? tensor->dim[tensor->n_dims - 1] : 1, n = st_elements(tensor);
  int64_t rows = cols ? n / cols : 0;
  return (Piece){.file = file, .tensor = tensor, .rows = rows, .cols = cols, .run = rows, .stride = rows};
}

StType piece_type(const Piece *p) { return st_is_code(p->tensor->type) || p->factor > 0 ? ST_F32 : p->tensor->type; }

// Elements [col, col + n) of the tensor's row as they are stored, to `out`.
static Err read_stored(const Piece *p, int64_t row, int64_t col, int64_t n, void *out) {
  size_t bytes = st_type_bytes(p->tensor->type);
  return safetensors_read(p->file, p->tensor, (size_t)(row * p->cols + col) * bytes, (size_t)n * bytes, out);
}

static Err scale_row(const Piece *p, int64_t row, int64_t col, int64_t n, float *x) {
  enum { AT_ONCE = 64 };
  int64_t across = p->scale->dim[1], first = col / p->block[1], last = (col + n - 1) / p->block[1];
  float scale[AT_ONCE];
  for (int64_t b = first; b <= last; b += AT_ONCE) {
    int64_t count = last - b + 1 < AT_ONCE ? last - b + 1 : AT_ONCE;
    size_t at = (size_t)(row / p->block[0] * across + b) * sizeof(float);
    TRY(safetensors_read(p->scale_file, p->scale, at, (size_t)count * sizeof(float), scale));
    for (int64_t k = 0; k < count; k++) {
      int64_t from = (b + k) * p->block[1], to = from + p->block[1];
      if (from < col) from = col;
      if (to > col + n) to = col + n;
      for (int64_t c = from; c < to; c++) x[c - col] *= scale[k];
    }
  }
  return ERR_OK;
}

// A run of one row of 8-bit codes, as fp32.
static Err read_codes(const Piece *p, int64_t row, int64_t col, int64_t n, float *out) {
  enum { AT_ONCE = 4096 };
  uint8_t code[AT_ONCE];
  for (int64_t at = 0; at < n; at += AT_ONCE) {
    int64_t count = n - at < AT_ONCE ? n - at : AT_ONCE;
    TRY(read_stored(p, row, col + at, count, code));
    st_to_f32(p->tensor->type, code, count, out + at);
    if (p->scale) TRY(scale_row(p, row, col + at, count, out + at));
  }
  return ERR_OK;
}

// The columns of the piece are runs of the tensor.
static Err hold(Piece *p) {
  size_t bytes = st_type_bytes(p->tensor->type), column = (size_t)p->rows * bytes;
  p->held = malloc((size_t)p->cols * column + 1);
  CHECK(p->held, ERR_MEMORY, "%s: no memory to turn %lld x %lld elements of tensor \"%s\" over", p->file->map.path,
        (long long)p->rows, (long long)p->cols, p->tensor->name);
  for (int64_t c = 0; c < p->cols; c++)
    TRY(safetensors_read(p->file, p->tensor, (size_t)(p->first + c * p->line) * bytes, column,
                         (char *)p->held + (size_t)c * column));
  return ERR_OK;
}

static Err read_turned(Piece *p, int64_t first, int64_t n, uint8_t *out) {
  size_t bytes = st_type_bytes(p->tensor->type);
  if (!p->held) TRY(hold(p));
  for (int64_t i = first; i < first + n; i++)
    memcpy(out + (size_t)(i - first) * bytes, (char *)p->held + (size_t)(i % p->cols * p->rows + i / p->cols) * bytes, bytes);
  if (first + n < p->rows * p->cols) return ERR_OK;
  free(p->held);
  p->held = NULL;
  return ERR_OK;
}

static Err read_plain(Piece *p, int64_t first, int64_t n, void *out) {
  if (p->turned) return read_turned(p, first, n, out);
  uint8_t *to = out;
  bool code = st_is_code(p->tensor->type);
  size_t bytes = code ? sizeof(float) : st_type_bytes(p->tensor->type);
  while (n > 0) {
    int64_t row = first / p->cols, col = first % p->cols, group = row / p->run, within = row % p->run;
    int64_t room = code ? p->cols - col : (p->run - within) * p->cols - col, count = n < room ? n : room;
    int64_t from = group * p->stride + within + p->first;
    if (code) TRY(read_codes(p, from, col, count, (float *)(void *)to));
    else TRY(read_stored(p, from, col, count, to));
    to += (size_t)count * bytes;
    first += count;
    n -= count;
  }
  return ERR_OK;
}

static Err read_multiplied(Piece *p, int64_t first, int64_t n, float *out) {
  enum { AT_ONCE = 4096 };
  double raw[AT_ONCE];
  StType type = st_is_code(p->tensor->type) ? ST_F32 : p->tensor->type;
  for (int64_t at = 0; at < n; at += AT_ONCE) {
    int64_t count = n - at < AT_ONCE ? n - at : AT_ONCE;
    TRY(read_plain(p, first + at, count, raw));
    st_to_f32(type, raw, count, out + at);
    for (int64_t i = 0; i < count; i++) out[at + i] = (float)((double)out[at + i] * p->factor);
  }
  return ERR_OK;
}

Err piece_read(Piece *p, int64_t first, int64_t n, void *out) {
  return p->factor > 0 ? read_multiplied(p, first, n, out) : read_plain(p, first, n, out);
}
