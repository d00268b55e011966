#include <math.h>

#include "base/clock.h"
#include "train/run.h"
#include "train/score.h"

Err eval_run(TrainRun *r, int64_t micro_batch, EvalResult *result) {
  Trainer *t = &r->trainer;
  double begin = clock_s();
  Score s = {0};
  for (int64_t i = 0; i < r->config->eval.batches; i++) {
    TRY(feed_valid(&r->feed, i, micro_batch, &t->batch));
    score_add(&s, &t->batch, trainer_score(t, &t->batch), r->token_bytes);
  }
  *result = (EvalResult){s.labels ? s.nll / (double)s.labels : NAN, s.bytes ? s.nll / log(2) / (double)s.bytes : NAN};
  t->phase_s[PHASE_EVAL] += clock_s() - begin;
  return ERR_OK;
}
