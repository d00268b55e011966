// Packing, widening and storing for the kernels of a level (contracts: GemmKernel in ops/cpu/gemm.h). widen: panels of the
// level's nr, 16 with AVX2, 32 with AVX-512.
#ifndef OPS_CPU_GEMM_PACK_H
#define OPS_CPU_GEMM_PACK_H

#include "ops/cpu/gemm.h"

#define GEMM_PACKERS(level)                                           \
  void gemm_pack_across_##level(const GemmPack *p);                   \
  void gemm_pack_along_##level(const GemmPack *p);                    \
  void gemm_widen_##level(float *to, const void *pairs, int64_t n_k); \
  void gemm_store_##level(const GemmStore *s);
GEMM_PACKERS(avx2)
GEMM_PACKERS(avx512)
#undef GEMM_PACKERS

#endif
