// Compares the program with a case folder: a small model and what a float64 computation of it gave (docs/formats.md, golden
// models).
//
// A case is a folder with config.json, model.safetensors, and expected values: cases.safetensors (logits, residual stream,
// routing, documents, multi-token prediction), grads.safetensors, meta.json (losses, tolerances), train.json (20 steps),
// generate.json (greedy continuations). Everything runs through the paths of use: the trainer's step, the engine's cache.
//
// In fp32 the tolerances are the case's own. In bf16 they follow from the type (verify_bf16.c), errors of a tensor's elements
// are relative to its root mean square, a wanted continuation may be second best by rounding, and experts are those that fp32
// chose, since a choice between two nearly equal scores is not rounding's to make: the case runs in fp32 first, and must pass.
#ifndef CLI_VERIFY_VERIFY_H
#define CLI_VERIFY_VERIFY_H

#include "base/err.h"
#include "base/safetensors.h"
#include "ops/ops.h"

enum { VERIFY_LINES_MAX = 256, VERIFY_NAME_BYTES = 64, VERIFY_PLACE_BYTES = 128 };

// One kind of comparison: the greatest error and where it is. A NaN counts as an infinite error.
typedef struct {
  char what[VERIFY_NAME_BYTES];    // "logits", "gradients", "trajectory: loss", ...
  char place[VERIFY_PLACE_BYTES];  // of the greatest error
  double error, tolerance;         // as the case's meta.json states it; 0: must be equal
  int64_t compared, failed;        // numbers compared, and those beyond the tolerance
} VerifyLine;

typedef struct {
  char name[VERIFY_NAME_BYTES];  // of the folder
  VerifyLine line[VERIFY_LINES_MAX];
  int n_lines;
  int64_t compared, failed;
} VerifyCase;

// Whether `folder` looks like a case.
bool verify_is_case(const char *folder);
// Runs all that the folder has expectations for. An expectation that is missing is an error, so is a file that cannot be read:
// a case is never smaller than it looks. threads: 0: one a core. type: DT_F32 or DT_BF16.
Err verify_run(VerifyCase *v, const char *folder, int threads, Dtype type);
// Lines with the worst (error / tolerance) first.
void verify_sort(VerifyCase *v);

#endif
