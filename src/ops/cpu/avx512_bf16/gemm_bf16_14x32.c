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
static inline Words words_load(const Word *p) { return _mm512_loadu_si512(p); }
static inline Words words_all(Word x) { return _mm512_set1_epi32(x); }
// Both products of a pair are added to the sum in a fixed order; subnormals count as 0.
static inline Sums sums_step(Sums sum, Words x, Words column) { return _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)column); }

#include "ops/cpu/gemm_tile.inc"

const GemmKernel gemm_bf16_avx512_bf16 = {
    .name = "bf16 dot 14x32, AVX-512",
    .mr = MR,
    .nr = NR,
    .ku = KU,
    .ku_a = KU,
    .kc = 512,
    .pack_across = gemm_pack_across_avx512,
    .pack_along = gemm_pack_along_avx512,
    .tile = tile,
    .tile_rows = tile_rows,
    .store = gemm_store_avx512,
};
