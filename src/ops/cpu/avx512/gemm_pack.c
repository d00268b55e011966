#include "ops/cpu/gemm_pack.h"

#include <assert.h>

#include "ops/cpu/avx512/simd.h"

typedef __m512i Units;

static inline Units units_zero(void) { return _mm512_setzero_si512(); }

static inline __attribute__((always_inline)) Units units_load(Unit unit, const void *from, int64_t n) {
  if (unit == UNIT_F32) return _mm512_maskz_loadu_epi32(vmask_first(n), from);
  if (unit == UNIT_WIDENED) return bf16_widen_bits(_mm256_maskz_loadu_epi16(vmask_first(n), from));
  return _mm512_maskz_loadu_epi16(n >= 32 ? 0xffffffffu : (1u << n) - 1, from);
}

static inline __attribute__((always_inline)) Units units_pair(const void *low, const void *high, int64_t n) {
  __m256i lo = _mm256_maskz_loadu_epi16(vmask_first(n), low);
  __m256i hi = high ? _mm256_maskz_loadu_epi16(vmask_first(n), high) : _mm256_setzero_si256();
  return _mm512_or_si512(_mm512_cvtepu16_epi32(lo), bf16_widen_bits(hi));
}

static inline void units_store(char *to, Units x, int64_t wide) {
  if (wide >= 16) _mm512_storeu_si512(to, x);
  else _mm512_mask_storeu_epi32(to, vmask_first(wide), x);
}

// r[i] lane j <-> r[j] lane i
static inline __attribute__((always_inline)) void units_transpose(Units r[16]) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

#define PACK(name) name##_avx512
#include "ops/cpu/gemm_store.inc"

#include "ops/cpu/gemm_pack.inc"

// Rows of 32 k's of bf16, one a line, as matrix tiles load them (ku 32).
static void across_rows(const GemmPack *p) {
  assert(p->src.type == DT_BF16);
  for (int64_t l = 0; l < (p->n_lines + p->width - 1) / p->width * p->width; l++) {
    char *to = p->to + (size_t)(l / p->width) * p->panel_bytes + l % p->width * 64;
    const int64_t row = l >= p->n_lines ? 0 : p->row ? p->row[p->line + l] : p->line + l;
    const Bf16 *from = (const Bf16 *)p->src.data + row * p->src.ld + p->k;
    for (int64_t k = 0; k < p->n_k; k += 32, to += p->width * 64)
      _mm512_storeu_si512(to, l < p->n_lines ? units_load(UNIT_PAIR, from + k, p->n_k - k) : units_zero());
  }
}

// As across_rows, from rows of k: pairs of k's of 16 lines are turned.
static void along_rows(const GemmPack *p) {
  assert(p->src.type == DT_BF16 && p->width % 16 == 0);
  for (int64_t k0 = 0; k0 < p->n_k; k0 += 32)
    for (int64_t l = 0; l < (p->n_lines + p->width - 1) / p->width * p->width; l += 16) {
      Units r[16];
#pragma GCC unroll 16
      for (int64_t i = 0; i < 16; i++) {
        const int64_t k = k0 + 2 * i;
        const char *next = k + 1 < p->n_k ? along_row(p, k + 1, 2) : NULL;
        const char *row = k < p->n_k && l < p->n_lines ? along_row(p, k, 2) + l * 2 : NULL;
        r[i] = row ? units_pair(row, next ? next + l * 2 : NULL, p->n_lines - l) : units_zero();
      }
      units_transpose(r);
      char *to = p->to + (size_t)(l / p->width) * p->panel_bytes + (k0 * p->width + l % p->width * 32) * 2;
#pragma GCC unroll 16
      for (int i = 0; i < 16; i++) _mm512_storeu_si512(to + i * 64, r[i]);
    }
}

void gemm_pack_across_avx512(const GemmPack *p) {
  if (p->ku == 32) across_rows(p);
  else pack_across(p);
}

void gemm_pack_along_avx512(const GemmPack *p) {
  if (p->ku == 32) along_rows(p);
  else pack_along(p);
}
