// The bf16 tile of 32 x 32 over 2 x 2 matrix tiles. Tiles 0 to 3 hold sums (upper left, upper right, lower left, lower right),
// 4 and 5 rows of A, 6 and 7 columns of B.
//
// Numbers: TDPBF16PS takes 32 k's at a time. Even and odd k's have sums of their own, begun at 0, one fused multiply-add after
// the other; their sum is added to the element. Subnormals count as 0. So an element is one chain over blocks of 32 k's from k
// 0 on, which depends on K alone; missing k's are zeros. Rows past the end are computed and left.
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "ops/cpu/amx/tiles.h"
#include "ops/cpu/gemm_pack.h"
#include "ops/cpu/kernels.h"

enum { MR = 32, NR = 32, BLOCK = 32, HALF = 16, LINE = 64 };

// Where A is: the first row's k's, the bytes from a row to the next and from a block of k's to the next.
typedef struct {
  const char *at;
  int64_t row_bytes, block_bytes;
  bool ask;  // the same lines of the rows after these are wanted soon
} Rows;

// What was stored so far is in memory: compilers do not know that loads of tiles read it.
static inline void settle(void) { __asm__ volatile("" ::: "memory"); }

static inline __attribute__((always_inline)) void block_add(const char *upper, const char *under, int64_t row_bytes,
                                                            const char *b, const char *b_right, bool lower, bool right) {
  _tile_loadd(4, upper, row_bytes);
  _tile_loadd(6, b, NR * 4);
  _tile_dpbf16ps(0, 4, 6);
  if (right) {
    _tile_loadd(7, b_right, NR * 4);
    _tile_dpbf16ps(1, 4, 7);
  }
  if (lower) {
    _tile_loadd(5, under, row_bytes);
    _tile_dpbf16ps(2, 5, 6);
    if (right) _tile_dpbf16ps(3, 5, 7);
  }
}

static inline __attribute__((always_inline)) void sums_load(const float *init, bool lower, bool right) {
  if (!init) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    return;
  }
  _tile_loadd(0, init, NR * 4);
  if (right) _tile_loadd(1, init + HALF, NR * 4);
  if (lower) _tile_loadd(2, init + HALF * NR, NR * 4);
  if (lower && right) _tile_loadd(3, init + HALF * NR + HALF, NR * 4);
}

static inline __attribute__((always_inline)) void sums_store(float *out, int64_t ld, bool lower, bool right) {
  _tile_stored(0, out, ld * 4);
  if (right) _tile_stored(1, out + HALF, ld * 4);
  if (lower) _tile_stored(2, out + HALF * ld, ld * 4);
  if (lower && right) _tile_stored(3, out + HALF * ld + HALF, ld * 4);
}

static inline __attribute__((always_inline)) void tile_run(int64_t n_k, Rows a, const char *b, int rows, const float *init,
                                                           float *out, int64_t ld, bool lower, bool right) {
  const char *under = a.at + HALF * a.row_bytes, *b_right = b + LINE;
  sums_load(init, lower, right);
  for (; n_k >= BLOCK; n_k -= BLOCK) {
    for (int i = 0; a.ask && i < MR; i++) __builtin_prefetch(a.at + (MR + i) * a.row_bytes);
    block_add(a.at, under, a.row_bytes, b, b_right, lower, right);
    a.at += a.block_bytes;
    under += a.block_bytes;
    b += NR * BLOCK * 2;
    b_right += NR * BLOCK * 2;
  }
  if (n_k > 0) {  // beyond the last k there may be anything
    _Alignas(64) Bf16 rest_a[MR * BLOCK] = {0}, rest_b[NR * BLOCK] = {0};
    for (int i = 0; i < rows; i++) memcpy(rest_a + i * BLOCK, a.at + i * a.row_bytes, (size_t)n_k * sizeof *rest_a);
    memcpy(rest_b, b, (size_t)((n_k + n_k % 2) * NR) * sizeof *rest_b);
    settle();
    block_add((char *)rest_a, (char *)(rest_a + HALF * BLOCK), LINE, (char *)rest_b, (char *)rest_b + LINE, lower, right);
  }
  sums_store(out, ld, lower, right);
}

// All MR rows of A can be read.
static inline void tile_of(int64_t n_k, Rows a, const void *b, int rows, int cols, const float *init, float *out, int64_t ld) {
  _Alignas(64) float whole[MR * NR];
  const bool lower = rows > HALF, right = cols > HALF, fits = rows % HALF == 0;
  float *to = fits ? out : whole;
  const int64_t to_ld = fits ? ld : NR;
  settle();
  if (lower && right) tile_run(n_k, a, b, rows, init, to, to_ld, true, true);
  else if (lower) tile_run(n_k, a, b, rows, init, to, to_ld, true, false);
  else if (right) tile_run(n_k, a, b, rows, init, to, to_ld, false, true);
  else tile_run(n_k, a, b, rows, init, to, to_ld, false, false);
  settle();
  for (int64_t i = 0; i < rows && !fits; i++) memcpy(out + i * ld, whole + i * NR, (size_t)(right ? NR : HALF) * sizeof *out);
}

