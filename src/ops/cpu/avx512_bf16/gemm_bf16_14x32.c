#include <immintrin.h>

#include "ops/cpu/gemm_pack.h"
#include "ops/cpu/kernels.h"

// As the fp32 tile, with a pair of k's a step.
#define MR 14
enum { LANES = 16, KU = 2 };
typedef int32_t Word;
typedef __m512 Sums;
typedef __m512i Words;

static inline Sums sums_zero(void) { return _mm512_setzero_ps(); }
static inline Sums sums_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void sums_store(float *p, Sums x) { _mm512_storeu_ps(p, x); }
static inline void sums_past(float *p, Sums x) { _mm512_stream_ps(p, x); }
static inline Sums sums_add(Sums a, Sums b) { return _mm512_add_ps(a, b); }
static inline Words words_load(const Word *p) { return _mm512_loadu_si512(p); }
static inline Words words_all(Word x) { return _mm512_set1_epi32(x); }
// Both products of a pair are added to the sum in a fixed order; subnormals count as 0.
static inline Sums sums_step(Sums sum, Words x, Words column) { return _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)column); }

#define COLUMNS_OF_PAIRS
// Pairs of two rows, interleaved within 128 bits: columns 0-3, 8-11, ... first, 4-7, 12-15, ... second.
static inline void columns_load(Words column[2], const char *b, int64_t row_bytes) {
  const __m512i even = _mm512_loadu_si512(b), odd = _mm512_loadu_si512(b + row_bytes);
  column[0] = _mm512_unpacklo_epi16(even, odd);
  column[1] = _mm512_unpackhi_epi16(even, odd);
}
static inline void columns_order(Sums sum[2]) {
  const __m512i left = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const __m512 first = sum[0];
  sum[0] = _mm512_permutex2var_ps(first, left, sum[1]);
  sum[1] = _mm512_permutex2var_ps(first, _mm512_add_epi32(left, _mm512_set1_epi32(8)), sum[1]);
}

#include "ops/cpu/gemm_tile.inc"

const GemmKernel gemm_bf16_avx512_bf16 = {
    .name = "bf16 dot 14x32, AVX-512",
    .mr = MR,
    .nr = NR,
    .ku = KU,
    .ku_a = KU,
    .kc = 1024,
    .block_rows = GEMM_ROWS,
    .block_cols = GEMM_COLS,
    .pack_across = gemm_pack_across_avx512,
    .pack_along = gemm_pack_along_avx512,
    .tile = tile,
    .tile_to = tile_to,
    .tile_rows = tile_rows,
    .direct_rows = 192,
    .tile_across = tile_across,
    .tile_along = tile_along,
    .store = gemm_store_avx512,
};
