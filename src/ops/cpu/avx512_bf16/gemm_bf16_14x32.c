#include "ops/cpu/avx512/gemm_pack.h"
#include "ops/cpu/kernels.h"

#include <immintrin.h>

enum { MR = 14, NR = 32 };

static inline __attribute__((always_inline)) __m512bh pairs(__m512i x) { return (__m512bh)x; }

// As the fp32 tile, with a pair of k's a step. The instruction adds both products of a pair to the sum in a fixed order,
// flushing subnormals.
static inline __attribute__((always_inline)) void tile_run(int rows, int vecs, int64_t n_k, const int32_t *a, const int32_t *b,
                                                           const float *init, float *out, int64_t ld) {
  __m512 sum[MR][2];
#pragma GCC unroll 14
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int j = 0; j < vecs; j++) sum[i][j] = init ? _mm512_loadu_ps(init + i * NR + j * 16) : _mm512_setzero_ps();
  for (int64_t k = 0; k < n_k; k += 2, a += MR, b += NR) {
    __m512i column[2];
#pragma GCC unroll 2
    for (int j = 0; j < vecs; j++) column[j] = _mm512_loadu_si512(b + j * 16);
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) {
      __m512i x = _mm512_set1_epi32(a[i]);
#pragma GCC unroll 2
      for (int j = 0; j < vecs; j++) sum[i][j] = _mm512_dpbf16_ps(sum[i][j], pairs(x), pairs(column[j]));
    }
  }
#pragma GCC unroll 14
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int j = 0; j < vecs; j++) _mm512_storeu_ps(out + i * ld + j * 16, sum[i][j]);
}

static void tile(int64_t n_k, const void *a, const void *b, int rows, int cols, const float *init, float *out, int64_t ld) {
#define ROWS(n)                                              \
  case n:                                                    \
    if (cols > 16) tile_run(n, 2, n_k, a, b, init, out, ld); \
    else tile_run(n, 1, n_k, a, b, init, out, ld);           \
    break;
  switch (rows) {
    ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12) ROWS(13) ROWS(14)
  }
#undef ROWS
}

const GemmKernel gemm_bf16_avx512_bf16 = {
    .name = "bf16 dot 14x32, AVX-512",
    .mr = MR,
    .nr = NR,
    .ku = 2,
    .ku_a = 2,
    .kc = 512,
    .pack_across = gemm_pack_across_avx512,
    .pack_along = gemm_pack_along_avx512,
    .tile = tile,
    .store = gemm_store_avx512,
};
