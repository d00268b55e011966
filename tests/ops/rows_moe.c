#include "ops/harness.h"

// ---- router: tokens a sequence, sequences, experts, k, groups, best groups

static const int64_t shapes[][TRIAL_DIMS] = {{3, 2, 9, 3, 1, 1},
                                             {4, 1, 16, 4, 4, 2},
                                             {1, 1, 1, 1, 1, 1},
                                             {5, 3, 33, 8, 1, 1},
                                             {7, 1, 64, 6, 8, 3},
                                             {0, 1, 8, 2, 1, 1},
                                             {2, 4, 15, 15, 1, 1},
                                             {33, 3, 48, 4, 1, 1},
                                             {60, 2, 192, 4, 1, 1},
                                             {20, 1, 160, 6, 8, 3},
                                             {-1}};
enum { LOGITS, BIAS, IDS, WEIGHTS, PICKS, AUX, DWEIGHTS, DLOGITS };

// Logits of a token are apart by enough that fp32 scores order them as double does.
static void logits_fill(Trial *t) {
  int64_t N = t->t[LOGITS].rows, E = t->shape[2], step = 1;
  while (E % (step = step + 2) == 0 || (step % 3 == 0 && E % 3 == 0) || (step % 5 == 0 && E % 5 == 0) || step < 7) continue;
  for (int64_t n = 0; n < N; n++)
    for (int64_t e = 0; e < E; e++) {
      double place = (double)((e * step + n * 13) % E) / (double)E;
      trial_set(t, LOGITS, n, e, 6 * place - 3 + trial_random(LOGITS, n) * 0.3);
    }
}

// variants: bit 0 softmax; bit 1 bias; bit 2 not normalised; 8: the choice is given; 9: softmax, a group as good as its best
static RouterArgs args(const Trial *t, int64_t first, int64_t count) {
  const int64_t *s = t->shape;
  return (RouterArgs){.N = count * s[1],
                      .T = count,
                      .E = s[2],
                      .k = s[3],
                      .n_group = s[4],
                      .topk_group = s[5],
                      .norm_eps = 1e-20,
                      .scaling = 2.5,
                      .scoring = t->variant & 1 ? SCORE_SOFTMAX : SCORE_SIGMOID,
                      .normalise = !(t->variant & 4),
                      .group_max = t->variant == 9,
                      .given = t->variant == 8,
                      .logits = trial_m(t, LOGITS, first),
                      .bias = trial_f(t, BIAS, 0),
                      .ids = trial_i(t, IDS, first),
                      .weights = trial_m(t, WEIGHTS, first),
                      .picks = trial_i(t, PICKS, 0),
                      .aux = trial_m(t, AUX, 0),
                      .dweights = trial_m(t, DWEIGHTS, first),
                      .dlogits = trial_m(t, DLOGITS, first),
                      .aux_scale = 0.7};
}

static void router_inputs(Trial *t) {
  int64_t N = t->shape[0] * t->shape[1], E = t->shape[2];
  trial_mat(t, LOGITS, USE_IN, N, E, DT_F32, 1);
  logits_fill(t);
  if (t->variant & 2) {
    trial_floats(t, BIAS, USE_IN, E, 0);
    for (int64_t e = 0; e < E; e++) trial_set(t, BIAS, e, 0, 0.2 * trial_random(BIAS, e) - 0.1);
  }
  t->length = (double)E;
}

static void router_forward_declare(Trial *t) {
  int64_t N = t->shape[0] * t->shape[1], E = t->shape[2], k = t->shape[3];
  router_inputs(t);
  trial_ints(t, IDS, t->variant == 8 ? USE_IN : USE_OUT, N * k, k);
  for (int64_t i = 0; t->variant == 8 && i < N * k; i++) trial_set(t, IDS, i, 0, (double)((i / k * 5 + i % k) % E));
  trial_mat(t, WEIGHTS, USE_OUT, N, k, DT_F32, 1);
  trial_ints(t, PICKS, USE_OUT, N ? t->shape[1] * E : 0, 0);
  trial_column(t, AUX, USE_OUT, N ? t->shape[1] : 0, 0);
  t->length += (double)t->shape[0];
}
// A row alone has no use for the balance of its sequence.
static void router_forward_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  RouterArgs r = args(t, first, count);
  if (count != t->shape[0]) {
    r.N = count;
    r.picks = NULL;
    r.aux = mat_none();
  }
  dev->op->router_forward(dev, &r);
}
const OpRow row_router_forward = {shapes, 10, router_forward_declare, router_forward_call, .rows = true};

