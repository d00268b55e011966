#include "ops/cpu/avx2/gemm_pack.h"
#include "ops/cpu/kernels.h"

#include <immintrin.h>

enum { MR = 6, NR = 16 };

// 12 sums, two of B and one of A: 15 of the 16 registers. Constant `rows` and `vecs` unroll it whole.
static inline __attribute__((always_inline)) void tile_run(int rows, int vecs, int64_t n_k, const float *a, const float *b,
                                                           const float *init, float *out, int64_t ld) {
  __m256 sum[MR][2];
#pragma GCC unroll 6
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int j = 0; j < vecs; j++) sum[i][j] = init ? _mm256_loadu_ps(init + i * NR + j * 8) : _mm256_setzero_ps();
  for (int64_t k = 0; k < n_k; k++, a += MR, b += NR) {
    __m256 column[2];
#pragma GCC unroll 2
    for (int j = 0; j < vecs; j++) column[j] = _mm256_loadu_ps(b + j * 8);
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
      __m256 x = _mm256_set1_ps(a[i]);
#pragma GCC unroll 2
      for (int j = 0; j < vecs; j++) sum[i][j] = _mm256_fmadd_ps(x, column[j], sum[i][j]);
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int j = 0; j < vecs; j++) _mm256_storeu_ps(out + i * ld + j * 8, sum[i][j]);
}

static void tile(int64_t n_k, const void *a, const void *b, int rows, int cols, const float *init, float *out, int64_t ld) {
#define ROWS(n)                                             \
  case n:                                                   \
    if (cols > 8) tile_run(n, 2, n_k, a, b, init, out, ld); \
    else tile_run(n, 1, n_k, a, b, init, out, ld);          \
    break;
  switch (rows) { ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) }
#undef ROWS
}

const GemmKernel gemm_f32_avx2 = {
    .name = "fp32 6x16, AVX2",
    .mr = MR,
    .nr = NR,
    .ku = 1,
    .ku_a = 1,
    .kc = 256,
    .pack_across = gemm_pack_across_avx2,
    .pack_along = gemm_pack_along_avx2,
    .widen = gemm_widen_avx2,
    .tile = tile,
    .store = gemm_store_avx2,
};
