#include "ops/cpu/attention.h"
#include "ops/cpu/rows/rows.h"

void ops_init_avx512_bf16(Ops *o) {
  ROWS_SET(o, avx512_bf16);
  gemm_ops_set(o, ISA_AVX512_BF16);
  attention_ops_set(o, ISA_AVX512_BF16);
}
