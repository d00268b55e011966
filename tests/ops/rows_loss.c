#include "ops/harness.h"

// rows, vocabulary
static const int64_t shapes[][TRIAL_DIMS] = {{3, 17}, {2, 64},   {1, 1},  {4, 33},  {7, 15},   {2, 63},
                                             {0, 5},  {5, 1000}, {3, 32}, {9, 129}, {2, 9001}, {-1}};
enum { DLOGITS, NLL, LSE, LOGITS, LABEL, MASK };

// variants: 0 no gradient; 1 gradient apart, in the other type; 2 in place, z loss; 3 z loss, in the type
static void declare(Trial *t) {
  int64_t N = t->shape[0], V = t->shape[1];
  Dtype other = t->type == DT_F32 ? DT_BF16 : DT_F32;
  trial_mat(t, LOGITS, t->variant == 2 ? USE_INOUT : USE_IN, N, V, t->type, 1)->magnitude = 0.25;
  if (t->variant == 1 || t->variant == 3)
    trial_mat(t, DLOGITS, USE_OUT, N, V, t->variant == 1 ? other : t->type, 1)->magnitude = 0.25;
  trial_column(t, NLL, USE_OUT, N, 1)->magnitude = 30;
  trial_column(t, LSE, USE_OUT, N, 1)->magnitude = 30;
  trial_ints(t, LABEL, USE_IN, N, 1);
  trial_floats(t, MASK, USE_IN, N, 1)->stays_finite = true;
  for (int64_t n = 0; n < N; n++) {
    bool masked = n % 3 == 2;
    trial_set(t, MASK, n, 0, masked ? 0 : n % 2 ? 0.5 : 1);
    trial_set(t, LABEL, n, 0, masked ? -100 : (double)(int64_t)(trial_random(LABEL, n) * (double)V));
    for (int64_t v = 0; v < V; v++) trial_set(t, LOGITS, n, v, (n % 2 ? 20 : 2) * trial_value(t, LOGITS, n, v));
  }
  t->length = (double)V;
}
static void call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  Mat logits = trial_m(t, LOGITS, first);
  dev->op->cross_entropy(dev, t->variant == 2 ? logits : trial_m(t, DLOGITS, first), trial_m(t, NLL, first),
                         trial_m(t, LSE, first), logits, trial_i(t, LABEL, first), trial_f(t, MASK, first), count, t->shape[1],
                         0.25, t->variant >= 2 ? 1e-2 : 0);
}
const OpRow row_cross_entropy = {shapes, 4, declare, call, .rows = true};
