#include <math.h>
#include <string.h>

#include "ops/cpu/args.h"
#include "ops/cpu/level.h"
#include "ops/cpu/ref/value.h"

// s_e = sigmoid(l_e), or exp(l_e - max l) / sum_j exp(l_j - max l)
static void scores(const RouterArgs *r, int64_t n, double *s) {
  double max = -INFINITY, sum = 0;
  for (int64_t e = 0; e < r->E; e++) max = fmax(max, get(r->logits, n, e));
  for (int64_t e = 0; e < r->E; e++) {
    double l = get(r->logits, n, e);
    s[e] = r->scoring == SCORE_SIGMOID ? 1 / (1 + exp(-l)) : exp(l - max);
    sum += s[e];
  }
  for (int64_t e = 0; e < r->E && r->scoring == SCORE_SOFTMAX; e++) s[e] /= sum;
}

// The index of the greatest of x[0..n) not yet taken, the lowest of equals; NaN is passed over while there is another.
static int64_t best(const double *x, int64_t n, const bool *taken) {
  int64_t at = -1;
  for (int64_t i = 0; i < n; i++)
    if (!taken[i] && (at < 0 || x[i] > x[at] || (isnan(x[at]) && !isnan(x[i])))) at = i;
  return at;
}

// Experts outside the topk_group best groups choose with -infinity; a group's score is the sum of its two best, or its best.
static void limit_groups(const RouterArgs *r, double *choice, double *group, bool *taken) {
  int64_t size = r->E / r->n_group;
  for (int64_t g = 0; g < r->n_group; g++) {
    memset(taken, 0, (size_t)size);
    int64_t first = best(choice + g * size, size, taken);
    group[g] = choice[g * size + first];
    if (r->group_max) continue;
    taken[first] = true;
    int64_t second = best(choice + g * size, size, taken);
    if (second >= 0) group[g] += choice[g * size + second];
  }
  memset(taken, 0, (size_t)r->n_group);
  for (int64_t i = 0; i < r->topk_group; i++) taken[best(group, r->n_group, taken)] = true;
  for (int64_t e = 0; e < r->E; e++)
    if (!taken[e / size]) choice[e] = -INFINITY;
}

void router_choose(const RouterArgs *r, double *choice, void *working, int32_t *ids) {
  double *group = working;
  bool *taken = (bool *)(group + r->n_group);
  if (r->n_group > 1) limit_groups(r, choice, group, taken);
  memset(taken, 0, (size_t)r->E);
  for (int64_t slot = 0; slot < r->k; slot++) {
    ids[slot] = (int32_t)best(choice, r->E, taken);
    taken[ids[slot]] = true;
  }
}

// weight_c = scaling s_c / (sum over the chosen of s + norm_eps)
static void choose_part(void *arg, int thread, int n_threads) {
  const Router *p = arg;
  const RouterArgs *r = p->r;
  double *s = dev_scratch(p->dev, thread, (size_t)r->E * 4 * sizeof(double)), *choice = s + r->E, *working = choice + r->E;
  int64_t begin, end;
  pool_range(r->N, 1, thread, n_threads, &begin, &end);
  for (int64_t n = begin; n < end; n++) {
    int32_t *ids = r->ids + n * r->k;
    scores(r, n, s);
    for (int64_t e = 0; e < r->E; e++) choice[e] = s[e] + (r->bias ? (double)r->bias[e] : 0);
    if (!r->given) router_choose(r, choice, working, ids);
    double sum = r->norm_eps;
    for (int64_t slot = 0; slot < r->k; slot++) sum += s[ids[slot]];
    for (int64_t slot = 0; slot < r->k; slot++) put(r->weights, n, slot, r->scaling * s[ids[slot]] / (r->normalise ? sum : 1));
  }
}

