#include <math.h>

#include "base/clock.h"
#include "train/run.h"

static int64_t label_bytes(const TrainRun *r, const Batch *b) {
  int64_t bytes = 0;
  for (int64_t i = 0; i < b->B * b->T; i++)
    if (b->mask[i] != 0) bytes += r->token_bytes[b->labels[i]];
  return bytes;
}

Err eval_run(TrainRun *r, int64_t micro_batch, EvalResult *result) {
  Trainer *t = &r->trainer;
  double begin = clock_s(), nll = 0;
  int64_t labels = 0, bytes = 0;
  for (int64_t i = 0; i < r->config->eval.batches; i++) {
    TRY(feed_valid(&r->feed, i, micro_batch, &t->batch));
    nll += trainer_score(t, &t->batch);
    labels += t->batch.mask_count;
    if (r->token_bytes) bytes += label_bytes(r, &t->batch);
  }
  *result = (EvalResult){labels ? nll / (double)labels : NAN, bytes ? nll / log(2) / (double)bytes : NAN};
  t->phase_s[PHASE_EVAL] += clock_s() - begin;
  return ERR_OK;
}
