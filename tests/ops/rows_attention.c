#include <math.h>

#include "ops/harness.h"

// sequences, Tq, Tk, H, K, Dk_own, Dk_shared, Dv
static const int64_t shapes[][TRIAL_DIMS] = {{2, 5, 5, 2, 1, 6, 0, 4},      {1, 1, 1, 1, 1, 1, 0, 1},
                                             {2, 3, 9, 4, 2, 8, 0, 10},     {1, 17, 17, 3, 3, 10, 6, 7},
                                             {0, 4, 4, 2, 2, 8, 0, 8},      {1, 33, 33, 2, 2, 16, 8, 16},
                                             {2, 1, 40, 4, 4, 32, 16, 32},  {1, 65, 70, 2, 1, 33, 0, 31},
                                             {1, 70, 70, 2, 2, 64, 32, 64}, {-1}};
enum { OUT, LSE, Q, KEY, SHARED, V, DOC, DOUT, DQ, DKEY, DSHARED, DV };

static AttentionArgs sizes(const Trial *t) {
  const int64_t *s = t->shape;
  return (AttentionArgs){.B = s[0],
                         .Tq = s[1],
                         .Tk = s[2],
                         .H = s[3],
                         .K = s[4],
                         .Dk_own = s[5],
                         .Dk_shared = s[6],
                         .Dv = s[7],
                         .scale = 1 / sqrt((double)(s[5] + s[6])),
                         .q_stride = s[5] + s[6],
                         .k_stride = s[5] + (s[6] ? s[7] : 0),
                         .v_stride = s[7] + (s[6] ? s[5] : 0)};
}

static Use opposite(bool forward) { return forward ? USE_OUT : USE_IN; }

// variants: 1 documents
static void declare(Trial *t, bool forward) {
  AttentionArgs a = sizes(t);
  int64_t nq = a.B * a.Tq, nk = a.B * a.Tk, kw = a.K ? (a.K - 1) * a.k_stride + a.Dk_own : 0,
          vw = (a.K - 1) * a.v_stride + a.Dv;
  trial_mat(t, Q, USE_IN, nq, a.H * a.q_stride, t->type, a.Tq);
  trial_mat(t, KEY, USE_IN, nk, kw, t->type, a.Tk);
  trial_mat(t, V, USE_IN, nk, vw, t->type, a.Tk);
  if (a.Dk_shared) trial_mat(t, SHARED, USE_IN, nk, a.Dk_shared, t->type, a.Tk);
  trial_mat(t, OUT, opposite(forward), nq, a.H * a.Dv, t->type, a.Tq)->magnitude = 1;
  Tensor *lse = trial_mat(t, LSE, opposite(forward), nq, a.H, DT_F32, a.Tq);
  lse->magnitude = 4;
  if (t->variant & 1) {
    trial_ints(t, DOC, USE_IN, nq, a.Tq);
    for (int64_t i = 0; i < nq; i++) {
      int64_t at = i % a.Tq + a.Tk - a.Tq;
      trial_set(t, DOC, i, 0, (double)(at >= a.Tk / 2 + 1 ? a.Tk / 2 + 1 : at >= 2 ? 2 : 0));
    }
  }
  t->length = (double)(a.Tk > a.q_stride ? a.Tk : a.q_stride);
  t->bf16_inside = t->type == DT_BF16;
}

static AttentionArgs args(const Trial *t, int64_t first, int64_t count) {
  AttentionArgs a = sizes(t);
  a.B = count;
  a.q = trial_m(t, Q, first);
  a.k = trial_m(t, KEY, first);
  a.k_shared = trial_m(t, SHARED, first);
  a.v = trial_m(t, V, first);
  a.out = trial_m(t, OUT, first);
  a.lse = trial_m(t, LSE, first);
  a.doc_start = trial_i(t, DOC, first);
  return a;
}

static void forward_declare(Trial *t) { declare(t, true); }
static void forward_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  AttentionArgs a = args(t, first, count);
  dev->op->attention_forward(dev, &a);
}
const OpRow row_attention_forward = {shapes, 2, forward_declare, forward_call, .rows = true};

// out and lse must be those of the forward: the reference computes them once here, from the values as they are rounded.
static void fill_forward(Trial *t) {
  Trial copy = *t;
  AttentionArgs a = args(&copy, 0, t->shape[0]);
  test_dev(ISA_REF, 1)->op->attention_forward(test_dev(ISA_REF, 1), &a);
  for (int slot = OUT; slot <= LSE; slot++)  // through the declared type, so that every trial has the same values
    for (int64_t i = 0; i < t->t[slot].rows; i++)
      for (int64_t j = 0; j < t->t[slot].cols; j++) trial_set(t, slot, i, j, trial_value(t, slot, i, j));
}

static void backward_declare(Trial *t) {
  declare(t, false);
  AttentionArgs a = sizes(t);
  int64_t nq = a.B * a.Tq, nk = a.B * a.Tk;
  fill_forward(t);
  trial_mat(t, DOUT, USE_IN, nq, a.H * a.Dv, t->type, a.Tq);
  trial_mat(t, DQ, USE_OUT, nq, a.H * a.q_stride, t->type, a.Tq)->magnitude = 1;
  trial_mat(t, DKEY, USE_OUT, nk, t->t[KEY].cols, t->type, a.Tk)->magnitude = 1;
  trial_mat(t, DV, USE_OUT, nk, t->t[V].cols, t->type, a.Tk)->magnitude = 1;
  if (a.Dk_shared) trial_mat(t, DSHARED, USE_OUT, nk, a.Dk_shared, t->type, a.Tk)->magnitude = 1;
}
static void backward_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  AttentionArgs a = args(t, first, count);
  a.dout = trial_m(t, DOUT, first);
  a.dq = trial_m(t, DQ, first);
  a.dk = trial_m(t, DKEY, first);
  a.dv = trial_m(t, DV, first);
  a.dk_shared = trial_m(t, DSHARED, first);
  dev->op->attention_backward(dev, &a);
}
const OpRow row_attention_backward = {shapes, 2, backward_declare, backward_call, .rows = true};
