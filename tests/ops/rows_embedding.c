#include "ops/harness.h"

// rows, width, vocabulary
static const int64_t shapes[][TRIAL_DIMS] = {{3, 17, 5},   {2, 64, 9},  {1, 1, 1},    {7, 33, 4},    {0, 5, 3},
                                             {9, 31, 100}, {5, 128, 2}, {40, 300, 7}, {300, 65, 40}, {-1}};
enum { Y, TABLE, IDS };

static void ids_fill(Trial *t) {
  for (int64_t n = 0; n < t->shape[0]; n++)
    trial_set(t, IDS, n, 0, (double)(int64_t)(trial_random(IDS, n) * (double)t->shape[2]));
}

// variants: 1 the table in fp32
static void forward_declare(Trial *t) {
  trial_mat(t, Y, USE_OUT, t->shape[0], t->shape[1], t->type, 1)->one_rounding = true;
  trial_mat(t, TABLE, USE_IN, t->shape[2], t->shape[1], t->variant ? DT_F32 : t->type, 0);
  trial_ints(t, IDS, USE_IN, t->shape[0], 1);
  ids_fill(t);
}
static void forward_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  dev->op->embedding_forward(dev, trial_m(t, Y, first), trial_m(t, TABLE, 0), trial_i(t, IDS, first), count, t->shape[1]);
}
const OpRow row_embedding_forward = {shapes, 2, forward_declare, forward_call, .rows = true};

static void backward_declare(Trial *t) {
  trial_mat(t, TABLE, USE_INOUT, t->shape[2], t->shape[1], DT_F32, 0)->magnitude = 1;
  trial_mat(t, Y, USE_IN, t->shape[0], t->shape[1], t->type, 1);
  trial_ints(t, IDS, USE_IN, t->shape[0], 1);
  ids_fill(t);
  t->length = (double)t->shape[0] + 1;
}
static void backward_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  dev->op->embedding_backward(dev, trial_m(t, TABLE, 0), trial_m(t, Y, first), trial_i(t, IDS, first), count, t->shape[1]);
}
const OpRow row_embedding_backward = {shapes, 1, backward_declare, backward_call, .rows = false};
