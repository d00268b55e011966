// The loops of ops/peak.c, by instruction set.
#ifndef OPS_CPU_PEAK_LOOPS_H
#define OPS_CPU_PEAK_LOOPS_H

#include <stddef.h>
#include <stdint.h>

// `rounds` rounds of independent multiply-adds; returns the operations done.
typedef double FlopLoop(int64_t rounds);
// Reads n floats (a multiple of 256) and returns something of them.
typedef float ReadLoop(const float *x, int64_t n);

FlopLoop peak_fma_avx2, peak_fma_avx512, peak_dot_avx512_bf16;
ReadLoop peak_read_avx2, peak_read_avx512;

#endif
