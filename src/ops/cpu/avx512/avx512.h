// What the AVX-512 files share.
#ifndef OPS_CPU_AVX512_AVX512_H
#define OPS_CPU_AVX512_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#include "base/half.h"

// The first n (clamped to 0..16) lanes.
static inline __mmask16 lanes_mask(int64_t n) { return n >= 16 ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1); }

static inline __m512i bf16_widen_bits(__m256i h) { return _mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16); }
static inline __m512 bf16_widen(__m256i h) { return _mm512_castsi512_ps(bf16_widen_bits(h)); }

// Rounds to nearest even as bf16_from_f32 does, NaN and subnormals too (the bf16 instruction flushes those).
static inline __m256i bf16_narrow(__m512 x) {
  __m512i u = _mm512_castps_si512(x), odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
  __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  __m512i quiet = _mm512_or_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(0x40));
  return _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), quiet));
}

#endif
