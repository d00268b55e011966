#include "ops/cpu/attention.h"
#include "ops/cpu/rows/rows.h"

void ops_init_avx512(Ops *o) {
  ROWS_SET(o, avx512);
  gemm_ops_set(o, ISA_AVX512);
  attention_ops_set(o, ISA_AVX512);
}
