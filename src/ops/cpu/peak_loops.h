// The loops of ops/peak.c, by instruction set.
#ifndef OPS_CPU_PEAK_LOOPS_H
#define OPS_CPU_PEAK_LOOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// `rounds` rounds of independent multiply-adds; returns the operations done.
typedef double FlopLoop(int64_t rounds);
// Reads n floats (a multiple of 256) and returns something of them.
typedef float ReadLoop(const float *x, int64_t n);

FlopLoop peak_fma_avx2, peak_fma_avx512, peak_dot_avx512_bf16, peak_dot_amx;
ReadLoop peak_read_avx2, peak_read_avx512;

// Whether 512-bit bf16 dot products outrun fp32: twice as fast on the AMD models that were measured, half as fast on Intel's.
// Where there are none, false. Measured once, in some milliseconds, and remembered (ops/cpu/remember.h).
bool peak_dot_is_fast(void);
// Whether AMX outruns the faster of these two, likewise. The system must have given leave (ops/cpu/detect.h).
bool peak_amx_is_fast(void);

#endif
