#include <immintrin.h>

#include "ops/cpu/gemm_pack.h"
#include "ops/cpu/q8.h"

#include "ops/cpu/q8_rows.inc"

// The multiply-add of bytes takes one of them without sign, and saturates beyond 16 bits: magnitudes of a times codes of b with
// the sign of a are at most 2 * 127 * 127, and fit.
enum { MR = 3 };

static inline __m256i code_all(const int8_t code[4]) {
  int32_t four;
  memcpy(&four, code, sizeof four);
  return _mm256_set1_epi32(four);
}

// Columns [column, column + 8 vecs) of a panel.
static inline __attribute__((always_inline)) void tile_run(int rows, int vecs, int64_t blocks, const Q8Block *b, int column,
                                                           const Q8Row *a, int64_t line, float *out) {
  const __m256i ones = _mm256_set1_epi16(1), high = _mm256_set1_epi8(-128);
  __m256 sum[MR][4];
#pragma GCC unroll 3
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
    for (int j = 0; j < vecs; j++) sum[i][j] = _mm256_setzero_ps();
  for (int64_t k = 0; k < blocks; k++, b++, a++) {
    __m256i dot[MR][4];
#pragma GCC unroll 3
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
      for (int j = 0; j < vecs; j++) dot[i][j] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int q = 0; q < Q8_BLOCK / 4; q++) {
      __m256i w[4];
#pragma GCC unroll 4
      for (int j = 0; j < vecs; j++)
        w[j] = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(const void *)b->code[q][column + 8 * j]), high);
#pragma GCC unroll 3
      for (int i = 0; i < rows; i++) {
        const __m256i x = code_all(a[i * line].code + 4 * q), magnitude = _mm256_abs_epi8(x);
#pragma GCC unroll 4
        for (int j = 0; j < vecs; j++) {
          const __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(w[j], x));
          dot[i][j] = _mm256_add_epi32(dot[i][j], _mm256_madd_epi16(pairs, ones));
        }
      }
    }
#pragma GCC unroll 3
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
      for (int j = 0; j < vecs; j++) {
        const __m256 scale = _mm256_mul_ps(_mm256_set1_ps(a[i * line].scale), _mm256_loadu_ps(b->scale + column + 8 * j));
        sum[i][j] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[i][j]), scale, sum[i][j]);
      }
  }
#pragma GCC unroll 3
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
    for (int j = 0; j < vecs; j++) _mm256_storeu_ps(out + i * Q8_LANES + column + 8 * j, sum[i][j]);
}

static void tile(int64_t blocks, const Q8Block *panel, const Q8Row *a, int64_t line, int rows, float *out) {
  if (rows == 1) {
    tile_run(1, 4, blocks, panel, 0, a, line, out);
    return;
  }
  for (int column = 0; column < Q8_LANES; column += 16) {
    if (rows == 2) tile_run(2, 2, blocks, panel, column, a, line, out);
    else tile_run(3, 2, blocks, panel, column, a, line, out);
  }
}

const Q8Kernel q8_avx2 = {.name = "int8 3x16, AVX2", .mr = MR, .round = round_row, .tile = tile, .store = gemm_store_avx2};
