// Packing, widening and storing for the AVX-512 kernels (contracts: GemmKernel in ops/cpu/gemm.h).
#ifndef OPS_CPU_AVX512_GEMM_PACK_H
#define OPS_CPU_AVX512_GEMM_PACK_H

#include "ops/cpu/gemm.h"

void gemm_pack_across_avx512(const GemmPack *p);
void gemm_pack_along_avx512(const GemmPack *p);
void gemm_widen_avx512(float *to, const void *pairs, int64_t n_k);  // panels of 32
void gemm_store_avx512(const GemmStore *s);

#endif
