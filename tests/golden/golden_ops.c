// The operations, each at every level of this machine: the reference in double and to double's accuracy.
#include <math.h>
#include <string.h>

#include "golden/golden_tensors.h"

static void rmsnorm(const TensorCase *c) {
  int64_t D = case_elements(c, "w"), N = D ? case_elements(c, "x") / D : 0;
  if (N == 0) return;
  Mat x = case_load(c, "x", N, D), w = case_load(c, "w", 1, D), dy = case_load(c, "dy", N, D), y = case_fresh(c, N, D),
      rstd = case_fresh(c, N, 1), dx = case_fresh(c, N, D), dw = case_fresh(c, 1, D);
  c->dev->op->rms_norm_forward(c->dev, y, rstd, x, w, N, D, case_real(c, "eps", 0));
  c->dev->op->rms_norm_backward_input(c->dev, dx, mat_none(), dy, x, rstd, w, N, D);
  c->dev->op->rms_norm_backward_weight(c->dev, dw, dy, x, rstd, N, D);
  case_check_rows(c, y, "y");
  case_check_rows(c, dw, "dw");
  for (int64_t n = 0; n < N; n++) {
    double terms = 0;  // rstd dy w: dx is a difference of such
    for (int64_t d = 0; d < D; d++) terms = fmax(terms, fabs(mat_get(rstd, n) * mat_get(dy, n * D + d) * mat_get(w, d)));
    case_check(c, mat_at(dx, n, 0), "dx", n, D, D, case_tolerance(c), terms);
  }
}
void golden_rmsnorm(GoldenCount *n) { golden_each_case(n, "w", false, rmsnorm); }

static void swiglu(const TensorCase *c) {
  int64_t N = case_dim(c, "gate", 0), F = case_dim(c, "gate", 1);
  Mat gate = case_load(c, "gate", N, F), up = case_load(c, "up", N, F), dy = case_load(c, "dy", N, F), y = case_fresh(c, N, F),
      none = mat_none();
  c->dev->op->swiglu_forward(c->dev, y, gate, up, none, N, F);
  c->dev->op->swiglu_backward(c->dev, gate, up, none, none, dy, gate, up, none, N, F);
  case_check_rows(c, y, "y");
  case_check_rows(c, gate, "dgate");
  case_check_rows(c, up, "dup");
}
void golden_swiglu(GoldenCount *n) { golden_each_case(n, "gate", false, swiglu); }

// A masked row's label may be anything; the others' must be in the vocabulary.
static void cross_entropy(const TensorCase *c) {
  int64_t N = case_dim(c, "logits", 0), V = case_dim(c, "logits", 1);
  Mat logits = case_load(c, "logits", N, V), nll = case_fresh(c, N, 1), lse = case_fresh(c, N, 1), loss = case_fresh(c, 1, 1);
  float *mask = case_floats(c, "mask", N);
  int32_t *label = case_ints(c, "labels", N, INT32_MIN, INT32_MAX);
  double tokens = 0, sum = 0;
  for (int64_t n = 0; n < N; n++) {
    tokens += (double)mask[n];
    if (mask[n] == 0 || (label[n] >= 0 && label[n] < V)) continue;
    case_compare(c, false, "label %d of row %lld is outside the vocabulary of %lld", label[n], (long long)n, (long long)V);
    return;
  }
  c->dev->op->cross_entropy(c->dev, logits, nll, lse, logits, label, mask, N, V, 1 / tokens, 0);
  for (int64_t n = 0; n < N; n++) sum += mat_get(nll, n);
  mat_put(loss, 0, sum / tokens);
  case_check_all(c, nll, "nll");
  case_check_all(c, lse, "logsumexp");
  case_check_all(c, loss, "loss");
  case_check_all(c, logits, "dlogits");
}
void golden_cross_entropy(GoldenCount *n) { golden_each_case(n, "logits", false, cross_entropy); }

