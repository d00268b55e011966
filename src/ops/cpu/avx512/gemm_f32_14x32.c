#include <immintrin.h>

#include "ops/cpu/gemm_pack.h"
#include "ops/cpu/kernels.h"

// 28 sums, two of B and one of A: 31 of the 32 registers.
#define MR 14
enum { LANES = 16, KU = 1 };
typedef float Word;
typedef __m512 Sums, Words;

static inline Sums sums_zero(void) { return _mm512_setzero_ps(); }
static inline Sums sums_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void sums_store(float *p, Sums x) { _mm512_storeu_ps(p, x); }
static inline void sums_past(float *p, Sums x) { _mm512_stream_ps(p, x); }
static inline Sums sums_add(Sums a, Sums b) { return _mm512_add_ps(a, b); }
static inline Words words_load(const Word *p) { return _mm512_loadu_ps(p); }
static inline Words words_all(Word x) { return _mm512_set1_ps(x); }
static inline Sums sums_step(Sums sum, Words x, Words column) { return _mm512_fmadd_ps(x, column, sum); }

#include "ops/cpu/gemm_tile.inc"

const GemmKernel gemm_f32_avx512 = {
    .name = "fp32 14x32, AVX-512",
    .mr = MR,
    .nr = NR,
    .ku = KU,
    .ku_a = KU,
    .kc = 512,
    .block_rows = GEMM_ROWS,
    .block_cols = GEMM_COLS,
    .pack_across = gemm_pack_across_avx512,
    .pack_along = gemm_pack_along_avx512,
    .widen = gemm_widen_avx512,
    .tile = tile,
    .tile_to = tile_to,
    .tile_rows = tile_rows,
    .direct_rows = 192,
    .tile_across = tile_across,
    .tile_along = tile_along,
    .store = gemm_store_avx512,
};
