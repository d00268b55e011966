#include "ops/cpu/avx512/gemm_pack.h"
#include "ops/cpu/kernels.h"

#include <immintrin.h>

enum { MR = 14, NR = 32 };

// 28 sums, two of B and one of A: 31 of the 32 registers. Constant `rows` and `vecs` unroll it whole.
static inline __attribute__((always_inline)) void tile_run(int rows, int vecs, int64_t n_k, const float *a, const float *b,
                                                           const float *init, float *out, int64_t ld) {
  __m512 sum[MR][2];
#pragma GCC unroll 14
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int j = 0; j < vecs; j++) sum[i][j] = init ? _mm512_loadu_ps(init + i * NR + j * 16) : _mm512_setzero_ps();
  for (int64_t k = 0; k < n_k; k++, a += MR, b += NR) {
    __m512 column[2];
#pragma GCC unroll 2
    for (int j = 0; j < vecs; j++) column[j] = _mm512_loadu_ps(b + j * 16);
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) {
      __m512 x = _mm512_set1_ps(a[i]);
#pragma GCC unroll 2
      for (int j = 0; j < vecs; j++) sum[i][j] = _mm512_fmadd_ps(x, column[j], sum[i][j]);
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

const GemmKernel gemm_f32_avx512 = {
    .name = "fp32 14x32, AVX-512",
    .mr = MR,
    .nr = NR,
    .ku = 1,
    .ku_a = 1,
    .kc = 512,
    .pack_across = gemm_pack_across_avx512,
    .pack_along = gemm_pack_along_avx512,
    .widen = gemm_widen_avx512,
    .tile = tile,
    .store = gemm_store_avx512,
};