// Turned by a table of our own, a row a token; those of the models are golden_rotary_tables'.
static void rotary(const TensorCase *c) {
  int64_t N = case_dim(c, "x", 0) * case_dim(c, "x", 1), H = case_dim(c, "x", 2), d = case_dim(c, "x", 3), half = d / 2;
  const int32_t *position = case_ints(c, "positions", N, 0, INT32_MAX);
  int32_t *row = case_fresh(c, N, 1).data;
  Mat cosines = case_fresh(c, N, half), sines = case_fresh(c, N, half);
  double theta = case_real(c, "theta", 0);
  for (int64_t n = 0; n < N; n++) row[n] = (int32_t)n;
  for (int64_t i = 0; i < N * half; i++) {
    double angle = (double)position[i / half] * pow(theta, -2 * (double)(i % half) / (double)d);
    mat_put(cosines, i, cos(angle));
    mat_put(sines, i, sin(angle));
  }
  for (int pairs = 0; pairs < 2; pairs++) {
    Mat x = case_load(c, "x", N, H * d), dy = case_load(c, "dy", N, H * d);
    c->dev->op->rope(c->dev, x, row, cosines, sines, N, H, d, d, pairs, false);
    c->dev->op->rope(c->dev, dy, row, cosines, sines, N, H, d, d, pairs, true);
    case_check_rows(c, x, pairs ? "y_pairs" : "y_half");
    case_check_rows(c, dy, pairs ? "dx_pairs" : "dx_half");
  }
}
void golden_rotary(GoldenCount *n) { golden_each_case(n, "x", false, rotary); }

// The index of the first token of each token's document; NULL where the case has no documents.
static int32_t *doc_starts(const TensorCase *c, int64_t B, int64_t T) {
  if (!case_find(c, "doc_ids")) return NULL;
  int32_t *id = case_ints(c, "doc_ids", B * T, INT32_MIN, INT32_MAX), *start = case_fresh(c, B, T).data;
  for (int64_t i = 0; i < B * T; i++) start[i] = i % T && id[i] == id[i - 1] ? start[i - 1] : (int32_t)(i % T);
  return start;
}

static void attention(const TensorCase *c) {
  AttentionArgs a = {.B = case_dim(c, "q", 0),
                     .Tq = case_dim(c, "q", 1),
                     .Tk = case_dim(c, "k", 1),
                     .H = case_dim(c, "q", 2),
                     .K = case_dim(c, "k", 2),
                     .Dk_own = case_dim(c, "q", 3),
                     .Dv = case_dim(c, "v", 3),
                     .scale = case_real(c, "scale", 0)};
  bool fits = a.K > 0 && a.H % a.K == 0 && a.Tk >= a.Tq && case_dim(c, "v", 2) == a.K;
  case_compare(c, fits, "%lld heads on %lld, %lld queries on %lld keys", (long long)a.H, (long long)a.K, (long long)a.Tq,
               (long long)a.Tk);
  if (!fits) return;
  int64_t nq = a.B * a.Tq, nk = a.B * a.Tk;
  a.q_stride = a.k_stride = a.Dk_own, a.v_stride = a.Dv;
  a.q = case_load(c, "q", nq, a.H * a.Dk_own);
  a.k = case_load(c, "k", nk, a.K * a.Dk_own);
  a.v = case_load(c, "v", nk, a.K * a.Dv);
  a.dout = case_load(c, "dout", nq, a.H * a.Dv);
  a.doc_start = doc_starts(c, a.B, a.Tq);
  a.out = case_fresh(c, nq, a.dout.ld);
  a.lse = case_fresh(c, nq, a.H);
  a.dq = case_fresh(c, nq, a.q.ld);
  a.dk = case_fresh(c, nk, a.k.ld);
  a.dv = case_fresh(c, nk, a.v.ld);
  c->dev->op->attention_forward(c->dev, &a);
  c->dev->op->attention_backward(c->dev, &a);
  Mat lse = case_fresh(c, nq * a.H, 1);  // the file has [B,H,Tq]
  for (int64_t i = 0; i < nq * a.H; i++)
    mat_put(lse, i / (a.Tq * a.H) * a.Tq * a.H + i % a.H * a.Tq + i / a.H % a.Tq, mat_get(a.lse, i));
  case_check_rows(c, a.out, "out");
  case_check_all(c, lse, "lse");
  case_check_all(c, a.dq, "dq");
  case_check_all(c, a.dk, "dk");
  case_check_all(c, a.dv, "dv");
}
void golden_attention(GoldenCount *n) { golden_each_case(n, "q", false, attention); }

