// Small models with random weights and awkward sizes, for tests of model/, infer/ and train/.
#ifndef TESTS_MODEL_SMALL_MODEL_H
#define TESTS_MODEL_SMALL_MODEL_H

#include "model/model.h"

enum { SMALL_VOCAB = 97, SMALL_ROWS_MAX = 512 };

typedef enum {
  SMALL_GQA,
  SMALL_MLA_MOE_MTP,
  SMALL_MLA_DIRECT,
  SMALL_SHARED,        // factorised embedding, tied; attention of 3 layers by two
  SMALL_TELECHAT,      // key_value, biases, dynamic NTK beyond the trained length
  SMALL_TELECHAT_MOE,  // with experts whose down_proj has a bias
  SMALL_QWEN2,         // biases on q, k, v
  SMALL_QWEN3,         // norms of the heads' queries and keys, biases on q, k, v and o
  SMALL_LLAMA_BIASES,  // biases everywhere, linear scaling
  SMALL_V2,            // softmax router with groups by the best of each, biases on the latents
  SMALL_V2_LITE,       // biases on the key-value latent, none on the queries straight from x; dynamic scaling
  SMALL_KINDS
} SmallKind;

typedef struct {
  Model *model;
  Dev dev;
  Dtype type;
  Recompute recompute;  // of runs opened from now on
  Arena weights, grads, other;
  int32_t ids[SMALL_ROWS_MAX], labels[SMALL_ROWS_MAX], position[SMALL_ROWS_MAX], doc_start[SMALL_ROWS_MAX];
  float mask[SMALL_ROWS_MAX];
  MicroBatch mb;  // over the arrays above
} SmallModel;

ModelConfig small_config(SmallKind kind);
// Random weights, ids, labels and mask; B * T <= SMALL_ROWS_MAX.
void small_open(SmallModel *s, SmallKind kind, Dtype type, int threads, int64_t B, int64_t T);
void small_close(SmallModel *s);

// The arenas of one forward and backward, measured then taken.
typedef struct {
  Run run;
  Arena kept, temp;
  BlockSaved *saved;
  Stream stream;
  Losses losses;
} SmallRun;
void small_run_open(SmallRun *r, SmallModel *s, bool training, Move move);
void small_run_close(SmallRun *r);
// Forward, and with training backward by the moves of `move` (MOVE_BACKWARD, or MOVE_BACKWARD_INPUT: input, then weights).
void small_step(SmallRun *r, SmallModel *s, Move move);

#endif
