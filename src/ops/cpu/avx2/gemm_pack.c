#include "ops/cpu/avx2/gemm_pack.h"

#include "ops/cpu/avx2/simd.h"

#include "ops/cpu/gemm_store.inc"

#define INLINE static inline __attribute__((always_inline))

// A unit is 32 bits of a panel: one fp32, or a pair of bf16. What is read to make one:
typedef enum { UNIT_F32, UNIT_WIDENED, UNIT_PAIR } Unit;

static inline Unit unit_of(const GemmPack *p) {
  return p->ku == 2 ? UNIT_PAIR : p->src.type == DT_F32 ? UNIT_F32 : UNIT_WIDENED;
}

// 8 units of a line from its element `from` on, of which `n` elements exist.
INLINE __m256i load_units(Unit unit, const void *from, int64_t n) {
  if (unit == UNIT_F32) return n >= 8 ? _mm256_loadu_si256(from) : _mm256_castps_si256(vf_load_first(from, n));
  if (unit == UNIT_WIDENED) {
    if (n >= 8) return bf16_widen_bits(_mm_loadu_si128(from));
    return _mm256_castps_si256(vf_load_bf16_first(from, n));
  }
  if (n >= 16) return _mm256_loadu_si256(from);
  Bf16 element[16] = {0};
  memcpy(element, from, n > 0 ? (size_t)n * sizeof *element : 0);
  return _mm256_loadu_si256((const __m256i *)element);
}

// The first `wide` lanes; panels of A are 6 wide.
INLINE void store_lanes(char *to, __m256i x, int64_t wide) {
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
INLINE void transpose8(__m256i r[8]) {
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

// 8 lines at `to`, of which n_lines exist and `wide` have a place in the panel.
INLINE void across8(Unit unit, char *to, const GemmPack *p, int64_t line, int64_t n_lines, int64_t wide) {
  const int64_t ku = unit == UNIT_PAIR ? 2 : 1, units = (p->n_k + ku - 1) / ku, element = unit == UNIT_F32 ? 4 : 2;
  const char *from[8];
  for (int64_t i = 0; i < 8; i++) {
    int64_t l = line + (i < n_lines ? i : 0), row = n_lines == 0 ? 0 : p->row ? p->row[l] : l;
    from[i] = (const char *)p->src.data + (row * p->src.ld + p->k) * element;
  }
  for (int64_t u = 0; u < units; u += 8) {
    __m256i r[8];
    const int64_t n = p->n_k - u * ku, here = units - u < 8 ? units - u : 8;
    char *out = to + u * p->width * 4;
    if (n >= 8 * ku) {
#pragma GCC unroll 8
      for (int i = 0; i < 8; i++)
        r[i] = i < n_lines ? load_units(unit, from[i] + u * ku * element, 8 * ku) : _mm256_setzero_si256();
    } else {
#pragma GCC unroll 8
      for (int i = 0; i < 8; i++) r[i] = i < n_lines ? load_units(unit, from[i] + u * ku * element, n) : _mm256_setzero_si256();
    }
    transpose8(r);
    for (int64_t i = 0; i < here; i++) store_lanes(out + i * p->width * 4, r[i], wide);
  }
}

INLINE void across(Unit unit, const GemmPack *p) {
  for (int64_t l = 0; l < p->n_lines; l += p->width)
    for (int64_t i = 0; i < p->width; i += 8) {
      int64_t n = p->n_lines - l - i;
      char *to = p->to + (size_t)(l / p->width) * p->panel_bytes + i * 4;
      across8(unit, to, p, p->line + l + i, n > 8 ? 8 : n < 0 ? 0 : n, p->width - i);
    }
}

void gemm_pack_across_avx2(const GemmPack *p) {
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

// Units of 8 lines of row k (and k + 1 for pairs), of which n lines exist.
INLINE __m256i along_units(Unit unit, const char *row, const char *next, int64_t line, int64_t n) {
  if (unit == UNIT_F32) return load_units(UNIT_F32, row + line * 4, n);
  __m256i low = load_units(UNIT_WIDENED, row + line * 2, n);
  if (unit == UNIT_WIDENED) return low;
  __m256i high = next ? load_units(UNIT_WIDENED, next + line * 2, n) : _mm256_setzero_si256();
  return _mm256_or_si256(_mm256_srli_epi32(low, 16), high);
}

// Some rows at a time go to all panels: whole cache lines are read, and not too many panels are written at once.
INLINE void along(Unit unit, const GemmPack *p) {
  const int64_t ku = unit == UNIT_PAIR ? 2 : 1, element = unit == UNIT_F32 ? 4 : 2, rows = 16;
  for (int64_t k0 = 0; k0 < p->n_k; k0 += rows) {
    int64_t k1 = k0 + rows < p->n_k ? k0 + rows : p->n_k;
    const char *row[17];
    for (int64_t k = k0; k < k1; k++) row[k - k0] = along_row(p, k, element);
    row[k1 - k0] = NULL;
    for (int64_t l = 0; l < p->n_lines; l += p->width)
      for (int64_t i = 0; i < p->width; i += 8) {
        char *out = p->to + (size_t)(l / p->width) * p->panel_bytes + (k0 / ku * p->width + i) * 4;
        const int64_t n = p->n_lines - l - i < 0 ? 0 : p->n_lines - l - i;
        for (int64_t k = 0; k < k1 - k0; k += ku, out += p->width * 4)
          store_lanes(out, along_units(unit, row[k], row[k + 1], l + i, n), p->width - i);
      }
  }
}

void gemm_pack_along_avx2(const GemmPack *p) {
  switch (unit_of(p)) {
    case UNIT_F32: along(UNIT_F32, p); break;
    case UNIT_WIDENED: along(UNIT_WIDENED, p); break;
    case UNIT_PAIR: along(UNIT_PAIR, p); break;
  }
}

void gemm_widen_avx2(float *to, const void *pairs, int64_t n_k) {
  const float *from = pairs;
  for (int64_t k = 0; k < n_k; k += 2, from += 16) {
    for (int i = 0; i < 16; i += V_LANES) {
      Vf pair = vf_load(from + i);
      vf_store(to + k * 16 + i, vf_low_half(pair));
      if (k + 1 < n_k) vf_store(to + (k + 1) * 16 + i, vf_high_half(pair));
    }
  }
}

void gemm_store_avx2(const GemmStore *s) { store_tile(s); }
