#include "ops/cpu/attention.h"
#include "ops/cpu/rows/rows.h"

void ops_init_avx2(Ops *o) {
  ROWS_SET(o, avx2);
  gemm_ops_set(o, ISA_AVX2);
  attention_ops_set(o, ISA_AVX2);
}
