#include <math.h>

#include "ops/cpu/args.h"
#include "ops/cpu/level.h"
#include "ops/cpu/ref/value.h"

// lse = m + log sum_v exp(l_v - m), m = max l;  nll = mask (lse - l_label)
// dl_v = mask scale ((1 + 2 z lse) exp(l_v - lse) - [v = label]), 0 where masked
static void cross_entropy_part(void *arg, int thread, int n_threads) {
  const CrossEntropy *c = arg;
  int64_t begin, end;
  pool_range(c->N, 1, thread, n_threads, &begin, &end);
  for (int64_t n = begin; n < end; n++) {
    double max = -INFINITY, sum = 0, mask = (double)c->mask[n];
    for (int64_t v = 0; v < c->V; v++) max = fmax(max, get(c->logits, n, v));
    for (int64_t v = 0; v < c->V; v++) sum += exp(get(c->logits, n, v) - max);
    double lse = max + log(sum);
    put(c->lse, n, 0, lse);
    put(c->nll, n, 0, mask == 0 ? 0 : mask * (lse - get(c->logits, n, c->label[n])));
    if (!c->dlogits.data) continue;
    for (int64_t v = 0; v < c->V; v++) {
      double onehot = mask != 0 && v == c->label[n] ? 1 : 0;
      double gradient = mask * c->scale * ((1 + 2 * c->z * lse) * exp(get(c->logits, n, v) - lse) - onehot);
      put(c->dlogits, n, v, mask == 0 ? 0 : gradient);
    }
  }
}

void ref_cross_entropy(Dev *dev, Mat dlogits, Mat nll, Mat lse, Mat logits, const int32_t *label, const float *mask, int64_t N,
                       int64_t V, double scale, double z) {
  ops_run(dev, cross_entropy_part, &(CrossEntropy){dev, dlogits, nll, lse, logits, label, mask, N, V, scale, z}, N * V);
}