static void check_ids(const TensorCase *c, const int32_t *got, int64_t n, const char *tensor) {
  int32_t *want = case_ints(c, tensor, n, INT32_MIN, INT32_MAX);
  int64_t wrong = 0;
  for (int64_t i = 0; i < n; i++) wrong += got[i] != want[i];
  case_compare(c, wrong == 0, "%s: %lld of %lld differ", tensor, (long long)wrong, (long long)n);
}

// The normalised scores, through the balance loss: where each token is a sequence and its one pick is expert e, by its bias,
// the loss is E times the score of e.
static void router_probs(const TensorCase *c, RouterArgs r) {
  Mat probs = case_fresh(c, r.N, r.E);
  float *push = arena_take(c->arena, (size_t)r.E * sizeof *push);
  int64_t others = 0;
  r.T = r.k = r.n_group = r.topk_group = 1;
  r.bias = push;
  r.ids = case_fresh(c, r.N, 1).data;
  r.picks = case_fresh(c, r.N, r.E).data;
  r.weights = case_fresh(c, r.N, 1);
  r.aux = case_fresh(c, r.N, 1);
  for (int64_t e = 0; e < r.E; e++) {
    for (int64_t i = 0; i < r.E; i++) push[i] = i == e ? 1e4F : 0;
    c->dev->op->router_forward(c->dev, &r);
    for (int64_t n = 0; n < r.N; n++) others += r.ids[n] != e, mat_put(probs, n * r.E + e, mat_get(r.aux, n) / (double)r.E);
  }
  case_compare(c, others == 0, "a bias of 1e4 does not choose its expert");
  case_check_rows(c, probs, "probs");
}

static void router(const TensorCase *c) {
  bool softmax = strncmp(c->name, "softmax", 7) == 0;
  int64_t B = case_whole(c, "settings", 0), E = case_whole(c, "settings", 1), k = case_whole(c, "settings", 2),
          groups = case_whole(c, "settings", 3), best = case_whole(c, "settings", 4), N = case_dim(c, "logits", 0);
  bool fits = B > 0 && N % B == 0 && k > 0 && k <= E && groups > 0 && E % groups == 0 && best > 0 && best <= groups &&
              k <= E / groups * best && case_elements(c, "logits") == N * E;
  case_compare(c, fits, "settings that cannot be: %lld experts, top %lld", (long long)E, (long long)k);
  if (!fits) return;
  RouterArgs r = {.N = N,
                  .T = N / B,
                  .E = E,
                  .k = k,
                  .n_group = groups,
                  .topk_group = best,
                  .scoring = softmax ? SCORE_SOFTMAX : SCORE_SIGMOID,
                  .normalise = true,
                  .norm_eps = softmax ? 1e-9 : 1e-20,
                  .scaling = case_real(c, "scaling", 0),
                  .logits = case_load(c, "logits", N, E),
                  .bias = case_floats(c, "bias", E),
                  .ids = case_fresh(c, N, k).data,
                  .picks = case_fresh(c, B, E).data,
                  .weights = case_fresh(c, N, k),
                  .aux = case_fresh(c, B, 1),
                  .dweights = case_load(c, "dweights", N, k),
                  .dlogits = case_fresh(c, N, E)};
  c->dev->op->router_forward(c->dev, &r);
  int32_t *load = case_fresh(c, 1, E).data;
  Mat aux = case_fresh(c, 1, 1);
  for (int64_t i = 0; i < B * E; i++) load[i % E] += r.picks[i];
  for (int64_t b = 0; b < B; b++) mat_put(aux, 0, mat_get(aux, 0) + mat_get(r.aux, b) / (double)B);
  check_ids(c, r.ids, N * k, "ids");
  check_ids(c, load, E, "load");
  case_check_rows(c, r.weights, "weights");
  case_check_all(c, aux, "aux");
  c->dev->op->router_backward(c->dev, &r);
  case_check_all(c, r.dlogits, "dlogits_from_weights");
  r.dweights = case_fresh(c, N, k);
  r.aux_scale = 1 / (double)B;
  c->dev->op->router_backward(c->dev, &r);
  case_check_all(c, r.dlogits, "dlogits_from_aux");
  router_probs(c, r);
}
void golden_router(GoldenCount *n) { golden_each_case(n, "logits", false, router); }

