#include <immintrin.h>

#include "ops/cpu/peak_loops.h"

enum { SUMS = 24 };  // two a cycle, six cycles each, and some to spare

double peak_dot_avx512_bf16(int64_t rounds) {
  __m512 sum[SUMS];
  __m512bh a = (__m512bh)_mm512_set1_epi16(0x3c00), b = (__m512bh)_mm512_set1_epi16(0x3c01);
  for (int i = 0; i < SUMS; i++) sum[i] = _mm512_set1_ps((float)i);
  for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 24
    for (int i = 0; i < SUMS; i++) sum[i] = _mm512_dpbf16_ps(sum[i], a, b);
  }
  float all = 0;
  for (int i = 0; i < SUMS; i++) all += _mm512_reduce_add_ps(sum[i]);
  return all > -1 ? 4.0 * SUMS * 16 * (double)rounds : 0;  // always so; the sums must be wanted
}
