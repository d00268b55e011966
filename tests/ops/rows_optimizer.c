#include <math.h>
#include <stdlib.h>

#include "ops/harness.h"

static const int64_t shapes[][TRIAL_DIMS] = {{17}, {64}, {1}, {33}, {15}, {127}, {0}, {4097}, {40001}, {-1}};
enum { SUM, X, P, G, M, V };

static void squares_declare(Trial *t) {
  trial_mat(t, SUM, USE_OUT, 1, 1, DT_F64, 0);
  trial_floats(t, X, USE_IN, t->shape[0], 0);
  t->length = (double)t->shape[0] + 1;
}
static void squares_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  dev->op->sum_squares(dev, trial_m(t, SUM, 0).data, trial_f(t, X, first), count);
}
const OpRow row_sum_squares = {shapes, 1, squares_declare, squares_call, .rows = false};

// variants: bit 0 is the first step; bit 1: v in fp32 where m is bf16
static void adamw_declare(Trial *t) {
  int64_t n = t->shape[0];
  trial_floats(t, P, USE_INOUT, n, 1)->magnitude = 1;
  trial_floats(t, G, USE_IN, n, 1);
  for (int slot = M; slot <= V; slot++) {
    Tensor *moment = trial_column(t, slot, USE_INOUT, n, 1);
    if (t->type == DT_F32 || (slot == V && t->variant & 2)) continue;
    free(moment->raw);
    int64_t pad = t->pad;
    t->pad = 0;
    trial_mat(t, slot, USE_INOUT, n, 1, DT_BF16, 1);
    t->pad = pad;
  }
  for (int64_t i = 0; i < n; i++) {
    double scale = i % 5 == 0 ? 1e-12 : i % 7 == 0 ? 1e4 : 1;
    trial_set(t, G, i, 0, scale * trial_value(t, G, i, 0));
    trial_set(t, M, i, 0,
              copysign(0.1 * scale * trial_value(t, M, i, 0), trial_value(t, G, i, 0)));  // m keeps its sign: no cancellation
    trial_set(t, V, i, 0, i % 11 == 0 ? 0 : scale * scale * (0.01 + fabs(trial_value(t, V, i, 0))));
  }
}
static void adamw_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  AdamwArgs a = {.N = 1,
                 .D = count,
                 .step = t->variant & 1 ? 1 : 7,
                 .p = mat_of(trial_f(t, P, first), count, DT_F32),
                 .g = trial_f(t, G, first),
                 .m = trial_m(t, M, first),
                 .v = trial_m(t, V, first),
                 .lr = 1e-2,
                 .beta1 = 0.9,
                 .beta2 = 0.95,
                 .eps = 1e-8,
                 .decay = 0.1,
                 .grad_scale = 0.5};
  a.m.ld = a.v.ld = count;  // one row
  dev->op->adamw(dev, &a);
}
const OpRow row_adamw = {shapes, 4, adamw_declare, adamw_call, .rows = true};
