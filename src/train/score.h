// Held-out loss by the forward alone: what training's evaluation and `eval` share.
#ifndef TRAIN_SCORE_H
#define TRAIN_SCORE_H

#include "data/batch.h"
#include "model/model.h"

typedef struct {
  double nll;             // natural log, summed over the labels that count
  int64_t labels, bytes;  // bytes of the labels' text; 0 without a table
} Score;

// Sum of the masked nll of a batch. run->training is false. Without the multi-token-prediction blocks. saved: [m->n_blocks].
double score_forward(Model *m, const Run *run, const Batch *b, Stream *stream, BlockSaved *saved);
// Adds a batch whose nll is known.
void score_add(Score *s, const Batch *b, double nll, const int32_t *token_bytes);

// Scores samples first .. first + count - 1 of a data set in batches of B. Measures and takes the memory it needs, gives it
// back. progress: shown on stderr. token_bytes: [vocab] or NULL. ERR_MEMORY, ERR_FORMAT.
Err score_dataset(Model *m, Dev *dev, Dtype type, const Dataset *d, int64_t count, int64_t B, const int32_t *token_bytes,
                  bool progress, Score *score);

#endif
