// What the files of the matrix products share: one product as an operation hands it over, a thread's space, the direct way.
#ifndef OPS_CPU_GEMM_PRODUCT_H
#define OPS_CPU_GEMM_PRODUCT_H

#include "ops/cpu/gemm.h"
#include "ops/cpu/whole.h"

typedef struct {
  int64_t M, N, K;
  Mat c, a, b, add;
  const float *bias;
  bool a_t, b_t;
  bool zero;                     // C counts as 0; no add, no bias
  const int32_t *a_row, *b_row;  // gathers of the stored rows of a and b
  const char *b_packed;
} Product;

// A thread's working space: for panels of A and of B, for sums between visits in k, for a tile.
typedef struct {
  char *a, *b;
  size_t b_bytes;
  float *partial, *tile;
} Space;

// Bytes from one panel of `lines` lines and n_k k's to the next.
static inline size_t panel_bytes(const GemmKernel *k, int64_t lines, int64_t n_k) {
  const int64_t step = k->ku_a > k->ku ? k->ku_a : k->ku;
  return (size_t)(lines * div_up(n_k, step) * step) * (k->ku == 1 ? 4 : 2) + GEMM_PANEL_PAD;
}

// Whether B is read as it is stored: where A has so few rows that packing B would cost more than it saves.
bool direct_is_better(const GemmKernel *k, const Product *p, const Space *s);
// Columns [n0, n1) of all rows of such a product; n0 is a multiple of nr.
void direct_run(const GemmKernel *k, const Product *p, const Space *s, int64_t n0, int64_t n1);

#endif
