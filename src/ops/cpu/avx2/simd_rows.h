// What only row operations need beyond simd.h: the names of cpu/avx512/simd_rows.h.
#ifndef OPS_CPU_AVX2_SIMD_ROWS_H
#define OPS_CPU_AVX2_SIMD_ROWS_H

#include "ops/cpu/avx2/simd.h"

static inline Vf vf_sqrt(Vf x) { return _mm256_sqrt_ps(x); }
static inline float vf_first(Vf x) { return _mm256_cvtss_f32(x); }
static inline float vf_greatest(Vf x) {
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
static inline Vf vf_load_bf16(const Bf16 *p) {
  return _mm256_castsi256_ps(bf16_widen_bits(_mm_loadu_si128((const __m128i *)p)));
}
static inline void vf_store_bf16(Bf16 *p, Vf x) { _mm_storeu_si128((__m128i *)p, bf16_narrow_bits(vi_bf16(x))); }
// The first n (1..8) of p as floats.
static inline Vf vf_load_ints_first(const int32_t *p, int64_t n) {
  return _mm256_cvtepi32_ps(_mm256_maskload_epi32(p, vmask_first(n)));
}

// p[0] p[0] p[1] p[1] ..., of the first n (0..4) floats.
static inline Vf vf_load_doubled(const float *p, int64_t n) {
  return _mm256_permutevar8x32_ps(vf_load_first(p, n), _mm256_set_epi32(3, 3, 2, 2, 1, 1, 0, 0));
}
// x[1] x[0] x[3] x[2] ...
static inline Vf vf_swap_pairs(Vf x) { return _mm256_permute_ps(x, 0xb1); }
// a - b in even lanes, a + b in odd ones.
static inline Vf vf_subtract_add(Vf a, Vf b) { return _mm256_addsub_ps(a, b); }

// Doubles, half as many.
typedef __m256d Vd;
static inline Vd vd_zero(void) { return _mm256_setzero_pd(); }
static inline double vd_sum(Vd x) {
  __m128d two = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}
// sum + the squares of the lower (upper: 1) half of x.
static inline Vd vd_add_square(Vd sum, Vf x, int upper) {
  __m256d d = _mm256_cvtps_pd(upper ? _mm256_extractf128_ps(x, 1) : _mm256_castps256_ps128(x));
  return _mm256_fmadd_pd(d, d, sum);
}

#endif
