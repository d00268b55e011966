// What belongs to training: learning rates, the optimiser's whole way (norm, clipping, AdamW), and the routers' balance step.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden/golden_tensors.h"
#include "train/lr.h"
#include "train/optimizer.h"

static void compare(const TensorCase *c, const char *what, int64_t at, double got, double want, double tolerance) {
  case_compare(c, fabs(got - want) <= tolerance || got == want, "%s[%lld] is %.17g, want %.17g within %g", what, (long long)at,
               got, want, tolerance);
}

// ---- learning rates: a tensor is named after its kind, wsd's after its decay
static bool kind_of(const char *name, LrSchedule *l) {
  for (int d = 0; d < DECAY_SHAPES; d++)
    if (strncmp(name, "wsd_", 4) == 0 && strcmp(name + 4, decay_shape_names[d]) == 0) {
      l->kind = LR_WSD, l->decay = d;
      return true;
    }
  for (int k = 0; k < LR_KINDS; k++)
    if (strcmp(name, lr_kind_names[k]) == 0) {
      l->kind = k;
      return true;
    }
  return false;
}

static void rates(const TensorCase *c) {
  LrSchedule l = {.peak = case_real(c, "settings_peak_low", 0),
                  .low = case_real(c, "settings_peak_low", 1),
                  .steps = case_whole(c, "settings_N_warmup_decaystart", 0),
                  .warmup = case_whole(c, "settings_N_warmup_decaystart", 1),
                  .decay_start = case_whole(c, "settings_N_warmup_decaystart", 2)};
  int64_t steps = case_elements(c, "step");
  c->count->cases--;  // each schedule is one
  for (int64_t i = 0; i < c->file->count; i++) {
    const char *name = c->file->tensor[i].name;
    if (strcmp(name, "step") == 0 || strncmp(name, "settings", 8) == 0) continue;
    bool known = kind_of(name, &l);
    c->count->cases += known;
    if (!known) golden_not_read(c->count, name, "a learning-rate schedule of that name");
    for (int64_t s = 0; known && s < steps; s++)
      compare(c, name, s, lr_at(&l, case_whole(c, "step", s)), case_real(c, name, s), 1e-15 * l.peak + 1e-18);
  }
}
void golden_lr(GoldenCount *n) { golden_each_case(n, "", true, rates); }

// ---- the optimiser
static Param param_of(const char *name, float *w, float *g, int64_t n) {
  Param p = {.role = PARAM_MATRIX, .n_dims = 2, .dim = {1, n}, .n = n, .w = mat_of(w, n, DT_F32), .g = g};
  snprintf(p.name, sizeof p.name, "%s", name);
  return p;
}

static void clipping(const TensorCase *c) {
  int64_t na = case_elements(c, "a"), nb = case_elements(c, "b");
  Param param[2] = {param_of("a", NULL, case_floats(c, "a", na), na), param_of("b", NULL, case_floats(c, "b", nb), nb)};
  ParamList list = {.param = param, .count = 2};
  ParamSettings settings[2] = {{1, 0, 1e-8, -1}, {1, 0, 1e-8, -1}};
  Arena arena;
  Optimizer o;
  arena_measure(&arena, "moments");
  if (golden_ok(c->count, optimizer_init(&o, (OptimizerConfig){.clip = 1}, &list, settings, &arena))) {
    double norm = optimizer_norm(&o, c->dev), want = case_real(c, "norm_coef", 0);
    compare(c, "norm", 0, norm, want, 1e-7 * want);
    compare(c, "coefficient", 0, clip_coefficient(norm, 1), case_real(c, "norm_coef", 1), 1e-7 * case_real(c, "norm_coef", 1));
  }
  optimizer_free(&o);
}
void golden_clipping(GoldenCount *n) { golden_each_case(n, "norm_coef", true, clipping); }

static void optimizer(const TensorCase *c) {
  int64_t n = case_elements(c, "p0"), steps = case_elements(c, "lr");
  float *w = case_floats(c, "p0", n), *g = case_floats(c, "p0", n), *grads = case_floats(c, "grads", steps * n);
  Param param = param_of("p", w, g, n);
  ParamList list = {.param = &param, .count = 1};
  ParamSettings settings = {1, case_real(c, "wd_eps_b1_b2", 0), case_real(c, "wd_eps_b1_b2", 1), -1};
  OptimizerConfig config = {.beta1 = case_real(c, "wd_eps_b1_b2", 2), .beta2 = case_real(c, "wd_eps_b1_b2", 3)};
  Optimizer o = {0};
  if (golden_ok(c->count, optimizer_init(&o, config, &list, &settings, c->arena)))
    for (int64_t s = 0; s < steps; s++) {
      memcpy(g, grads + s * n, (size_t)n * sizeof *g);
      optimizer_step(&o, c->dev, c->arena, case_real(c, "lr", s), 1);
      for (int64_t i = 0; i < n; i++) {
        double want = case_real(c, "p", s * n + i);
        compare(c, "p", s * n + i, (double)w[i], want, 4e-7 * (fabs(want) + 1e-2));  // a few fp32 roundings a step
      }
    }
  optimizer_free(&o);
}
void golden_optimizer(GoldenCount *n) { golden_each_case(n, "p0", true, optimizer); }

