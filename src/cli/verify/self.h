// A model against itself: what must not depend on how it is computed, and whether its gradients are the slopes of its loss.
//
// A small batch of random tokens goes through the trainer's own step and through the engine. Bits must not depend on the number
// of threads, on which other sequences share the batch, on what follows a token, or on whether the text came whole or in
// pieces. Roundings may differ, and nothing else, by the order of sequences, by micro-batches, by documents that share a
// sequence, and by instruction set: where one of these is beyond its tolerance, its operations are put one by one into the
// reference, and the one that brings the fault along is named. fp32. The experts are those of the first run.
#ifndef CLI_VERIFY_SELF_H
#define CLI_VERIFY_SELF_H

#include "cli/verify/parts.h"

// path: whatever names a model (cli/formats.h), or a run file, whose weights are drawn from its seed. Cost: some 60 steps of 2
// sequences of 12 tokens, one by the reference, and one more by it for each operation where something is wrong.
Err verify_self(VerifyCase *report, const char *path, int threads);

// ---- parts
enum { SELF_B = 2, SELF_T = 12, SELF_PAD = 4 };

typedef struct {
  VerifyCase *report;
  ModelConfig config;
  const char *where;
  int threads;
  Trainer trainer;                           // at the best level; holds the weights
  int64_t T;                                 // SELF_T, or what the model allows
  int32_t id[SELF_B * (SELF_T + SELF_PAD)];  // sequence after sequence of T + SELF_PAD
  ProbeFn *probe;                            // of the forward that gives the logits, or NULL
  void *probe_context;
} Self;

// Opens the model, as verify_self does, and draws the tokens, which depend on vocabulary and length alone.
Err self_open(Self *s, const char *path, int threads);
void self_close(Self *s);

// A batch to compute.
typedef struct {
  int64_t B, T, micro_batch;
  int32_t id[SELF_B * (SELF_T + SELF_PAD)], label[SELF_B * (SELF_T + SELF_PAD)];
  int32_t position[SELF_B * (SELF_T + SELF_PAD)], doc_start[SELF_B * (SELF_T + SELF_PAD)];
  float mask[SELF_B * (SELF_T + SELF_PAD)];
} SelfBatch;

// What came of it. Owned by malloc.
typedef struct {
  double loss, norm;
  float *logits;  // [B T, V]
  float *grads;   // of the parameters, one after the other
  float *update;  // what one step of AdamW, of rate 1 and epsilon 1, took from each
} Outcome;

// The first T tokens of every sequence.
void self_batch(const Self *s, SelfBatch *b);
// A trainer with the weights of s->trainer. isa: a cap for the instruction set, NULL: as the user has it.
Err self_trainer(const Self *s, Trainer *t, int threads, const char *isa);
// tape: records the choices of experts, or gives them; NULL: free. The trainer is left as it was.
Err self_compute(Self *s, Trainer *t, const SelfBatch *b, RouteTape *tape, Outcome *o);
// The loss alone (and gradients in the trainer, thrown away).
Err self_loss(Trainer *t, const SelfBatch *b, RouteTape *tape, double *loss);
void outcome_free(Outcome *o);
int64_t self_numbers(const Trainer *t);  // of all parameters that have gradients

// Notes in the line how far `got` is from `want`: logits over the greatest, each parameter's gradient and update over its norm
// (at least a thousandth of what an average one has), loss and norm. prefix: begins the place.
void self_compare(const Self *s, VerifyLine *l, const char *prefix, const Outcome *got, const Outcome *want, int64_t rows);
double outcome_error(const Self *s, const Outcome *got, const Outcome *want, int64_t rows, char place[VERIFY_PLACE_BYTES]);

Err self_alike(Self *s);   // threads, batches, documents, pieces
Err self_levels(Self *s);  // instruction sets, operation by operation
Err self_slopes(Self *s);  // finite differences

#endif