static void router_backward_declare(Trial *t) {
  int64_t N = t->shape[0] * t->shape[1], E = t->shape[2], k = t->shape[3];
  router_inputs(t);
  trial_ints(t, IDS, USE_IN, N * k, k);
  trial_ints(t, PICKS, USE_IN, t->shape[1] * E, 0);
  for (int64_t i = 0; i < N * k; i++) {
    int64_t n = i / k, id = (n * 7 + i % k * 2 + i % k * 2 / E) % E;
    trial_set(t, IDS, i, 0, (double)id);
    int64_t pick = n / t->shape[0] * E + id;
    trial_set(t, PICKS, pick, 0, trial_value(t, PICKS, pick, 0) + 1);
  }
  trial_mat(t, DWEIGHTS, USE_IN, N, k, DT_F32, 1);
  trial_mat(t, DLOGITS, USE_OUT, N, E, DT_F32, 1)->magnitude = 0.1;
}
static void router_backward_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  RouterArgs r = args(t, first, count);
  dev->op->router_backward(dev, &r);
}
const OpRow row_router_backward = {shapes, 8, router_backward_declare, router_backward_call, .rows = false};

// ---- sort, combine, permute: tokens, k, experts, width

static const int64_t moe_shapes[][TRIAL_DIMS] = {{3, 2, 5, 17},    {1, 1, 1, 1},   {7, 4, 9, 64},
                                                 {9, 3, 48, 33},   {0, 2, 4, 8},   {33, 8, 192, 65},
                                                 {70, 4, 48, 300}, {5, 2, 3, 127}, {-1}};
enum { OFFSET, ROW_TOKEN, ROW_SLOT, SLOT_ROW, PICKED, Y, ADD, ROWS, X };

static void sort_declare(Trial *t) {
  int64_t N = t->shape[0], k = t->shape[1], E = t->shape[2];
  trial_ints(t, OFFSET, USE_OUT, E + 1, 0);
  trial_ints(t, ROW_TOKEN, USE_OUT, N * k, 0);
  trial_ints(t, ROW_SLOT, USE_OUT, N * k, 0);
  trial_ints(t, SLOT_ROW, USE_OUT, N * k, 0);
  trial_ints(t, PICKED, USE_IN, N * k, 0);
  for (int64_t i = 0; i < N * k; i++) trial_set(t, PICKED, i, 0, (double)(int64_t)(trial_random(PICKED, i) * (double)E));
}
static void sort_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  dev->op->moe_sort(dev, trial_i(t, OFFSET, first), trial_i(t, ROW_TOKEN, first), trial_i(t, ROW_SLOT, first),
                    trial_i(t, SLOT_ROW, first), trial_i(t, PICKED, first), count, t->shape[1], t->shape[2]);
}
const OpRow row_moe_sort = {moe_shapes, 1, sort_declare, sort_call, .no_nonfinite = true};

static void slots_fill(Trial *t, int slot) {
  int64_t n = t->t[slot].rows;
  for (int64_t i = 0; i < n; i++) trial_set(t, slot, i, 0, (double)(n - 1 - i));
}

// variants: 1 add; 2 add is y; 3 rows in the type, y and add in fp32
static void combine_declare(Trial *t) {
  int64_t N = t->shape[0], k = t->shape[1], D = t->shape[3];
  Dtype out = t->variant == 3 ? DT_F32 : t->type;
  trial_mat(t, Y, t->variant == 2 ? USE_INOUT : USE_OUT, N, D, out, 1)->magnitude = 1;
  if (t->variant == 1 || t->variant == 3) trial_mat(t, ADD, USE_IN, N, D, out, 1);
  trial_mat(t, ROWS, USE_IN, N * k, D, t->type, 0);
  trial_ints(t, SLOT_ROW, USE_IN, N * k, k);
  slots_fill(t, SLOT_ROW);
  t->length = (double)k + 1;
}
static void combine_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  Mat y = trial_m(t, Y, first);
  dev->op->moe_combine(dev, y, t->variant == 2 ? y : trial_m(t, ADD, first), trial_m(t, ROWS, 0), trial_i(t, SLOT_ROW, first),
                       count, t->shape[1], t->shape[3]);
}
const OpRow row_moe_combine = {moe_shapes, 4, combine_declare, combine_call, .rows = true};

// variants: 1 scatter
static void permute_declare(Trial *t) {
  int64_t rows = t->shape[0] * t->shape[1];
  trial_floats(t, Y, USE_OUT, rows, 0);
  trial_floats(t, X, USE_IN, rows, 0);
  trial_ints(t, ROW_SLOT, USE_IN, rows, 0);
  slots_fill(t, ROW_SLOT);
}
static void permute_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  dev->op->moe_permute(dev, trial_f(t, Y, first), trial_f(t, X, first), trial_i(t, ROW_SLOT, first), count * t->shape[1],
                       t->variant);
}
const OpRow row_moe_permute = {moe_shapes, 2, permute_declare, permute_call, .rows = false};
