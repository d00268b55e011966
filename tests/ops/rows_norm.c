#include <math.h>

#include "ops/harness.h"

static const int64_t shapes[][TRIAL_DIMS] = {{3, 17}, {2, 64},  {1, 1},   {4, 33},   {7, 15},   {2, 63},   {0, 5}, {3, 32},
                                             {1, 65}, {2, 127}, {9, 129}, {33, 300}, {1, 9001}, {70, 260}, {-1}};
enum { Y, RSTD, X, W, DY, ADD };

// variants: bit 0 the result, bit 1 x in fp32 whatever the type
static void forward_declare(Trial *t) {
  int64_t N = t->shape[0], D = t->shape[1];
  trial_mat(t, Y, USE_OUT, N, D, t->variant & 1 ? DT_F32 : t->type, 1);
  trial_column(t, RSTD, USE_OUT, N, 1);
  trial_mat(t, X, USE_IN, N, D, t->variant & 2 ? DT_F32 : t->type, 1);
  trial_mat(t, W, USE_IN, 1, D, DT_F32, 0);
  t->length = (double)D;
}
static void forward_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  dev->op->rms_norm_forward(dev, trial_m(t, Y, first), trial_m(t, RSTD, first), trial_m(t, X, first), trial_m(t, W, first),
                            count, t->shape[1], 1e-5);
}
const OpRow row_rms_norm_forward = {shapes, 4, forward_declare, forward_call, .rows = true};

static void rstd_fill(Trial *t) {
  for (int64_t n = 0; n < t->shape[0]; n++) trial_set(t, RSTD, n, 0, 0.5 + trial_random(RSTD, n));
}

// variants: 0 no add; 1 add, all fp32 but dy; 2 add is dx
static void input_declare(Trial *t) {
  int64_t N = t->shape[0], D = t->shape[1];
  Dtype stream = t->variant == 1 ? DT_F32 : t->type;
  trial_mat(t, Y, t->variant == 2 ? USE_INOUT : USE_OUT, N, D, stream, 1)->magnitude = 1;
  if (t->variant == 1) trial_mat(t, ADD, USE_IN, N, D, stream, 1);
  trial_mat(t, DY, USE_IN, N, D, t->type, 1);
  trial_mat(t, X, USE_IN, N, D, stream, 1);
  trial_mat(t, W, USE_IN, 1, D, DT_F32, 0);
  trial_column(t, RSTD, USE_IN, N, 1);
  rstd_fill(t);
  t->length = (double)D;
}
static void input_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  Mat dx = trial_m(t, Y, first);
  dev->op->rms_norm_backward_input(dev, dx, t->variant == 2 ? dx : trial_m(t, ADD, first), trial_m(t, DY, first),
                                   trial_m(t, X, first), trial_m(t, RSTD, first), trial_m(t, W, first), count, t->shape[1]);
}
const OpRow row_rms_norm_backward_input = {shapes, 3, input_declare, input_call, .rows = true};

// variants: 1 x in fp32
static void weight_declare(Trial *t) {
  int64_t N = t->shape[0], D = t->shape[1];
  trial_mat(t, W, USE_INOUT, 1, D, DT_F32, 0)->magnitude = 1 + sqrt((double)N);
  trial_mat(t, DY, USE_IN, N, D, t->type, 1);
  trial_mat(t, X, USE_IN, N, D, t->variant ? DT_F32 : t->type, 1);
  trial_column(t, RSTD, USE_IN, N, 1);
  rstd_fill(t);
  t->length = (double)N;
}
static void weight_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  dev->op->rms_norm_backward_weight(dev, trial_m(t, W, first), trial_m(t, DY, first), trial_m(t, X, first),
                                    trial_m(t, RSTD, first), count, t->shape[1]);
}
const OpRow row_rms_norm_backward_weight = {shapes, 2, weight_declare, weight_call, .rows = false};