// picks_e = count;  aux = E sum_e picks_e / (k T) 1/T sum_t s_te / (sum_j s_tj + 1e-20), divided by sequences
static void balance_part(void *arg, int thread, int n_threads) {
  const Router *p = arg;
  const RouterArgs *r = p->r;
  double *s = dev_scratch(p->dev, thread, 2 * (size_t)r->E * sizeof(double)), *P = s + r->E;
  int64_t begin, end;
  pool_range(r->N / r->T, 1, thread, n_threads, &begin, &end);
  for (int64_t b = begin; b < end; b++) {
    int32_t *picks = r->picks + b * r->E;
    memset(picks, 0, (size_t)r->E * sizeof *picks);
    memset(P, 0, (size_t)r->E * sizeof *P);
    for (int64_t n = b * r->T; n < (b + 1) * r->T; n++) {
      for (int64_t slot = 0; slot < r->k; slot++) picks[r->ids[n * r->k + slot]]++;
      scores(r, n, s);
      double sum = 1e-20;
      for (int64_t e = 0; e < r->E; e++) sum += s[e];
      for (int64_t e = 0; e < r->E; e++) P[e] += s[e] / sum;
    }
    double aux = 0, T = (double)r->T;
    for (int64_t e = 0; e < r->E; e++) aux += (double)picks[e] / ((double)r->k * T) * P[e] / T;
    put(r->aux, b, 0, (double)r->E * aux);
  }
}

void ref_router_forward(Dev *dev, const RouterArgs *r) {
  Router p = {dev, r};
  ops_run(dev, choose_part, &p, r->N * r->E);
  if (r->picks && r->N > 0) ops_run(dev, balance_part, &p, r->N * r->E);
}

// ds_e from the weights: with S = sum over the chosen of s + norm_eps, normalised: scaling (dw_c / S - sum_j dw_j s_j / S^2);
// else scaling dw_c.
static void add_weights(const RouterArgs *r, int64_t n, const double *s, double *ds) {
  double S = r->norm_eps, dot = 0;
  const int32_t *id = r->ids + n * r->k;
  for (int64_t slot = 0; slot < r->k; slot++) {
    S += s[id[slot]];
    dot += get(r->dweights, n, slot) * s[id[slot]];
  }
  for (int64_t slot = 0; slot < r->k; slot++) {
    double dw = get(r->dweights, n, slot);
    ds[id[slot]] += r->scaling * (r->normalise ? dw / S - dot / (S * S) : dw);
  }
}

// ds_e from aux: with g_e = aux_scale E picks_e / (k T^2), Z = sum_j s_j + 1e-20, p = s / Z:  (g_e - sum_j g_j p_j) / Z.
static void add_aux(const RouterArgs *r, int64_t n, const double *s, double *ds) {
  double Z = 1e-20, dot = 0, T = (double)r->T, scale = r->aux_scale * (double)r->E / ((double)r->k * T * T);
  const int32_t *picks = r->picks + n / r->T * r->E;
  for (int64_t e = 0; e < r->E; e++) Z += s[e];
  for (int64_t e = 0; e < r->E; e++) dot += scale * picks[e] * s[e] / Z;
  for (int64_t e = 0; e < r->E; e++) ds[e] += (scale * picks[e] - dot) / Z;
}

// dl_e = ds_e s_e (1 - s_e), or for softmax s_e (ds_e - sum_j ds_j s_j)
static void backward_part(void *arg, int thread, int n_threads) {
  const Router *p = arg;
  const RouterArgs *r = p->r;
  double *s = dev_scratch(p->dev, thread, 2 * (size_t)r->E * sizeof(double)), *ds = s + r->E;
  int64_t begin, end;
  pool_range(r->N, 1, thread, n_threads, &begin, &end);
  for (int64_t n = begin; n < end; n++) {
    scores(r, n, s);
    memset(ds, 0, (size_t)r->E * sizeof *ds);
    add_weights(r, n, s, ds);
    if (r->aux_scale != 0) add_aux(r, n, s, ds);
    double dot = 0;
    for (int64_t e = 0; e < r->E; e++) dot += ds[e] * s[e];
    for (int64_t e = 0; e < r->E; e++)
      put(r->dlogits, n, e, r->scoring == SCORE_SIGMOID ? ds[e] * s[e] * (1 - s[e]) : s[e] * (ds[e] - dot));
  }
}

void ref_router_backward(Dev *dev, const RouterArgs *r) { ops_run(dev, backward_part, &(Router){dev, r}, r->N * r->E); }
