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
static inline void vf_store_bf16(Bf16 *p, Vf x) {
#ifdef __AVX512BF16__
  if (__builtin_expect(_mm512_fpclass_ps_mask(x, 0x20) == 0, 1)) {  // no subnormals: the instruction would flush those
    _mm256_storeu_si256((__m256i *)p, (__m256i)_mm512_cvtneps_pbh(x));
    return;
  }
#endif
  _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(vi_bf16(x)));
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
