// Vectors of 8 floats: the names of cpu/avx512/simd.h.
#ifndef OPS_CPU_AVX2_SIMD_H
#define OPS_CPU_AVX2_SIMD_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/half.h"

enum { V_LANES = 8 };
typedef __m256 Vf;
typedef __m256i Vi;
typedef __m256i Vmask;  // all bits of a lane, or none

static inline Vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vf_store(float *p, Vf x) { _mm256_storeu_ps(p, x); }
static inline void vf_store_past(float *p, Vf x) { _mm256_stream_ps(p, x); }  // caches; p aligned; a fence before others read
static inline Vf vf_set(float x) { return _mm256_set1_ps(x); }
static inline Vf vf_add(Vf a, Vf b) { return _mm256_add_ps(a, b); }
static inline Vf vf_sub(Vf a, Vf b) { return _mm256_sub_ps(a, b); }
static inline Vf vf_mul(Vf a, Vf b) { return _mm256_mul_ps(a, b); }
static inline Vf vf_div(Vf a, Vf b) { return _mm256_div_ps(a, b); }
static inline Vf vf_fma(Vf a, Vf b, Vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline Vf vf_max(Vf a, Vf b) { return _mm256_max_ps(a, b); }  // b if either is NaN
static inline Vf vf_min(Vf a, Vf b) { return _mm256_min_ps(a, b); }
static inline float vf_sum(Vf x) {
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
static inline Vmask vf_less(Vf a, Vf b) { return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_LT_OQ)); }
static inline Vmask vf_equal(Vf a, Vf b) { return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_EQ_OQ)); }
static inline Vf vf_where(Vmask m, Vf yes, Vf no) { return _mm256_blendv_ps(no, yes, _mm256_castsi256_ps(m)); }
static inline Vi vi_load(const int32_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
static inline Vi vi_set(int32_t x) { return _mm256_set1_epi32(x); }
static inline Vmask vi_greater(Vi a, Vi b) { return _mm256_cmpgt_epi32(a, b); }
static inline Vmask vmask_or(Vmask a, Vmask b) { return _mm256_or_si256(a, b); }
static inline bool vmask_all(Vmask m) { return _mm256_movemask_ps(_mm256_castsi256_ps(m)) == 0xff; }

// The first n (clamped to 0..8) lanes.
static inline int lanes_clamped(int64_t n) { return n >= V_LANES ? V_LANES : n <= 0 ? 0 : (int)n; }
static inline Vmask vmask_first(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes_clamped(n)), _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0));
}
static inline Vf vf_load_first(const float *p, int64_t n) { return _mm256_maskload_ps(p, vmask_first(n)); }
static inline void vf_store_first(float *p, Vf x, int64_t n) { _mm256_maskstore_ps(p, vmask_first(n), x); }

static inline Vi bf16_widen_bits(__m128i h) { return _mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16); }
static inline Vf vf_load_bf16_first(const Bf16 *p, int64_t n) {
  Bf16 lane[V_LANES] = {0};
  memcpy(lane, p, (size_t)lanes_clamped(n) * sizeof *p);
  return _mm256_castsi256_ps(bf16_widen_bits(_mm_loadu_si128((const __m128i *)lane)));
}

// The low and the high bf16 of each pair.
static inline Vf vf_low_half(Vf pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(pairs), 16)); }
static inline Vf vf_high_half(Vf pairs) {
  return _mm256_castsi256_ps(_mm256_and_si256(_mm256_castps_si256(pairs), _mm256_set1_epi32((int)0xffff0000u)));
}

// Each lane's bf16 in its low half, rounded to nearest even as bf16_from_f32 does, NaN and subnormals too.
static inline Vi vi_bf16(Vf x) {
  __m256i u = _mm256_castps_si256(x), odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
  __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(0x40));
  return _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q)));
}
static inline __m128i bf16_narrow_bits(Vi x) {
  return _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
}
static inline void vf_store_bf16_first(Bf16 *p, Vf x, int64_t n) {
  Bf16 lane[V_LANES];
  _mm_storeu_si128((__m128i *)lane, bf16_narrow_bits(vi_bf16(x)));
  memcpy(p, lane, (size_t)lanes_clamped(n) * sizeof *p);
}

// x 2^n for a whole n in [-128, 128], in two steps: 2^128 is no float.
static inline Vf vf_scale(Vf x, Vf n) {
  __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1), bias = _mm256_set1_epi32(127);
  __m256i first = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
  __m256i second = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(whole, half), bias), 23);
  return _mm256_mul_ps(_mm256_mul_ps(x, _mm256_castsi256_ps(first)), _mm256_castsi256_ps(second));
}

static inline Vf vf_scale_from(Vf x, Vf low, Vf y, Vf n) { return vf_where(vf_less(x, low), vf_set(0), vf_scale(y, n)); }
static inline Vf vf_round(Vf x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline Vf vf_split(Vf x, Vf *n) {
  Vf y = vf_min(vf_set(128), x);
  *n = vf_round(y);
  return vf_sub(y, *n);
}

#include "ops/cpu/simd_exp.inc"

#endif
