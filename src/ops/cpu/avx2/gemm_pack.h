// Packing, widening and storing for the AVX2 kernels (contracts: GemmKernel in ops/cpu/gemm.h).
#ifndef OPS_CPU_AVX2_GEMM_PACK_H
#define OPS_CPU_AVX2_GEMM_PACK_H

#include "ops/cpu/gemm.h"

void gemm_pack_across_avx2(const GemmPack *p);
void gemm_pack_along_avx2(const GemmPack *p);
void gemm_widen_avx2(float *to, const void *pairs, int64_t n_k);  // panels of 16
void gemm_store_avx2(const GemmStore *s);

#endif
