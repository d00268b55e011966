// How attention's lanes are rounded to bf16 (ops/cpu/attention_lanes.inc) and stored, by instruction.
#ifndef OPS_CPU_AVX512_BF16_LANES_H
#define OPS_CPU_AVX512_BF16_LANES_H

#include "ops/cpu/avx512/simd.h"

#define LANES_BF16

static inline void lanes_store_row(Bf16 *to, const Vf *x, int vecs) {
  if (vecs == 2) _mm512_storeu_si512(to, (__m512i)_mm512_cvtne2ps_pbh(x[1], x[0]));
  else _mm256_storeu_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh(x[0]));
}

static inline void lanes_store_pairs(Bf16 *to, Vf x, Vf y) {
  const __m512i turn = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20,
                                        4, 19, 3, 18, 2, 17, 1, 16, 0);
  _mm512_storeu_si512(to, _mm512_permutexvar_epi16(turn, (__m512i)_mm512_cvtne2ps_pbh(y, x)));
}

#endif
