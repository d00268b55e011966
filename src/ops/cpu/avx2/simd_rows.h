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
static inline void vf_load_bf16_two(const Bf16 *p, Vf *x) { x[0] = vf_load_bf16(p), x[1] = vf_load_bf16(p + V_LANES); }
static inline void vf_store_bf16(Bf16 *p, Vf x) { _mm_storeu_si128((__m128i *)p, bf16_narrow_bits(vi_bf16(x))); }
static inline void vf_store_bf16_two(Bf16 *p, const Vf *x) { vf_store_bf16(p, x[0]), vf_store_bf16(p + V_LANES, x[1]); }
// The first n (1..8) numbers in halves (base/half.h).
static inline __m128i load_halves(const uint16_t *p, int64_t n) {
  uint16_t lane[V_LANES] = {0};
  if (n == V_LANES) return _mm_loadu_si128((const __m128i *)p);
  memcpy(lane, p, (size_t)lanes_clamped(n) * sizeof *p);
  return _mm_loadu_si128((const __m128i *)lane);
}
static inline void store_halves(uint16_t *p, __m128i x, int64_t n) {
  uint16_t lane[V_LANES];
  if (n == V_LANES) {
    _mm_storeu_si128((__m128i *)p, x);
    return;
  }
  _mm_storeu_si128((__m128i *)lane, x);
  memcpy(p, lane, (size_t)lanes_clamped(n) * sizeof *p);
}
static inline Vf vf_load_split(const Bf16 *high, const uint16_t *low, int64_t n) {
  return _mm256_castsi256_ps(
      _mm256_add_epi32(bf16_widen_bits(load_halves(high, n)), _mm256_cvtepi16_epi32(load_halves(low, n))));
}
static inline void vf_store_split(Bf16 *high, uint16_t *low, Vf x, int64_t n) {
  const __m256i tie = _mm256_set1_epi32(0x8000), low_bits = _mm256_set1_epi32(0xffff), quiet = _mm256_set1_epi32(0x400000);
  __m256i u = _mm256_castps_si256(x), nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  u = _mm256_blendv_epi8(u, _mm256_or_si256(_mm256_andnot_si256(low_bits, u), quiet), nan);
  u = _mm256_sub_epi32(u, _mm256_cmpeq_epi32(_mm256_and_si256(u, low_bits), tie));  // equal: -1
  store_halves(high, bf16_narrow_bits(_mm256_srli_epi32(_mm256_add_epi32(u, tie), 16)), n);
  store_halves(low, bf16_narrow_bits(_mm256_and_si256(u, low_bits)), n);
}
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