static void orthogonal(const TensorCase *c, int64_t rows, int64_t cols) {
  NewtonSchulz n;
  newton_schulz_take(&n, 1, rows, cols, DT_F32, c->arena);
  const float *g = case_floats(c, "grads", case_elements(c, "grads"));
  double squares = 0;
  for (int64_t i = 0; i < rows * cols; i++) squares += (double)g[i] * (double)g[i];
  for (int64_t i = 0; i < rows * cols; i++) mat_put(mat_at(n.x, i / cols, i % cols), 0, (double)g[i] / sqrt(squares));
  newton_schulz(c->dev, &n);
  for (int64_t i = 0; i < rows * cols; i++)
    compare(c, "ns_of_grad0", i, mat_get(mat_at(n.x, i / cols, i % cols), 0), case_real(c, "ns_of_grad0", i), 4e-5);
}

// What a step takes from weights that are zero, at rate 1 and without decay.
static void muon_updates(const TensorCase *c, Param param, OptimizerConfig config, const float *grads, int64_t steps) {
  int64_t n = param.n, side = param.dim[0] > param.dim[1] ? param.dim[0] : param.dim[1];
  float *w = param.w.data;
  float *before = arena_take(c->arena, (size_t)n * sizeof *before);
  memcpy(before, w, (size_t)n * sizeof *w);
  ParamList list = {.param = &param, .count = 1, .type = DT_F32};
  ParamSettings settings = {1, 0, 0, -1};
  Optimizer o = {0};
  if (golden_ok(c->count, optimizer_init(&o, config, &list, &settings, c->arena)))
    for (int64_t s = 0; s < steps; s++) {
      memset(w, 0, (size_t)n * sizeof *w);
      memcpy(param.g, grads + s * n, (size_t)n * sizeof *w);
      optimizer_step(&o, c->dev, c->arena, 1, 1);
      for (int64_t i = 0; i < n; i++)
        compare(c, "update", s * n + i, -(double)w[i], case_real(c, "update", s * n + i), 4e-5 * 0.2 * sqrt((double)side));
    }
  optimizer_free(&o);
  memcpy(w, before, (size_t)n * sizeof *w);
}

static void muon(const TensorCase *c) {
  int64_t rows = case_dim(c, "p0", 0), cols = case_dim(c, "p0", 1), n = rows * cols,
          steps = n ? case_elements(c, "grads") / n : 0;
  if (!steps) return;
  orthogonal(c, rows, cols);
  float *w = case_floats(c, "p0", n), *g = case_floats(c, "p0", n), *grads = case_floats(c, "grads", steps * n);
  Param param = param_of("p", w, g, n);
  param.dim[0] = rows, param.dim[1] = param.w.ld = cols;
  ParamList list = {.param = &param, .count = 1, .type = DT_F32};
  ParamSettings settings = {1, case_real(c, "lr_wd_mu", 1), 0, -1};
  OptimizerConfig config = {.kind = OPTIMIZER_MUON, .momentum = case_real(c, "lr_wd_mu", 2)};
  double lr = case_real(c, "lr_wd_mu", 0);
  Optimizer o = {0};
  muon_updates(c, param, config, grads, steps);
  if (golden_ok(c->count, optimizer_init(&o, config, &list, &settings, c->arena))) {
    for (int64_t s = 0; s < steps; s++) {
      memcpy(g, grads + s * n, (size_t)n * sizeof *g);
      optimizer_step(&o, c->dev, c->arena, lr, 1);
      // Five rounds stretch a rounding of the smallest singular values by their slope at 0, 3.4445 each.
      for (int64_t i = 0; i < n; i++) compare(c, "p", s * n + i, (double)w[i], case_real(c, "p", s * n + i), 4e-5 * lr + 4e-7);
    }
    for (int64_t i = 0; i < n; i++) compare(c, "momentum", i, mat_get(o.m[0], i), case_real(c, "momentum", i), 1e-5);
  }
  optimizer_free(&o);
}
void golden_muon(GoldenCount *n) { golden_each_case(n, "p0", true, muon); }

static void balance(const TensorCase *c) {
  int64_t n = case_elements(c, "load"), experts = case_dim(c, "load", 1);  // a row a layer
  if (experts == 0) return;
  float *bias = case_floats(c, "before", n);
  int64_t *picks = arena_take(c->arena, (size_t)n * sizeof *picks);
  for (int64_t e = 0; e < n; e++) picks[e] = case_whole(c, "load", e);
  for (int64_t row = 0; row < n / experts; row++)
    balance_step(bias + row * experts, picks + row * experts, experts, case_real(c, "rate", 0));
  for (int64_t e = 0; e < n; e++) {
    double want = case_real(c, "after", e);
    compare(c, "bias", e, (double)bias[e], want, 1e-7 * fabs(want));
  }
}
void golden_balance(GoldenCount *n) { golden_each_case(n, "rate", true, balance); }
