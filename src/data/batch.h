// A batch as a training step sees it. Filled from sample numbers alone: the cursor is all a checkpoint has to keep.
#ifndef DATA_BATCH_H
#define DATA_BATCH_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "data/dataset.h"

// Where a run stands in its data: the first sample it has not seen.
typedef struct {
  int64_t sample;
} DataCursor;

typedef struct {
  int64_t B, T;
  int32_t *ids, *labels;  // [B*T]; labels[i] is the token after ids[i]; what is past the end of the data is 0 with mask 0
  float *mask;            // [B*T] 1 where the loss counts, else 0
  int32_t *position;      // [B*T] rotary position
  int32_t *doc_start;  // [B*T] row in its sequence (0 .. T-1) at which the token's document begins; 0 without reset_attention
  int64_t mask_count;  // of ones in mask
} Batch;

// Carves the arrays from an arena (or measures).
void batch_take(Batch *b, Arena *a, int64_t B, int64_t T);

// Fills *b (arrays by the caller) with samples first .. first + B - 1. b->T must be the data set's. ERR_ARG if these are past
// the end, ERR_FORMAT for an id outside the vocabulary. Allocates nothing; any number of threads may read one data set.
Err data_batch(const Dataset *d, int64_t first, Batch *b);

// What a row's tokens say: mask 0 at eod (if eod_mask_loss), positions and document starts after each eod. All [T].
void batch_masks(const int32_t *ids, int64_t T, const DataOptions *o, float *mask, int32_t *position, int32_t *doc_start);

#endif
