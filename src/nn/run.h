// What every layer is given: the device, the type to compute in, the arenas, and the micro-batch.
#ifndef NN_RUN_H
#define NN_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "nn/cache.h"
#include "ops/ops.h"

// Looks at a tensor on its way, for `verify`: what ("hidden", "logits", ...), the layer or -1, and its rows. Must not change
// it.
typedef void ProbeFn(void *context, const char *what, int64_t layer, Mat m, int64_t rows, int64_t cols);

// What a training forward leaves out of `kept`, for backward to make again from what is left; each leaves out what those before
// it do. It changes no bit. What is made again lies in `temp`.
typedef enum {
  RECOMPUTE_NONE,
  RECOMPUTE_ROWS,  // what row operations made: normed rows, heads normed and turned; and a decoder's stream after attention
  RECOMPUTE_ATTENTION,  // everything inside attention
  RECOMPUTE_BLOCK,      // everything inside a decoder layer: its input alone stays
  RECOMPUTES
} Recompute;
extern const char *const recompute_names[RECOMPUTES + 1];  // "none", "rows", "attention", "block", NULL

typedef struct {
  Dev *dev;
  Dtype type;       // of GEMM operands and kept activations: DT_F32, or DT_BF16 with fp32 residual, norms, softmax and router
  Arena *kept;      // from a forward until its backward: taken by forward, in order, given back by the caller
  Arena *temp;      // within one move of one node
  bool training;    // keep what backward needs; loss nodes make their gradients
  bool zero_grads;  // a first micro-batch: gradients of experts' weights count as 0, whatever is there, and are written
  Recompute recompute;
  bool again;      // within a backward: makes what it needs once more; counts, shows and adds nothing, and what no backward
                   // reads is left out
  ProbeFn *probe;  // or NULL
  void *probe_context;
} Run;

// For a part whose inside is not kept: the same, with `temp` for what it keeps.
static inline Run run_forgetting(const Run *r) {
  Run inner = *r;
  inner.kept = r->temp;
  inner.recompute = RECOMPUTE_NONE;
  return inner;
}
// For making that part again.
static inline Run run_again(const Run *r) {
  Run inner = run_forgetting(r);
  inner.again = true;
  inner.probe = NULL;
  return inner;
}
static inline bool run_recomputes(const Run *r, Recompute what) { return r->training && r->recompute >= what; }
// Where what row operations make is taken from.
static inline Arena *run_rows_arena(const Run *r) { return run_recomputes(r, RECOMPUTE_ROWS) ? r->temp : r->kept; }

static inline void run_probe(const Run *r, const char *what, int64_t layer, Mat m, int64_t rows, int64_t cols) {
  if (r->probe && m.data) r->probe(r->probe_context, what, layer, m, rows, cols);
}

// The micro-batch: the atom of training, never split or joined by a layout. All arrays are borrowed.
typedef struct {
  int64_t B, T;              // N = B * T rows, sequence after sequence
  const int32_t *ids;        // [N]
  const int32_t *labels;     // [N]; NULL when no loss is wanted
  const float *mask;         // [N] 0 or 1; with labels
  const int32_t *position;   // [N] rotary positions
  const int32_t *doc_start;  // [N] first position of the sequence that the token may see; NULL: 0
  const KvBatch *kv;         // decoding: the rows belong to these sequences, B and T do not matter; else NULL
  double loss_scale;         // 1 / (unmasked labels of the whole step): losses and gradients are sums times this
  double mtp_scale;          // the same for the rolled labels of multi-token prediction
  double sequence_scale;     // 1 / (sequences of the whole step), for per-sequence losses
} MicroBatch;

// Sums over a step; integers and doubles added micro-batch after micro-batch.
typedef struct {
  double lm, mtp, aux, z;  // already scaled: lm and mtp are means, aux and z times their coefficients
} Losses;

#endif
