#include <immintrin.h>

#include "ops/cpu/gemm_pack.h"
#include "ops/cpu/q8.h"

#include "ops/cpu/q8_rows.inc"

// By the dot of VNNI: bytes without sign, the codes of weights 128 too high, times bytes with one. It does not saturate.
enum { MR = 6 };

static inline __m512i code_all(const int8_t code[4]) {
  int32_t four;
  memcpy(&four, code, sizeof four);
  return _mm512_set1_epi32(four);
}

static inline __attribute__((always_inline)) void tile_run(int rows, int64_t blocks, const Q8Block *b, const Q8Row *a,
                                                           int64_t line, float *out) {
  __m512 sum[MR][2];
#pragma GCC unroll 6
  for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = _mm512_setzero_ps();
  for (int64_t k = 0; k < blocks; k++, b++, a++) {
    __m512i dot[MR][2];
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) dot[i][0] = dot[i][1] = _mm512_set1_epi32(a[i * line].fix);
#pragma GCC unroll 8
    for (int q = 0; q < Q8_BLOCK / 4; q++) {
      const __m512i left = _mm512_loadu_si512(b->code[q][0]), right = _mm512_loadu_si512(b->code[q][Q8_LANES / 2]);
#pragma GCC unroll 6
      for (int i = 0; i < rows; i++) {
        const __m512i x = code_all(a[i * line].code + 4 * q);
        dot[i][0] = _mm512_dpbusd_epi32(dot[i][0], left, x);
        dot[i][1] = _mm512_dpbusd_epi32(dot[i][1], right, x);
      }
    }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
      for (int j = 0; j < 2; j++) {
        const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(a[i * line].scale), _mm512_loadu_ps(b->scale + 16 * j));
        sum[i][j] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[i][j]), scale, sum[i][j]);
      }
  }
#pragma GCC unroll 6
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) _mm512_storeu_ps(out + i * Q8_LANES + 16 * j, sum[i][j]);
}

static void tile(int64_t blocks, const Q8Block *panel, const Q8Row *a, int64_t line, int rows, float *out) {
#define ROWS(n) \
  case n: tile_run(n, blocks, panel, a, line, out); break;
  switch (rows) { ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) }
#undef ROWS
}

const Q8Kernel q8_avx512_vnni = {
    .name = "int8 6x32, AVX-512 VNNI", .mr = MR, .round = round_row, .tile = tile, .store = gemm_store_avx512};
