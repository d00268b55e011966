#include "ops/cpu/attention.h"

void ops_init_avx512_bf16(Ops *o) {
  gemm_ops_set(o, ISA_AVX512_BF16);
  attention_ops_set(o, ISA_AVX512_BF16);
}
