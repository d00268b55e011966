// What a row operation hands to its threads.
#ifndef OPS_CPU_ARGS_H
#define OPS_CPU_ARGS_H

#include "ops/ops.h"

typedef struct {
  Mat y, a, b;
  int64_t N, D;
  double alpha, beta, diagonal;  // scale_add
} Elementwise;

typedef struct {
  Mat y, rstd, x, w, add, dy;
  int64_t N, D;
  double eps;
} Norm;

typedef struct {
  Mat db, dy;
  int64_t N, D;
} Bias;

typedef struct {
  Mat y, table;
  const int32_t *ids;
  int64_t N, D;
} Embedding;

typedef struct {
  Mat x, cos, sin;
  const int32_t *position;
  int64_t N, H, stride, d;
  bool pairs, inverse;
} Rope;

typedef struct {
  Mat y, dgate, dup, dweight, dy, gate, up, weight;
  int64_t N, F;
} Swiglu;

typedef struct {
  Dev *dev;
  const RouterArgs *r;
} Router;

typedef struct {
  Dev *dev;
  Mat y, add, rows;
  const int32_t *slot_row;
  int64_t N, k, D;
} Combine;

typedef struct {
  Dev *dev;
  Mat dlogits, nll, lse, logits;
  const int32_t *label;
  const float *mask;
  int64_t N, V;
  double scale, z;
} CrossEntropy;

// The sums of squares of blocks first .. first + blocks - 1 of x, each of SQUARES_BLOCK elements.
enum { SQUARES_BLOCK = 4096, SQUARES_ROUND = 1 << 16 };
typedef struct {
  const float *x;
  double *sums;
  int64_t n, first, blocks;
} Squares;

// *sum = sum of the blocks in order; `part` fills the sums of a round, which lie in scratch.
void squares_run(Dev *dev, PoolFn *part, double *sum, const float *x, int64_t n);

// ids[0..k) of one token from its choice scores (destroyed): limited to the best groups, falling, ties to the lower index, NaN
// last. `working`: room for 2 E doubles. Shared by all levels: what is chosen must not differ by a level's search.
void router_choose(const RouterArgs *r, double *choice, void *working, int32_t *ids);

#endif
