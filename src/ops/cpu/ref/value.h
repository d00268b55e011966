// One element of a matrix of any type, as a double.
#ifndef OPS_CPU_REF_VALUE_H
#define OPS_CPU_REF_VALUE_H

#include <assert.h>

#include "base/half.h"
#include "ops/ops.h"

static inline double get(Mat m, int64_t row, int64_t column) {
  int64_t i = row * m.ld + column;
  switch (m.type) {
    case DT_F32: return (double)((const float *)m.data)[i];
    case DT_BF16: return (double)bf16_to_f32(((const Bf16 *)m.data)[i]);
    case DT_SPLIT: assert(m.low); return (double)f32_join(((const Bf16 *)m.data)[i], m.low[i]);
    default: return ((const double *)m.data)[i];
  }
}

static inline void put(Mat m, int64_t row, int64_t column, double x) {
  int64_t i = row * m.ld + column;
  switch (m.type) {
    case DT_F32: ((float *)m.data)[i] = (float)x; return;
    case DT_BF16: ((Bf16 *)m.data)[i] = bf16_from_f32((float)x); return;
    case DT_SPLIT:
      assert(m.low);
      f32_split((float)x, (Bf16 *)m.data + i, m.low + i);
      return;
    default: ((double *)m.data)[i] = x;
  }
}

static inline double get_or_0(Mat m, int64_t row, int64_t column) { return m.data ? get(m, row, column) : 0; }

#endif