static void tile(int64_t n_k, const void *a, const void *b, int rows, int cols, const float *init, float *out, int64_t ld) {
  tile_of(n_k, (Rows){a, LINE, MR * LINE, false}, b, rows, cols, init, out, ld);
}

static void tile_rows(int64_t n_k, const void *a, int64_t row_bytes, const void *b, int rows, int cols, const float *init,
                      float *out, int64_t ld) {
  tile_of(n_k, (Rows){a, row_bytes, LINE, false}, b, rows, cols, init, out, ld);
}

// A tile reads whole rows: where there are fewer than it has, they are copied first, some blocks of k's at a time.
static void across_few(int64_t n_k, const char *a, int64_t row_bytes, const char *b, int rows, int cols, float *out) {
  enum { BLOCKS = 8 };
  _Alignas(64) Bf16 copy[MR * BLOCK * BLOCKS];
  for (int64_t k = 0; k < n_k || k == 0; k += BLOCK * BLOCKS) {
    const int64_t here = n_k - k < BLOCK * BLOCKS ? n_k - k : BLOCK * BLOCKS;
    for (int i = 0; i < rows; i++) memcpy(copy + i * BLOCK * BLOCKS, a + i * row_bytes + k * 2, (size_t)here * sizeof *copy);
    tile_of(here, (Rows){(char *)copy, BLOCK * BLOCKS * 2, LINE, false}, b + k * NR * 2, rows, cols, k ? out : NULL, out, NR);
  }
}

static void tile_across(int64_t n_k, const void *a, int64_t row_bytes, const void *b, int rows, int cols, float *out) {
  if (rows % HALF) across_few(n_k, a, row_bytes, b, rows, cols, out);
  else tile_of(n_k, (Rows){a, row_bytes, LINE, true}, b, rows, cols, NULL, out, NR);
}

static void begin(void) { tiles_begin(); }
static void end(void) { tiles_end(); }

enum { TRIED_K = 2 * BLOCK };

// Whether a product of two tiles of numbers n / (1 or some), n a whole one of -8 to 7, is right: `within` 1 of the sum of its
// products' sizes.
static bool product_is_right(int some, double within) {
  _Alignas(64) static Bf16 a[MR * TRIED_K], b[NR * TRIED_K];
  _Alignas(64) static float out[MR * NR];
  static float x[MR][TRIED_K], y[NR][TRIED_K];
  for (int i = 0; i < MR; i++)
    for (int k = 0; k < TRIED_K; k++) {
      Bf16 *p = &a[k / BLOCK * MR * BLOCK + i * BLOCK + k % BLOCK], *q = &b[k / 2 * NR * 2 + i * 2 + k % 2];
      *p = bf16_from_f32((float)((i * 7 + k * 3) % 16 - 8) / (float)(1 + (i + k) % some));
      *q = bf16_from_f32((float)((i * 5 + k * 11) % 16 - 8) / (float)(1 + i % some));
      x[i][k] = bf16_to_f32(*p), y[i][k] = bf16_to_f32(*q);
    }
  tile(TRIED_K, a, b, MR, NR, NULL, out, NR);
  for (int i = 0; i < MR; i++)
    for (int j = 0; j < NR; j++) {
      double sum = 0, size = 0;
      for (int k = 0; k < TRIED_K; k++) sum += (double)x[i][k] * y[j][k], size += fabs((double)x[i][k] * y[j][k]);
      if (!(fabs(out[i * NR + j] - sum) <= within * size)) return false;
    }
  return true;
}

bool amx_product_is_right(void) {
  begin();
  const bool right = product_is_right(1, 0) && product_is_right(7, TRIED_K * 0x1p-24);
  end();
  return right;
}

const GemmKernel gemm_bf16_amx = {
    .name = "bf16 32x32, AMX",
    .mr = MR,
    .nr = NR,
    .ku = 2,
    .ku_a = BLOCK,
    .kc = 512,
    .block_rows = 512,
    .block_cols = 512,
    .begin = begin,
    .end = end,
    .pack_across = gemm_pack_across_avx512,
    .pack_along = gemm_pack_along_avx512,
    .tile = tile,
    .tile_rows = tile_rows,
    .direct_rows = 256,
    .tile_across = tile_across,
    .store = gemm_store_avx512,
};
