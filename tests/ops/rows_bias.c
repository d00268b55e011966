#include <math.h>

#include "ops/harness.h"

static const int64_t shapes[][TRIAL_DIMS] = {{3, 17}, {2, 64},  {1, 1},    {0, 5},    {7, 33}, {1, 65},
                                             {5, 31}, {9, 129}, {70, 260}, {3, 9001}, {-1}};
enum { DB, DY };

static void declare(Trial *t) {
  trial_mat(t, DB, USE_INOUT, 1, t->shape[1], DT_F32, 0)->magnitude = 1 + sqrt((double)t->shape[0]);
  trial_mat(t, DY, USE_IN, t->shape[0], t->shape[1], t->type, 1);
  t->length = (double)t->shape[0] + 1;
}
static void call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  dev->op->bias_backward(dev, trial_m(t, DB, 0), trial_m(t, DY, first), count, t->shape[1]);
}
const OpRow row_bias_backward = {shapes, 1, declare, call, .rows = false};
