#include "levels.h"

#include <math.h>
#include <stdlib.h>

#include "amx_trap.h"
#include "base/half.h"
#include "test.h"

Dev level_open(int isa, int n_threads) {
  Dev d;
  if (isa == ISA_AMX) (void)amx_emulate();
  setenv("PLEIAD_ISA", isa_names[isa], 1);
  ASSERT_OK(dev_open(&d, n_threads));
  return d;
}

int level_best(void) {
  Dev d;
  (void)amx_emulate();
  unsetenv("PLEIAD_ISA");
  ASSERT_OK(dev_open(&d, 1));
  int isa = (int)d.isa;
  dev_close(&d);
  return isa;
}

void *guarded(size_t bytes) {
  char *p = aligned_alloc(64, (bytes + 2 * GUARD_BYTES + 63) / 64 * 64);
  memset(p, GUARD_BYTE, bytes + 2 * GUARD_BYTES);
  return p + GUARD_BYTES;
}

Mat matrix(int64_t rows, int64_t cols, Dtype type) {
  int64_t ld = cols + 3;
  return mat_of(guarded((size_t)(rows * ld) * dtype_bytes(type)), ld, type);
}

double matrix_get(Mat m, int64_t i, int64_t j) {
  if (m.type == DT_F32) return ((float *)m.data)[i * m.ld + j];
  return bf16_to_f32(((Bf16 *)m.data)[i * m.ld + j]);
}

void matrix_set(Mat m, int64_t i, int64_t j, double x) {
  if (m.type == DT_F32) ((float *)m.data)[i * m.ld + j] = (float)x;
  else ((Bf16 *)m.data)[i * m.ld + j] = bf16_from_f32((float)x);
}

static float random_value(void) {
  static uint32_t state = 1;
  state = state * 1664525u + 1013904223u;
  return (float)(state >> 8) / (float)(1 << 23) - 1;
}

Mat random_matrix(int64_t rows, int64_t cols, Dtype type) {
  Mat m = matrix(rows, cols, type);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j++) matrix_set(m, i, j, random_value());
  return m;
}

void check_guards(Mat m, int64_t rows, int64_t cols) {
  size_t size = dtype_bytes(m.type);
  const unsigned char *p = m.data;
  for (size_t i = 1; i <= GUARD_BYTES; i++) ASSERT(*(p - i) == GUARD_BYTE);
  for (int64_t i = 0; i < rows; i++)
    for (size_t j = (size_t)cols * size; j < (size_t)m.ld * size; j++) ASSERT(p[(size_t)(i * m.ld) * size + j] == GUARD_BYTE);
  for (size_t i = 0; i < GUARD_BYTES; i++) ASSERT(p[(size_t)(rows * m.ld) * size + i] == GUARD_BYTE);
}

void same_row(Mat a, int64_t i, Mat b, int64_t j, int64_t cols, const char *what) {
  size_t size = dtype_bytes(a.type);
  const char *p = (const char *)a.data + (size_t)(i * a.ld) * size, *q = (const char *)b.data + (size_t)(j * b.ld) * size;
  ASSERT_MSG(memcmp(p, q, (size_t)cols * size) == 0, "%s: row %d differs", what, (int)i);
}

double rounding(Dtype t) { return t == DT_F32 ? ldexp(1, -24) : ldexp(1, -9); }
