#include <math.h>
#include <string.h>

#include "ops/cpu/level.h"
#include "ops/cpu/ref/value.h"

typedef struct {
  const Dev *dev;
  const AttentionArgs *a;
} Attention;

// Keys of the query i of sequence b that it sees: [first, last).
static void visible(const AttentionArgs *a, int64_t b, int64_t i, int64_t *first, int64_t *last) {
  *first = a->doc_start ? a->doc_start[b * a->Tq + i] : 0;
  *last = i + a->Tk - a->Tq + 1;
}

// scale (q_own . k_own + q_shared . k_shared)
static double score(const AttentionArgs *a, int64_t b, int64_t h, int64_t i, int64_t j) {
  int64_t nq = b * a->Tq + i, nk = b * a->Tk + j, q0 = h * a->q_stride, k0 = h / (a->H / a->K) * a->k_stride;
  double sum = 0;
  for (int64_t d = 0; d < a->Dk_own; d++) sum += get(a->q, nq, q0 + d) * get(a->k, nk, k0 + d);
  for (int64_t d = 0; d < a->Dk_shared; d++) sum += get(a->q, nq, q0 + a->Dk_own + d) * get(a->k_shared, nk, d);
  return a->scale * sum;
}

// m = max_j s_j;  l = sum_j exp(s_j - m);  out = sum_j exp(s_j - m) v_j / l;  lse = m + log l. No visible key: out 0, lse
// -infinity.
static void forward_part(void *arg, int thread, int n_threads) {
  const Attention *p = arg;
  const AttentionArgs *a = p->a;
  double *out = dev_scratch(p->dev, thread, (size_t)a->Dv * sizeof *out);
  int64_t begin, end, first, last;
  pool_range(a->B * a->Tq * a->H, 1, thread, n_threads, &begin, &end);
  for (int64_t x = begin; x < end; x++) {
    int64_t b = x / (a->Tq * a->H), i = x / a->H % a->Tq, h = x % a->H, v0 = h / (a->H / a->K) * a->v_stride;
    visible(a, b, i, &first, &last);
    double max = -INFINITY, sum = 0;
    for (int64_t j = first; j < last; j++) {
      double s = score(a, b, h, i, j);
      if (s > max || isnan(s)) max = s;
      if (isnan(max)) break;
    }
    memset(out, 0, (size_t)a->Dv * sizeof *out);
    for (int64_t j = first; j < last; j++) {
      double e = exp(score(a, b, h, i, j) - max);
      sum += e;
      for (int64_t d = 0; d < a->Dv; d++) out[d] += e * get(a->v, b * a->Tk + j, v0 + d);
    }
    for (int64_t d = 0; d < a->Dv; d++) put(a->out, b * a->Tq + i, h * a->Dv + d, first < last ? out[d] / sum : 0);
    put(a->lse, b * a->Tq + i, h, first < last ? max + log(sum) : -INFINITY);
  }
}

static int64_t work(const AttentionArgs *a) { return a->B * a->Tq * a->Tk * a->H * (a->Dk_own + a->Dk_shared + a->Dv); }

void ref_attention_forward(Dev *dev, const AttentionArgs *a) { ops_run(dev, forward_part, &(Attention){dev, a}, work(a)); }

// P_ij = exp(s_ij - lse_i);  ds_ij = P_ij (dout_i . v_j - dout_i . out_i)
static double probability(const AttentionArgs *a, int64_t b, int64_t h, int64_t i, int64_t j) {
  return exp(score(a, b, h, i, j) - get(a->lse, b * a->Tq + i, h));
}

static double score_gradient(const AttentionArgs *a, int64_t b, int64_t h, int64_t i, int64_t j) {
  int64_t nq = b * a->Tq + i, nk = b * a->Tk + j, v0 = h / (a->H / a->K) * a->v_stride;
  double value = 0, out = 0;
  for (int64_t d = 0; d < a->Dv; d++) {
    value += get(a->dout, nq, h * a->Dv + d) * get(a->v, nk, v0 + d);
    out += get(a->dout, nq, h * a->Dv + d) * get(a->out, nq, h * a->Dv + d);
  }
  return probability(a, b, h, i, j) * (value - out);
}

