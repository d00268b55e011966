#include <math.h>

#include "ops/harness.h"

static const int64_t shapes[][TRIAL_DIMS] = {{3, 17}, {2, 64},  {1, 1},   {4, 33},   {7, 15},   {2, 63},   {0, 5}, {3, 32},
                                             {1, 65}, {2, 127}, {9, 129}, {33, 300}, {1, 9001}, {70, 260}, {-1}};
enum { Y, GATE, UP, WEIGHT, DGATE, DUP, DWEIGHT };

// Wide gates now and then: exponentials that overflow either way. Not in the middle, where the harness puts infinities, and no
// infinite weight of a whole row: a gate of -90 times an infinity is 0 times infinity in fp32 (NaN), and not in double.
static void gates_fill(Trial *t) {
  int64_t middle = t->shape[0] * t->shape[1] / 2;
  for (int64_t n = 0; n < t->shape[0]; n++)
    for (int64_t f = n % 5; f < t->shape[1]; f += 7)
      if (n * t->shape[1] + f != middle) trial_set(t, GATE, n, f, 60 * trial_value(t, GATE, n, f));
}

// variants: bit 0 a weight for each row; bit 1 y in fp32
static void forward_declare(Trial *t) {
  int64_t N = t->shape[0], F = t->shape[1];
  trial_mat(t, Y, USE_OUT, N, F, t->variant & 2 ? DT_F32 : t->type, 1);
  trial_mat(t, GATE, USE_IN, N, F, t->type, 1);
  trial_mat(t, UP, USE_IN, N, F, t->type, 1);
  if (t->variant & 1) trial_column(t, WEIGHT, USE_IN, N, 1)->stays_finite = true;
  gates_fill(t);
}
static void forward_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  dev->op->swiglu_forward(dev, trial_m(t, Y, first), trial_m(t, GATE, first), trial_m(t, UP, first), trial_m(t, WEIGHT, first),
                          count, t->shape[1]);
}
const OpRow row_swiglu_forward = {shapes, 4, forward_declare, forward_call, .rows = true};

// variants: bit 0 a weight; bit 1 dgate and dup are gate and up; bit 2 y is wanted, over dy
static void backward_declare(Trial *t) {
  int64_t N = t->shape[0], F = t->shape[1];
  bool in_place = t->variant & 2;
  trial_mat(t, GATE, in_place ? USE_INOUT : USE_IN, N, F, t->type, 1);
  trial_mat(t, UP, in_place ? USE_INOUT : USE_IN, N, F, t->type, 1);
  trial_mat(t, Y, t->variant & 4 ? USE_INOUT : USE_IN, N, F, t->type, 1);
  if (!in_place) {
    trial_mat(t, DGATE, USE_OUT, N, F, t->type, 1);
    trial_mat(t, DUP, USE_OUT, N, F, t->type, 1);
  }
  if (t->variant & 1) {
    trial_column(t, WEIGHT, USE_IN, N, 1)->stays_finite = true;
    trial_column(t, DWEIGHT, USE_OUT, N, 1)->magnitude = 20;
    t->length = (double)F;
  }
  gates_fill(t);
}
static void backward_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  Mat gate = trial_m(t, GATE, first), up = trial_m(t, UP, first);
  bool in_place = t->variant & 2;
  dev->op->swiglu_backward(dev, in_place ? gate : trial_m(t, DGATE, first), in_place ? up : trial_m(t, DUP, first),
                           trial_m(t, DWEIGHT, first), t->variant & 4 ? trial_m(t, Y, first) : mat_none(), trial_m(t, Y, first),
                           gate, up, trial_m(t, WEIGHT, first), count, t->shape[1]);
}
const OpRow row_swiglu_backward = {shapes, 8, backward_declare, backward_call, .rows = true};
