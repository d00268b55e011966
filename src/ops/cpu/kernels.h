// The kernels of every instruction set, for the tables of gemm.c.
#ifndef OPS_CPU_KERNELS_H
#define OPS_CPU_KERNELS_H

#include "ops/cpu/gemm.h"

extern const GemmKernel gemm_f32_avx2, gemm_f32_avx512, gemm_bf16_avx512_bf16;

#endif
