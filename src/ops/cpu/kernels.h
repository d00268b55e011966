// The kernels of every instruction set, for the tables of gemm.c.
#ifndef OPS_CPU_KERNELS_H
#define OPS_CPU_KERNELS_H

#include "ops/cpu/gemm.h"

extern const GemmKernel gemm_f32_avx2, gemm_f32_avx512, gemm_bf16_avx512_bf16, gemm_bf16_amx;

// Tries the kernel of AMX, once the system has given leave: whole numbers, whose sums are exact in any order, and fractions
// with the sums that rounding allows.
bool amx_product_is_right(void);

#endif
