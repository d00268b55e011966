#include "ops/cpu/gemm_pack.h"

#include "ops/cpu/avx2/simd.h"

typedef __m256i Units;

static inline Units units_zero(void) { return _mm256_setzero_si256(); }

static inline __attribute__((always_inline)) Units units_load(Unit unit, const void *from, int64_t n) {
  if (unit == UNIT_F32) return n >= 8 ? _mm256_loadu_si256(from) : _mm256_castps_si256(vf_load_first(from, n));
  if (unit == UNIT_WIDENED) {
    if (n >= 8) return bf16_widen_bits(_mm_loadu_si128(from));
    return _mm256_castps_si256(vf_load_bf16_first(from, n));
  }
  if (n >= 16) return _mm256_loadu_si256(from);
  Bf16 element[16] = {0};
  memcpy(element, from, (size_t)n * sizeof *element);
  return _mm256_loadu_si256((const __m256i *)element);
}

static inline __attribute__((always_inline)) Units units_pair(const void *low, const void *high, int64_t n) {
  Units lo = _mm256_srli_epi32(units_load(UNIT_WIDENED, low, n), 16);
  return high ? _mm256_or_si256(lo, units_load(UNIT_WIDENED, high, n)) : lo;
}

// Panels of A are 6 wide.
static inline __attribute__((always_inline)) void units_store(char *to, Units x, int64_t wide) {
  if (wide >= 8) {
    _mm256_storeu_si256((__m256i *)to, x);
  } else if (wide == 6) {
    _mm_storeu_si128((__m128i *)to, _mm256_castsi256_si128(x));
    _mm_storel_epi64((__m128i *)(to + 16), _mm256_extracti128_si256(x, 1));
  } else {
    _mm256_maskstore_epi32((int *)to, vmask_first(wide), x);
  }
}

// r[i] lane j <-> r[j] lane i
static inline __attribute__((always_inline)) void units_transpose(Units r[8]) {
  __m256i t[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    t[i] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x20);
    t[i + 4] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x31);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) r[i] = t[i];
}

#define PACK(name) name##_avx2
#include "ops/cpu/gemm_store.inc"

#include "ops/cpu/gemm_pack.inc"

void gemm_pack_across_avx2(const GemmPack *p) { pack_across(p); }

void gemm_pack_along_avx2(const GemmPack *p) { pack_along(p); }
