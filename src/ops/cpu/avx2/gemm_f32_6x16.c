#include <immintrin.h>

#include "ops/cpu/gemm_pack.h"
#include "ops/cpu/kernels.h"

// 12 sums, two of B and one of A: 15 of the 16 registers.
#define MR 6
enum { LANES = 8, KU = 1 };
typedef float Word;
typedef __m256 Sums, Words;

static inline Sums sums_zero(void) { return _mm256_setzero_ps(); }
static inline Sums sums_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void sums_store(float *p, Sums x) { _mm256_storeu_ps(p, x); }
static inline void sums_past(float *p, Sums x) { _mm256_stream_ps(p, x); }
static inline Sums sums_add(Sums a, Sums b) { return _mm256_add_ps(a, b); }
static inline Words words_load(const Word *p) { return _mm256_loadu_ps(p); }
static inline Words words_all(Word x) { return _mm256_set1_ps(x); }
static inline Sums sums_step(Sums sum, Words x, Words column) { return _mm256_fmadd_ps(x, column, sum); }

#include "ops/cpu/gemm_tile.inc"

const GemmKernel gemm_f32_avx2 = {
    .name = "fp32 6x16, AVX2",
    .mr = MR,
    .nr = NR,
    .ku = KU,
    .ku_a = KU,
    .kc = 256,
    .block_rows = GEMM_ROWS,
    .block_cols = GEMM_COLS,
    .pack_across = gemm_pack_across_avx2,
    .pack_along = gemm_pack_along_avx2,
    .widen = gemm_widen_avx2,
    .tile = tile,
    .tile_to = tile_to,
    .tile_rows = tile_rows,
    .direct_rows = 192,
    .tile_across = tile_across,
    .tile_along = tile_along,
    .store = gemm_store_avx2,
};
