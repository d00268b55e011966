// What a run reads, step by step: the data sets of its plan and the held-out one, and where it stands in each.
#ifndef TRAIN_FEED_H
#define TRAIN_FEED_H

#include "data/batch.h"
#include "train/plan.h"

typedef struct {
  const Plan *plan;             // borrowed
  Dataset *source[STAGES_MAX];  // of plan->source
  int64_t cursor[STAGES_MAX];   // the first sample not seen of each; part of a checkpoint
  Dataset *valid;               // or NULL
  int64_t valid_T, valid_samples;
} Feed;

// Opens everything and builds the orders of samples (kept in `cache`): errors come now, not in step 1000. ERR_CONFIG,
// ERR_FORMAT, ERR_IO.
Err feed_open(Feed *f, const RunConfig *c, const Plan *plan, const char *cache, const char *where);
void feed_close(Feed *f);
// The batch of step s into *b (arrays with room for it), and the cursor moves on. With a growing length, each row is cut.
Err feed_batch(Feed *f, int64_t step, Batch *b);
// Micro-batch `index` of the held-out data, B sequences; it starts again at its end.
Err feed_valid(Feed *f, int64_t index, int64_t B, Batch *b);
// One data set of a blend as a run would open it: a part of a split, samples (or ONE_EPOCH) of T tokens. key: for messages.
Err feed_open_set(Dataset **d, const RunConfig *c, const char *blend, const char *key, const char *split, SplitPart part,
                  int64_t T, int64_t samples, const char *cache, const char *where);

#endif
