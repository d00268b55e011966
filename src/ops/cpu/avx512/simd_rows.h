// What only row operations need beyond simd.h. cpu/avx2/simd_rows.h gives the same names.
#ifndef OPS_CPU_AVX512_SIMD_ROWS_H
#define OPS_CPU_AVX512_SIMD_ROWS_H

#include "ops/cpu/avx512/simd.h"

static inline Vf vf_sqrt(Vf x) { return _mm512_sqrt_ps(x); }
static inline float vf_greatest(Vf x) { return _mm512_reduce_max_ps(x); }
static inline float vf_first(Vf x) { return _mm512_cvtss_f32(x); }
static inline Vf vf_load_bf16(const Bf16 *p) {
  return _mm512_castsi512_ps(bf16_widen_bits(_mm256_loadu_si256((const __m256i *)p)));
}
// Two vectors by one load or store.
static inline void vf_load_bf16_two(const Bf16 *p, Vf *x) {
  const __m512i low =
      _mm512_set_epi16(15, 0, 14, 0, 13, 0, 12, 0, 11, 0, 10, 0, 9, 0, 8, 0, 7, 0, 6, 0, 5, 0, 4, 0, 3, 0, 2, 0, 1, 0, 0, 0);
  const __m512i z = _mm512_loadu_si512(p), high = _mm512_or_si512(low, _mm512_set1_epi16(16));
  x[0] = _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaa, low, z));
  x[1] = _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaa, high, z));
}
#ifdef __AVX512BF16__
// Subnormal numbers, which the instruction that rounds to bf16 would flush.
static inline Vmask vf_subnormal(Vf x) { return _mm512_fpclass_ps_mask(x, 0x20); }
#endif
static inline void vf_store_bf16(Bf16 *p, Vf x) {
#ifdef __AVX512BF16__
  if (__builtin_expect(vf_subnormal(x) == 0, 1)) {
    _mm256_storeu_si256((__m256i *)p, (__m256i)_mm512_cvtneps_pbh(x));
    return;
  }
#endif
  _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(vi_bf16(x)));
}
static inline void vf_store_bf16_two(Bf16 *p, const Vf *x) {
#ifdef __AVX512BF16__
  if (__builtin_expect((vf_subnormal(x[0]) | vf_subnormal(x[1])) == 0, 1)) {
    _mm512_storeu_si512(p, (__m512i)_mm512_cvtne2ps_pbh(x[1], x[0]));
    return;
  }
#endif
  const __m256i low = _mm512_cvtepi32_epi16(vi_bf16(x[0])), high = _mm512_cvtepi32_epi16(vi_bf16(x[1]));
  _mm512_storeu_si512(p, _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1));
}
// The first n (1..16) numbers in halves (base/half.h).
static inline Vf vf_load_split(const Bf16 *high, const uint16_t *low, int64_t n) {
  __m256i h, l;
  if (n == V_LANES) {
    h = _mm256_loadu_si256((const __m256i *)high), l = _mm256_loadu_si256((const __m256i *)low);
  } else {
    h = _mm256_maskz_loadu_epi16(vmask_first(n), high), l = _mm256_maskz_loadu_epi16(vmask_first(n), low);
  }
  return _mm512_castsi512_ps(_mm512_add_epi32(bf16_widen_bits(h), _mm512_cvtepi16_epi32(l)));
}
static inline void vf_store_split(Bf16 *high, uint16_t *low, Vf x, int64_t n) {
  const __m512i tie = _mm512_set1_epi32(0x8000), low_bits = _mm512_set1_epi32(0xffff), quiet = _mm512_set1_epi32(0x400000);
  __m512i u = _mm512_castps_si512(x);
  Vmask nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  u = _mm512_mask_or_epi32(u, nan, _mm512_andnot_si512(low_bits, u), quiet);
  u = _mm512_mask_add_epi32(u, _mm512_cmpeq_epi32_mask(_mm512_and_si512(u, low_bits), tie), u, _mm512_set1_epi32(1));
  __m256i h = _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_add_epi32(u, tie), 16)), l = _mm512_cvtepi32_epi16(u);
  if (n == V_LANES) {
    _mm256_storeu_si256((__m256i *)high, h);
    _mm256_storeu_si256((__m256i *)low, l);
  } else {
    _mm256_mask_storeu_epi16(high, vmask_first(n), h);
    _mm256_mask_storeu_epi16(low, vmask_first(n), l);
  }
}
// The first n (1..16) of p as floats.
static inline Vf vf_load_ints_first(const int32_t *p, int64_t n) {
  return _mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(vmask_first(n), p));
}

// p[0] p[0] p[1] p[1] ..., of the first n (0..8) floats.
static inline Vf vf_load_doubled(const float *p, int64_t n) {
  const __m512i at = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
  return _mm512_permutexvar_ps(at, vf_load_first(p, n));
}
// x[1] x[0] x[3] x[2] ...
static inline Vf vf_swap_pairs(Vf x) { return _mm512_permute_ps(x, 0xb1); }
// a - b in even lanes, a + b in odd ones.
static inline Vf vf_subtract_add(Vf a, Vf b) { return _mm512_mask_sub_ps(_mm512_add_ps(a, b), 0x5555, a, b); }

// Doubles, half as many.
typedef __m512d Vd;
static inline Vd vd_zero(void) { return _mm512_setzero_pd(); }
static inline double vd_sum(Vd x) { return _mm512_reduce_add_pd(x); }
// sum + the squares of the lower (upper: 1) half of x.
static inline Vd vd_add_square(Vd sum, Vf x, int upper) {
  __m512d d = _mm512_cvtps_pd(upper ? _mm512_extractf32x8_ps(x, 1) : _mm512_castps512_ps256(x));
  return _mm512_fmadd_pd(d, d, sum);
}

#endif
