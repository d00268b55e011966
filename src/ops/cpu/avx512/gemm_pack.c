#include "ops/cpu/avx512/gemm_pack.h"

#include <assert.h>

#include "ops/cpu/avx512/simd.h"

// A unit is 32 bits of a panel: one fp32, or a pair of bf16. What is read to make one:
typedef enum { UNIT_F32, UNIT_WIDENED, UNIT_PAIR } Unit;

static inline Unit unit_of(const GemmPack *p) {
  return p->ku == 2 ? UNIT_PAIR : p->src.type == DT_F32 ? UNIT_F32 : UNIT_WIDENED;
}

// 16 units of a line from its element `from` on, of which `n` elements exist.
static inline __attribute__((always_inline)) __m512i load_units(Unit unit, const void *from, int64_t n) {
  if (unit == UNIT_F32) return _mm512_maskz_loadu_epi32(vmask_first(n), from);
  if (unit == UNIT_WIDENED) return bf16_widen_bits(_mm256_maskz_loadu_epi16(vmask_first(n), from));
  return _mm512_maskz_loadu_epi16(n >= 32 ? 0xffffffffu : (1u << n) - 1, from);
}

// r[i] lane j <-> r[j] lane i
static inline __attribute__((always_inline)) void transpose16(__m512i r[16]) {
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

// 16 lines at `to`, of which n_lines exist and `wide` have a place in the panel.
static inline __attribute__((always_inline)) void across16(Unit unit, char *to, const GemmPack *p, int64_t line,
                                                           int64_t n_lines, int64_t wide) {
  const int64_t ku = unit == UNIT_PAIR ? 2 : 1, units = (p->n_k + ku - 1) / ku, element = unit == UNIT_F32 ? 4 : 2;
  const Vmask mask = vmask_first(wide);
  const char *from[16];
  for (int64_t i = 0; i < 16; i++) {
    int64_t l = line + (i < n_lines ? i : 0), row = n_lines == 0 ? 0 : p->row ? p->row[l] : l;
    from[i] = (const char *)p->src.data + (row * p->src.ld + p->k) * element;
  }
  for (int64_t u = 0; u < units; u += 16) {
    __m512i r[16];
    int64_t n = p->n_k - u * ku;
    // The next panel's lines, here or in the next call: short rows far apart escape the hardware's prefetcher.
    if (!p->row && p->n_k * element <= 512)
      for (int i = 0; i < 16; i++) _mm_prefetch(from[i] + (p->width * p->src.ld + u * ku) * element, _MM_HINT_T0);
    if (n >= 16 * ku) {
#pragma GCC unroll 16
      for (int i = 0; i < 16; i++)
        r[i] = i < n_lines ? load_units(unit, from[i] + u * ku * element, 16 * ku) : _mm512_setzero_si512();
    } else {
#pragma GCC unroll 16
      for (int i = 0; i < 16; i++) r[i] = load_units(unit, from[i] + u * ku * element, i < n_lines ? n : 0);
    }
    transpose16(r);
    char *out = to + u * p->width * 4;
    if (units - u >= 16 && wide >= 16) {
#pragma GCC unroll 16
      for (int i = 0; i < 16; i++) _mm512_storeu_si512(out + i * p->width * 4, r[i]);
    } else if (units - u >= 16) {
#pragma GCC unroll 16
      for (int i = 0; i < 16; i++) _mm512_mask_storeu_epi32(out + i * p->width * 4, mask, r[i]);
    } else {
#pragma GCC unroll 16
      for (int i = 0; i < 16; i++)
        if (i < units - u) _mm512_mask_storeu_epi32(out + i * p->width * 4, mask, r[i]);
    }
  }
}

static inline __attribute__((always_inline)) void across(Unit unit, const GemmPack *p) {
  for (int64_t l = 0; l < p->n_lines; l += p->width)
    for (int64_t i = 0; i < p->width; i += 16) {
      int64_t n = p->n_lines - l - i;
      char *to = p->to + (size_t)(l / p->width) * p->panel_bytes + i * 4;
      across16(unit, to, p, p->line + l + i, n > 16 ? 16 : n < 0 ? 0 : n, p->width - i);
    }
}

// Rows of 32 k's of bf16, one a line, as matrix tiles load them (ku 32).
static void across_rows(const GemmPack *p) {
  assert(p->src.type == DT_BF16);
  for (int64_t l = 0; l < (p->n_lines + p->width - 1) / p->width * p->width; l++) {
    char *to = p->to + (size_t)(l / p->width) * p->panel_bytes + l % p->width * 64;
    const int64_t row = l >= p->n_lines ? 0 : p->row ? p->row[p->line + l] : p->line + l;
    const Bf16 *from = (const Bf16 *)p->src.data + row * p->src.ld + p->k;
    for (int64_t k = 0; k < p->n_k; k += 32, to += p->width * 64)
      _mm512_storeu_si512(to, l < p->n_lines ? load_units(UNIT_PAIR, from + k, p->n_k - k) : _mm512_setzero_si512());
  }
}

void gemm_pack_across_avx512(const GemmPack *p) {
  if (p->ku == 32) {
    across_rows(p);
    return;
  }
  switch (unit_of(p)) {
    case UNIT_F32: across(UNIT_F32, p); break;
    case UNIT_WIDENED: across(UNIT_WIDENED, p); break;
    case UNIT_PAIR: across(UNIT_PAIR, p); break;
  }
}

static inline const char *along_row(const GemmPack *p, int64_t k, int64_t element) {
  int64_t row = p->row ? p->row[p->k + k] : p->k + k;
  return (const char *)p->src.data + (row * p->src.ld + p->line) * element;
}

// Units of 16 lines of row k (and k + 1 for pairs), of which n lines exist.
static inline __attribute__((always_inline)) __m512i along_units(Unit unit, const char *row, const char *next, int64_t line,
                                                                 int64_t n) {
  if (unit == UNIT_F32) return _mm512_maskz_loadu_epi32(vmask_first(n), row + line * 4);
  __m256i lo = _mm256_maskz_loadu_epi16(vmask_first(n), row + line * 2);
  if (unit == UNIT_WIDENED) return bf16_widen_bits(lo);
  __m256i hi = next ? _mm256_maskz_loadu_epi16(vmask_first(n), next + line * 2) : _mm256_setzero_si256();
  return _mm512_or_si512(_mm512_cvtepu16_epi32(lo), bf16_widen_bits(hi));
}

// Some rows at a time go to all panels: whole cache lines are read, and not too many panels are written at once.
static inline __attribute__((always_inline)) void along(Unit unit, const GemmPack *p) {
  const int64_t ku = unit == UNIT_PAIR ? 2 : 1, element = unit == UNIT_F32 ? 4 : 2, rows = 16;
  for (int64_t k0 = 0; k0 < p->n_k; k0 += rows) {
    int64_t k1 = k0 + rows < p->n_k ? k0 + rows : p->n_k;
    const char *row[17], *next[16];
    for (int64_t k = k0; k < k1; k++) row[k - k0] = along_row(p, k, element);
    row[k1 - k0] = NULL;
    // The rows to be packed after these: runs this short, this far apart, escape the hardware's prefetcher.
    for (int64_t k = 0; k < rows; k++) next[k] = along_row(p, k1 + k < p->n_k ? k1 + k : p->n_k - 1, element);
    for (int64_t l = 0; l < p->n_lines; l += p->width)
      for (int64_t i = 0; i < p->width; i += 16) {
        for (int64_t k = 0; k < rows && (l + i) * element % 64 < 16 * element; k++)
          _mm_prefetch(next[k] + (l + i) * element, _MM_HINT_T0);
        char *out = p->to + (size_t)(l / p->width) * p->panel_bytes + (k0 / ku * p->width + i) * 4;
        const int64_t n = p->n_lines - l - i;
        const Vmask mask = vmask_first(p->width - i);
        for (int64_t k = 0; k < k1 - k0; k += ku, out += p->width * 4)
          _mm512_mask_storeu_epi32(out, mask, along_units(unit, row[k], row[k + 1], l + i, n));
      }
  }
}

// As across_rows, from rows of k: pairs of k's of 16 lines are turned.
static void along_rows(const GemmPack *p) {
  assert(p->src.type == DT_BF16 && p->width % 16 == 0);
  for (int64_t k0 = 0; k0 < p->n_k; k0 += 32)
    for (int64_t l = 0; l < (p->n_lines + p->width - 1) / p->width * p->width; l += 16) {
      __m512i r[16];
#pragma GCC unroll 16
      for (int64_t i = 0; i < 16; i++) {
        const int64_t k = k0 + 2 * i;
        const char *next = k + 1 < p->n_k ? along_row(p, k + 1, 2) : NULL;
        r[i] = k < p->n_k ? along_units(UNIT_PAIR, along_row(p, k, 2), next, l, p->n_lines - l) : _mm512_setzero_si512();
      }
      transpose16(r);
      char *to = p->to + (size_t)(l / p->width) * p->panel_bytes + (k0 * p->width + l % p->width * 32) * 2;
#pragma GCC unroll 16
      for (int i = 0; i < 16; i++) _mm512_storeu_si512(to + i * 64, r[i]);
    }
}

void gemm_pack_along_avx512(const GemmPack *p) {
  if (p->ku == 32) {
    along_rows(p);
    return;
  }
  switch (unit_of(p)) {
    case UNIT_F32: along(UNIT_F32, p); break;
    case UNIT_WIDENED: along(UNIT_WIDENED, p); break;
    case UNIT_PAIR: along(UNIT_PAIR, p); break;
  }
}

void gemm_widen_avx512(float *to, const void *pairs, int64_t n_k) {
  const __m512i high = _mm512_set1_epi32((int)0xffff0000u);
  const char *from = pairs;
  for (int64_t k = 0; k < n_k; k += 2, from += 128) {
    for (int i = 0; i < 2; i++) {
      __m512i pair = _mm512_loadu_si512(from + i * 64);
      _mm512_storeu_si512(to + k * 32 + i * 16, _mm512_slli_epi32(pair, 16));
      if (k + 1 < n_k) _mm512_storeu_si512(to + (k + 1) * 32 + i * 16, _mm512_and_si512(pair, high));
    }
  }
}

#include "ops/cpu/gemm_store.inc"

void gemm_store_avx512(const GemmStore *s) { store_tile(s); }
