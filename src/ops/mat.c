// Matrices to fp32 and from it, on the calling thread.
#include <assert.h>
#include <string.h>

#include "base/half.h"
#include "base/wide.h"
#include "ops/ops.h"

enum { BLOCK = 64 };  // a length that compilers know

// One row, or a part of it.
WIDE_PART void row_read(Mat m, int64_t n, float *out) {
  const Bf16 *high = m.data;
  int64_t i = 0;
  if (m.type == DT_F32) {
    memcpy(out, m.data, (size_t)n * sizeof *out);
  } else if (m.type == DT_BF16) {
    for (; i < n; i++) out[i] = bf16_to_f32(high[i]);
  } else {
    for (; i + BLOCK <= n; i += BLOCK)
      for (int k = 0; k < BLOCK; k++) out[i + k] = f32_join(high[i + k], m.low[i + k]);
    for (; i < n; i++) out[i] = f32_join(high[i], m.low[i]);
  }
}

WIDE_PART void row_write(Mat m, int64_t n, const float *x) {
  Bf16 *high = m.data;
  int64_t i = 0;
  if (m.type == DT_F32) {
    memcpy(m.data, x, (size_t)n * sizeof *x);
  } else if (m.type == DT_BF16) {
    for (; i < n; i++) high[i] = bf16_from_f32(x[i]);
  } else {
    for (; i + BLOCK <= n; i += BLOCK)
      for (int k = 0; k < BLOCK; k++) f32_split(x[i + k], &high[i + k], &m.low[i + k]);
    for (; i < n; i++) f32_split(x[i], &high[i], &m.low[i]);
  }
}

// The end of the row that element i lies in, or of the run.
static inline int64_t piece(int64_t i, int64_t D, int64_t end) { return D - i % D < end - i ? D - i % D : end - i; }

WIDE void mat_read(Mat m, int64_t D, int64_t first, int64_t n, float *out) {
  assert(m.type == DT_F32 || m.type == DT_BF16 || m.type == DT_SPLIT);
  for (int64_t i = first, count; i < first + n; i += count) {
    count = piece(i, D, first + n);
    row_read(mat_at(m, i / D, i % D), count, out + (i - first));
  }
}

WIDE void mat_write(Mat m, int64_t D, int64_t first, int64_t n, const float *x) {
  assert(m.type == DT_F32 || m.type == DT_BF16 || m.type == DT_SPLIT);
  for (int64_t i = first, count; i < first + n; i += count) {
    count = piece(i, D, first + n);
    row_write(mat_at(m, i / D, i % D), count, x + (i - first));
  }
}
