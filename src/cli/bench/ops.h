// The cases of `pleiad bench ops`.
#ifndef CLI_BENCH_OPS_H
#define CLI_BENCH_OPS_H

#include "ops/ops.h"

// A layer's sizes, from bench/shapes/*.json; letters as everywhere, E: experts held here, router_E: of the model. Without
// experts E, k and the like are 0; without latent attention the ranks are, else K is.
#define BENCH_SIZES(X) \
  X(B) X(T) X(D) X(F) X(expert_F) X(E) X(router_E) X(k) X(H) X(K) X(q_rank) X(kv_rank) X(nope) X(rope) X(v) X(V) X(parameters)
typedef struct {
#define SIZE(name) int64_t name;
  BENCH_SIZES(SIZE)
#undef SIZE
} BenchSizes;

enum { BENCH_MATS = 8 };

// A call with its tensors and what it costs: operations of its products, bytes it must read and write (each tensor once).
typedef struct {
  Dtype type;
  int64_t N, D;
  Mat m[BENCH_MATS];
  int32_t *ids, *rows, *slots, *offset;
  float *vector;
  void *packed;
  GemmArgs gemm;
  GroupedGemmArgs grouped;
  GroupedWeightArgs weight;
  AttentionArgs attention;
  RouterArgs router;
  AdamwArgs adamw;
  double flops, read_bytes, write_bytes;
} BenchJob;

// What a layer must have for a case to be its own.
typedef enum { NEEDS_NOTHING, NEEDS_EXPERTS, NEEDS_LATENT, NEEDS_HEADS } BenchNeed;

typedef struct {
  const char *what;  // NULL ends the list
  // Takes the tensors (from a measuring arena first), fills the indices, sets the cost.
  void (*carve)(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s);
  void (*run)(Dev *dev, BenchJob *j);
  BenchNeed need;
} BenchCase;

// One list of cases an operation of ops.inc: one that is missing does not link.
#define OP(name, params, tolerance) extern const BenchCase bench_op_##name[];
#include "ops/ops.inc"
#undef OP

#endif
