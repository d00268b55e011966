#include "ops/cpu/attention.h"
#include "ops/cpu/level.h"

void ops_init_avx512(Ops *o) { gemm_ops_set(o, ISA_AVX512); }
