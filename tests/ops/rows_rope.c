#include <math.h>

#include "ops/harness.h"

// rows, heads, stride, d
static const int64_t shapes[][TRIAL_DIMS] = {{3, 2, 10, 6},  {2, 1, 64, 64},   {1, 3, 2, 2},   {4, 5, 40, 32},  {0, 2, 8, 8},
                                             {5, 2, 96, 34}, {7, 1, 130, 128}, {2, 3, 20, 20}, {60, 4, 96, 64}, {-1}};
enum { X, POSITION, COS, SIN, POSITIONS = 11 };

// variants: bit 0 pairs, bit 1 inverse
static void declare(Trial *t) {
  int64_t N = t->shape[0], half = t->shape[3] / 2;
  trial_mat(t, X, USE_INOUT, N, t->shape[1] * t->shape[2], t->type, 1);
  trial_ints(t, POSITION, USE_IN, N, 1);
  for (int64_t n = 0; n < N; n++) trial_set(t, POSITION, n, 0, (double)((n * 5 + 3) % POSITIONS));
  trial_mat(t, COS, USE_IN, POSITIONS, half, DT_F32, 0);
  trial_mat(t, SIN, USE_IN, POSITIONS, half, DT_F32, 0);
  for (int64_t i = 0; i < POSITIONS * half; i++) {
    trial_set(t, COS, i / half, i % half, cos(1.7 * (double)i));
    trial_set(t, SIN, i / half, i % half, sin(1.7 * (double)i));
  }
}
static void call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  dev->op->rope(dev, trial_m(t, X, first), trial_i(t, POSITION, first), trial_m(t, COS, 0), trial_m(t, SIN, 0), count,
                t->shape[1], t->shape[2], t->shape[3], t->variant & 1, t->variant & 2);
}
const OpRow row_rope = {shapes, 4, declare, call, .rows = true};
