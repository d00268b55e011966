#include <math.h>

#include "ops/cpu/args.h"
#include "ops/cpu/level.h"
#include "ops/cpu/ref/value.h"

static void squares_part(void *arg, int thread, int n_threads) {
  const Squares *s = arg;
  int64_t begin, end;
  pool_range(s->blocks, 1, thread, n_threads, &begin, &end);
  for (int64_t b = begin; b < end; b++) {
    int64_t i = (s->first + b) * SQUARES_BLOCK, stop = i + SQUARES_BLOCK < s->n ? i + SQUARES_BLOCK : s->n;
    double sum = 0;
    for (; i < stop; i++) sum += (double)s->x[i] * (double)s->x[i];
    s->sums[b] = sum;
  }
}

void squares_run(Dev *dev, PoolFn *part, double *sum, const float *x, int64_t n) {
  double *sums = dev_scratch(dev, 0, SQUARES_ROUND * sizeof *sums), total = 0;
  int64_t blocks = (n + SQUARES_BLOCK - 1) / SQUARES_BLOCK;
  for (int64_t first = 0; first < blocks; first += SQUARES_ROUND) {
    int64_t count = blocks - first < SQUARES_ROUND ? blocks - first : SQUARES_ROUND;
    ops_run(dev, part, &(Squares){x, sums, n, first, count}, count * SQUARES_BLOCK);
    for (int64_t b = 0; b < count; b++) total += sums[b];
  }
  *sum = total;
}

void ref_sum_squares(Dev *dev, double *sum, const float *x, int64_t n) { squares_run(dev, squares_part, sum, x, n); }

// g = grad_scale g;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;  p -= lr (m / c1 / (sqrt(v / c2) + eps) + decay p)
static void adamw_part(void *arg, int thread, int n_threads) {
  const AdamwArgs *a = arg;
  double c1 = 1 - pow(a->beta1, (double)a->step), c2 = 1 - pow(a->beta2, (double)a->step);
  int64_t begin, end;
  pool_range(a->N * a->D, 64, thread, n_threads, &begin, &end);
  for (int64_t i = begin; i < end; i++) {
    double g = a->grad_scale * (double)a->g[i], p = get(a->p, i / a->D, i % a->D);
    double m = a->beta1 * get(a->m, 0, i) + (1 - a->beta1) * g;
    double v = a->beta2 * get(a->v, 0, i) + (1 - a->beta2) * g * g;
    put(a->m, 0, i, m);
    put(a->v, 0, i, v);
    put(a->p, i / a->D, i % a->D, p - a->lr * (m / c1 / (sqrt(v / c2) + a->eps) + a->decay * p));
  }
}

void ref_adamw(Dev *dev, const AdamwArgs *a) { ops_run(dev, adamw_part, (void *)(uintptr_t)a, a->N * a->D); }
