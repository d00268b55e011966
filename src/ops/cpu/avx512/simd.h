// Vectors of 16 floats. cpu/avx2/simd.h gives the same names for 8, so that code over either is written once (a .inc file that
// each folder includes).
#ifndef OPS_CPU_AVX512_SIMD_H
#define OPS_CPU_AVX512_SIMD_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/half.h"

enum { V_LANES = 16 };
typedef __m512 Vf;
typedef __m512i Vi;
typedef __mmask16 Vmask;

static inline Vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vf_store(float *p, Vf x) { _mm512_storeu_ps(p, x); }
static inline void vf_store_past(float *p, Vf x) { _mm512_stream_ps(p, x); }  // caches; p aligned; a fence before others read
static inline Vf vf_set(float x) { return _mm512_set1_ps(x); }
static inline Vf vf_add(Vf a, Vf b) { return _mm512_add_ps(a, b); }
static inline Vf vf_sub(Vf a, Vf b) { return _mm512_sub_ps(a, b); }
static inline Vf vf_mul(Vf a, Vf b) { return _mm512_mul_ps(a, b); }
static inline Vf vf_div(Vf a, Vf b) { return _mm512_div_ps(a, b); }
static inline Vf vf_fma(Vf a, Vf b, Vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline Vf vf_max(Vf a, Vf b) { return _mm512_max_ps(a, b); }  // b if either is NaN
static inline Vf vf_min(Vf a, Vf b) { return _mm512_min_ps(a, b); }
static inline float vf_sum(Vf x) { return _mm512_reduce_add_ps(x); }
static inline Vmask vf_less(Vf a, Vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
static inline Vmask vf_equal(Vf a, Vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
static inline Vf vf_where(Vmask m, Vf yes, Vf no) { return _mm512_mask_blend_ps(m, no, yes); }
static inline Vi vi_load(const int32_t *p) { return _mm512_loadu_si512(p); }
static inline Vi vi_set(int32_t x) { return _mm512_set1_epi32(x); }
static inline Vmask vi_greater(Vi a, Vi b) { return _mm512_cmpgt_epi32_mask(a, b); }
static inline Vmask vmask_or(Vmask a, Vmask b) { return (Vmask)(a | b); }
static inline bool vmask_all(Vmask m) { return m == 0xffff; }

// The first n (clamped to 0..16) lanes.
static inline Vmask vmask_first(int64_t n) { return n >= 16 ? 0xffff : n <= 0 ? 0 : (Vmask)((1u << n) - 1); }
static inline Vf vf_load_first(const float *p, int64_t n) { return _mm512_maskz_loadu_ps(vmask_first(n), p); }
static inline void vf_store_first(float *p, Vf x, int64_t n) { _mm512_mask_storeu_ps(p, vmask_first(n), x); }

static inline Vi bf16_widen_bits(__m256i h) { return _mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16); }
static inline Vf vf_load_bf16_first(const Bf16 *p, int64_t n) {
  return _mm512_castsi512_ps(bf16_widen_bits(_mm256_maskz_loadu_epi16(vmask_first(n), p)));
}

// The low and the high bf16 of each pair.
static inline Vf vf_low_half(Vf pairs) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(pairs), 16)); }
static inline Vf vf_high_half(Vf pairs) {
  return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(pairs), _mm512_set1_epi32((int)0xffff0000u)));
}

// Each lane's bf16 in its low half, rounded to nearest even as bf16_from_f32 does, NaN and subnormals too (the bf16 instruction
// flushes those).
static inline Vi vi_bf16(Vf x) {
  const __m512i u = _mm512_castps_si512(x), one = _mm512_set1_epi32(1);
  __m512i r = _mm512_add_epi32(u, _mm512_set1_epi32(0x7fff));
  r = _mm512_mask_add_epi32(r, _mm512_test_epi32_mask(u, _mm512_set1_epi32(0x10000)), r, one);
  r = _mm512_mask_or_epi32(r, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), u, _mm512_set1_epi32(0x400000));
  return _mm512_srli_epi32(r, 16);
}
static inline void vf_store_bf16_first(Bf16 *p, Vf x, int64_t n) {
  _mm256_mask_storeu_epi16(p, vmask_first(n), _mm512_cvtepi32_epi16(vi_bf16(x)));
}

static inline Vf vf_scale_from(Vf x, Vf low, Vf y, Vf n) {
  return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(x, low, _CMP_NLT_UQ), y, n);
}
static inline Vf vf_round(Vf x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline Vf vf_split(Vf x, Vf *n) {
  *n = vf_round(x);
  return _mm512_reduce_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

#include "ops/cpu/simd_exp.inc"

#endif
