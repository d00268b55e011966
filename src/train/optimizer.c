#include "train/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const optimizer_names[OPTIMIZER_KINDS + 1] = {"adamw", "muon", NULL};
const char *const moment_names[MOMENT_TYPES + 1] = {"fp32", "bf16", NULL};

bool optimizer_is_muon(const Optimizer *o, const Param *p) { return o->config.kind == OPTIMIZER_MUON && muon_takes(p); }

Err optimizer_init(Optimizer *o, OptimizerConfig config, const ParamList *list, const ParamSettings *settings, Arena *arena) {
  *o = (Optimizer){.config = config, .list = list, .settings = settings};
  size_t count = (size_t)list->count;
  o->m = calloc(count, sizeof *o->m);
  o->v = calloc(count, sizeof *o->v);
  o->squares = calloc(count, sizeof *o->squares);
  CHECK(o->m && o->v && o->squares, ERR_MEMORY, "no memory for the moments of %zu parameters", count);
  if (config.kind == OPTIMIZER_MUON) TRY(muon_init(&o->muon, list));
  Dtype type = config.moments == MOMENTS_BF16 ? DT_BF16 : DT_F32;
  for (size_t i = 0; i < count; i++) {
    const Param *p = &list->param[i];
    if (p->role == PARAM_BALANCE) continue;
    size_t bytes = (size_t)p->n * dtype_bytes(type);
    o->m[i] = mat_of(arena_take(arena, bytes), p->n, type);
    if (o->m[i].data) memset(o->m[i].data, 0, bytes);
    if (optimizer_is_muon(o, p)) continue;
    o->v[i] = mat_of(arena_take(arena, bytes), p->n, type);
    if (o->v[i].data) memset(o->v[i].data, 0, bytes);
  }
  return ERR_OK;
}

void optimizer_free(Optimizer *o) {
  free(o->m);
  free(o->v);
  free(o->squares);
  muon_free(&o->muon);
  *o = (Optimizer){0};
}

// Pairs of neighbours, then pairs of pairs: the order depends on the count alone.
static double tree_sum(const double *x, int64_t n) {
  if (n == 0) return 0;
  if (n == 1) return x[0];
  int64_t left = 1;
  while (2 * left < n) left *= 2;
  return tree_sum(x, left) + tree_sum(x + left, n - left);
}

double optimizer_norm(Optimizer *o, Dev *dev) {
  for (int64_t i = 0; i < o->list->count; i++) {
    const Param *p = &o->list->param[i];
    o->squares[i] = 0;
    if (p->g) dev->op->sum_squares(dev, &o->squares[i], p->g, p->n);
  }
  return sqrt(tree_sum(o->squares, o->list->count));
}

double clip_coefficient(double norm, double clip) { return clip > 0 ? fmin(1, clip / (norm + 1e-6)) : 1; }

void optimizer_measure(const Optimizer *o, Dev *dev, Arena *temp) {
  muon_step(&o->muon, dev, temp, o->m, o->settings, 0, 0, 0);
}

void optimizer_step(Optimizer *o, Dev *dev, Arena *temp, double lr, double grad_scale) {
  o->step++;
  muon_step(&o->muon, dev, temp, o->m, o->settings, lr, o->config.momentum, grad_scale);
  for (int64_t i = 0; i < o->list->count; i++) {
    const Param *p = &o->list->param[i];
    if (!p->g || optimizer_is_muon(o, p)) continue;
    const ParamSettings *s = &o->settings[i];
    dev->op->adamw(dev, &(AdamwArgs){.N = p->n / param_cols(p),
                                     .D = param_cols(p),
                                     .step = o->step,
                                     .p = p->w,
                                     .g = p->g,
                                     .m = o->m[i],
                                     .v = o->v[i],
                                     .lr = lr * s->lr_factor,
                                     .beta1 = o->config.beta1,
                                     .beta2 = o->config.beta2,
                                     .eps = s->eps,
                                     .decay = s->decay,
                                     .grad_scale = grad_scale});
  }
}

void balance_step(float *bias, const int64_t *load, int64_t experts, double rate) {
  int64_t total = 0;
  for (int64_t e = 0; e < experts; e++) total += load[e];
  for (int64_t e = 0; e < experts; e++) {
    int64_t above = load[e] * experts - total;
    if (above) bias[e] = (float)((double)bias[e] + (above > 0 ? -rate : rate));
  }
}