// Parameters and gradients are fp32 at every level: five steps of their rounding.
static void adamw(const TensorCase *c) {
  int64_t n = case_elements(c, "p0"), steps = n ? case_elements(c, "grads") / n : 0;
  float *p = case_floats(c, "p0", n), *grads = case_floats(c, "grads", steps * n);
  AdamwArgs a = {.N = 1,
                 .D = n,
                 .p = mat_of(p, n, DT_F32),
                 .m = case_fresh(c, 1, n),
                 .v = case_fresh(c, 1, n),
                 .grad_scale = 1,
                 .decay = case_real(c, "wd_eps_b1_b2", 0),
                 .eps = case_real(c, "wd_eps_b1_b2", 1),
                 .beta1 = case_real(c, "wd_eps_b1_b2", 2),
                 .beta2 = case_real(c, "wd_eps_b1_b2", 3)};
  for (a.step = 1; a.step <= steps; a.step++) {
    a.g = grads + (a.step - 1) * n;
    a.lr = case_real(c, "lr", a.step - 1);
    c->dev->op->adamw(c->dev, &a);
    case_check(c, mat_of(p, n, DT_F32), "p", a.step - 1, n, 1, 4e-6, 0);
  }
  case_check(c, a.m, "m5", 0, n, 1, case_tolerance(c), 0);
  case_check(c, a.v, "v5", 0, n, 1, case_tolerance(c), 0);
}
void golden_adamw(GoldenCount *n) { golden_each_case(n, "p0", false, adamw); }

// The optimiser scales by the coefficient: with beta1 = 0 the first moment is the clipped gradient.
static void check_clipped(const TensorCase *c, float *g, int64_t n, double coefficient, const char *tensor) {
  AdamwArgs step = {.N = 1,
                    .D = n,
                    .step = 1,
                    .p = case_fresh(c, 1, n),
                    .g = g,
                    .m = case_fresh(c, 1, n),
                    .v = case_fresh(c, 1, n),
                    .eps = 1,
                    .beta2 = 0.5,
                    .grad_scale = coefficient};
  c->dev->op->adamw(c->dev, &step);
  case_check(c, step.m, tensor, 0, n, 1, case_tolerance(c), 0);
}

static void clip(const TensorCase *c) {
  int64_t na = case_elements(c, "a"), nb = case_elements(c, "b");
  double sum_a = 0, sum_b = 0;
  float *a = case_floats(c, "a", na), *b = case_floats(c, "b", nb);
  c->dev->op->sum_squares(c->dev, &sum_a, a, na);
  c->dev->op->sum_squares(c->dev, &sum_b, b, nb);
  double norm = sqrt(sum_a + sum_b), coefficient = fmin(1, 1 / (norm + 1e-6));
  case_compare(c, fabs(norm - case_real(c, "norm_coef", 0)) <= 1e-11 * norm, "norm %g", norm);
  case_compare(c, fabs(coefficient - case_real(c, "norm_coef", 1)) <= 1e-11 * coefficient, "coefficient %g", coefficient);
  check_clipped(c, a, na, coefficient, "a_clipped");
  check_clipped(c, b, nb, coefficient, "b_clipped");
}
void golden_clip(GoldenCount *n) { golden_each_case(n, "norm_coef", false, clip); }
