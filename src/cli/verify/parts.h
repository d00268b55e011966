// What the parts of `verify` share.
#ifndef CLI_VERIFY_PARTS_H
#define CLI_VERIFY_PARTS_H

#include "base/json.h"
#include "cli/verify/verify.h"
#include "train/trainer.h"

// The experts that every router chose, call after call.
typedef struct {
  int32_t *ids;  // owned by malloc: layer, n, n ids; and again
  int64_t count, capacity, at;
  bool replay;
  Err err;  // the first that went wrong
} RouteTape;

typedef struct {
  VerifyCase *report;
  const char *folder;
  ModelConfig config;  // with the case's coefficients
  SafeTensors cases, grads;
  json_t *meta, *train, *generate;
  Trainer trainer;  // weights of the case
  int threads;
  Dtype type;       // to compute in
  RouteTape *tape;  // or NULL
  RouteHook hook;   // of the tape
} Verify;

// A report begins with the end of a path as its name, and ends with its sums.
void verify_begin(VerifyCase *r, const char *path);
void verify_end(VerifyCase *r);
// The line of that name, made if new. Never NULL.
VerifyLine *verify_case_line(VerifyCase *r, const char *what, double tolerance);
VerifyLine *verify_line(Verify *v, const char *what, double tolerance);
// Notes one comparison; the place is only made for the greatest error so far.
void verify_note(VerifyLine *l, double error, const char *place_format, ...) __attribute__((format(printf, 3, 4)));
// Compares rows [rows, cols] of got (fp32 or int32) with want [rows * cols] of t from element `first` on.
Err verify_rows(Verify *v, VerifyLine *l, const StTensor *t, int64_t first, Mat got, int64_t rows, int64_t cols);

// meta.suggested_tolerance_fp32.KEY, or in bf16 what follows from the type and the layers.
Err verify_tolerance(const Verify *v, const char *key, double *out);
// Fills the trainer's batch from tensors "PREFIXids", "PREFIXlabels", "PREFIXloss_mask" of cases ("input_ids" when the prefix
// is empty), batch `index` of those that have several; with `documents`, positions and borders from position_ids_doc and
// doc_ids.
Err verify_batch(Verify *v, const char *prefix, int64_t index, bool documents);

// What errors of a tensor's elements are measured in: 1 in fp32; in bf16 the root mean square of what is wanted.
Err verify_unit(const Verify *v, const StTensor *t, double *unit);
// Connects the model's routers with the tape, by `hook`, which must stay; NULL: with none.
void tape_hook(RouteTape *tape, RouteHook *hook, Model *m);
void tape_free(RouteTape *tape);
void verify_hook(Verify *v, Model *m);  // with the case's

Err verify_forward(Verify *v);     // logits, hidden, routing, documents, multi-token prediction
Err verify_gradients(Verify *v);   // losses, gradients
Err verify_trajectory(Verify *v);  // 20 steps
Err verify_generation(Verify *v);  // greedy continuations

#endif