// dq_i = scale sum_j ds_ij k_j
static void query_part(void *arg, int thread, int n_threads) {
  const Attention *p = arg;
  const AttentionArgs *a = p->a;
  int64_t begin, end, first, last, own = a->Dk_own, all = own + a->Dk_shared;
  double *dq = dev_scratch(p->dev, thread, (size_t)all * sizeof *dq);
  pool_range(a->B * a->Tq * a->H, 1, thread, n_threads, &begin, &end);
  for (int64_t x = begin; x < end; x++) {
    int64_t b = x / (a->Tq * a->H), i = x / a->H % a->Tq, h = x % a->H, k0 = h / (a->H / a->K) * a->k_stride;
    visible(a, b, i, &first, &last);
    memset(dq, 0, (size_t)all * sizeof *dq);
    for (int64_t j = first; j < last; j++) {
      double ds = a->scale * score_gradient(a, b, h, i, j);
      for (int64_t d = 0; d < own; d++) dq[d] += ds * get(a->k, b * a->Tk + j, k0 + d);
      for (int64_t d = own; d < all; d++) dq[d] += ds * get(a->k_shared, b * a->Tk + j, d - own);
    }
    for (int64_t d = 0; d < all; d++) put(a->dq, b * a->Tq + i, h * a->q_stride + d, dq[d]);
  }
}

// The heads h that read key head g, in order, then their queries i, in order:
// dv_j = sum P_ij dout_i;  dk_j = scale sum ds_ij q_i. For dk_shared the sum goes over all heads.
static void add_head(const AttentionArgs *a, int64_t b, int64_t h, int64_t j, double *dk, double *dk_shared, double *dv) {
  int64_t first, last, from = j - (a->Tk - a->Tq);
  for (int64_t i = from > 0 ? from : 0; i < a->Tq; i++) {
    visible(a, b, i, &first, &last);
    if (j < first) continue;
    int64_t nq = b * a->Tq + i, q0 = h * a->q_stride;
    double P = probability(a, b, h, i, j), ds = a->scale * score_gradient(a, b, h, i, j);
    for (int64_t d = 0; d < a->Dv; d++) dv[d] += P * get(a->dout, nq, h * a->Dv + d);
    for (int64_t d = 0; d < a->Dk_own; d++) dk[d] += ds * get(a->q, nq, q0 + d);
    for (int64_t d = 0; d < a->Dk_shared; d++) dk_shared[d] += ds * get(a->q, nq, q0 + a->Dk_own + d);
  }
}

static void key_part(void *arg, int thread, int n_threads) {
  const Attention *p = arg;
  const AttentionArgs *a = p->a;
  int64_t begin, end, all = a->Dk_own + a->Dk_shared + a->Dv, per_group = a->H / a->K;
  double *dk = dev_scratch(p->dev, thread, (size_t)all * sizeof *dk), *dv = dk + a->Dk_own, *dk_shared = dv + a->Dv;
  pool_range(a->B * a->Tk, 1, thread, n_threads, &begin, &end);
  for (int64_t n = begin; n < end; n++) {
    memset(dk_shared, 0, (size_t)a->Dk_shared * sizeof *dk_shared);
    for (int64_t g = 0; g < a->K; g++) {
      memset(dk, 0, (size_t)(a->Dk_own + a->Dv) * sizeof *dk);
      for (int64_t h = g * per_group; h < (g + 1) * per_group; h++) add_head(a, n / a->Tk, h, n % a->Tk, dk, dk_shared, dv);
      for (int64_t d = 0; d < a->Dk_own; d++) put(a->dk, n, g * a->k_stride + d, dk[d]);
      for (int64_t d = 0; d < a->Dv; d++) put(a->dv, n, g * a->v_stride + d, dv[d]);
    }
    for (int64_t d = 0; d < a->Dk_shared; d++) put(a->dk_shared, n, d, dk_shared[d]);
  }
}

void ref_attention_backward(Dev *dev, const AttentionArgs *a) {
  Attention p = {dev, a};
  ops_run(dev, query_part, &p, work(a));
  ops_run(dev, key_part, &p, work(a));
}
