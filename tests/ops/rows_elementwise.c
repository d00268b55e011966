#include "ops/harness.h"

static const int64_t shapes[][TRIAL_DIMS] = {{3, 17}, {2, 64}, {1, 1},   {4, 33},  {7, 15},   {0, 5},     {5, 0},    {2, 31},
                                             {3, 32}, {1, 65}, {2, 127}, {9, 129}, {33, 300}, {1, 40001}, {70, 260}, {-1}};
enum { Y, A, B };

static Dtype other(Dtype t) { return t == DT_F32 ? DT_BF16 : DT_F32; }

// variants: 0 same type; 1 the other type out
static void cast_declare(Trial *t) {
  trial_mat(t, Y, USE_OUT, t->shape[0], t->shape[1], t->variant ? other(t->type) : t->type, 1)->one_rounding = true;
  trial_mat(t, A, USE_IN, t->shape[0], t->shape[1], t->type, 1);
}
static void cast_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  dev->op->cast(dev, trial_m(t, Y, first), trial_m(t, A, first), count, t->shape[1]);
}
const OpRow row_cast = {shapes, 2, cast_declare, cast_call, .rows = true};

// variants: 0 all one type; 1 y the other type; 2 y is a; 3 y is b, a the other type
static void add_declare(Trial *t) {
  int64_t N = t->shape[0], D = t->shape[1];
  Use y = t->variant >= 2 ? USE_INOUT : USE_OUT;
  trial_mat(t, Y, y, N, D, t->variant == 1 ? other(t->type) : t->type, 1)->magnitude = 1;
  if (t->variant != 2) trial_mat(t, A, USE_IN, N, D, t->variant == 3 ? other(t->type) : t->type, 1);
  if (t->variant != 3) trial_mat(t, B, USE_IN, N, D, t->type, 1);
}
static void add_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  Mat y = trial_m(t, Y, first);
  dev->op->add(dev, y, t->variant == 2 ? y : trial_m(t, A, first), t->variant == 3 ? y : trial_m(t, B, first), count,
               t->shape[1]);
}
const OpRow row_add = {shapes, 4, add_declare, add_call, .rows = true};

// variants: 0 all one type; 1 y the other type, no b; 2 y is a; 3 y is b, a the other type; 4 with a diagonal; 5 y is a, with a
// diagonal
static void scale_add_declare(Trial *t) {
  int64_t N = t->shape[0], D = t->shape[1];
  bool y_is_a = t->variant == 2 || t->variant == 5;
  Use y = y_is_a || t->variant == 3 ? USE_INOUT : USE_OUT;
  trial_mat(t, Y, y, N, D, t->variant == 1 ? other(t->type) : t->type, 1)->magnitude = 4;
  if (!y_is_a) trial_mat(t, A, USE_IN, N, D, t->variant == 3 ? other(t->type) : t->type, 1);
  if (t->variant != 1 && t->variant != 3) trial_mat(t, B, USE_IN, N, D, t->type, 1);
}
static void scale_add_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  Mat y = trial_m(t, Y, first);
  dev->op->scale_add(dev, y, t->variant == 2 || t->variant == 5 ? y : trial_m(t, A, first),
                     t->variant == 1   ? mat_none()
                     : t->variant == 3 ? y
                                       : trial_m(t, B, first),
                     count, t->shape[1], 0.75, -1.5, t->variant >= 4 ? 3.4445 : 0);
}
const OpRow row_scale_add = {shapes, 6, scale_add_declare, scale_add_call, .rows = false};

static void zero_declare(Trial *t) { trial_mat(t, Y, USE_OUT, t->shape[0], t->shape[1], t->type, 1); }
static void zero_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  dev->op->zero(dev, trial_m(t, Y, first), count, t->shape[1]);
}
const OpRow row_zero = {shapes, 1, zero_declare, zero_call, .rows = true};
