#include <math.h>

#include "ops/cpu/args.h"
#include "ops/cpu/level.h"
#include "ops/cpu/ref/value.h"

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

// y_f = weight g_f sigmoid(g_f) u_f
static void forward_part(void *arg, int thread, int n_threads) {
  const Swiglu *a = arg;
  int64_t begin, end;
  pool_range(a->N, 1, thread, n_threads, &begin, &end);
  for (int64_t n = begin; n < end; n++) {
    double weight = a->weight.data ? get(a->weight, n, 0) : 1;
    for (int64_t f = 0; f < a->F; f++) {
      double g = get(a->gate, n, f);
      put(a->y, n, f, weight * g * sigmoid(g) * get(a->up, n, f));
    }
  }
}

void ref_swiglu_forward(Dev *dev, Mat y, Mat gate, Mat up, Mat weight, int64_t N, int64_t F) {
  ops_run(dev, forward_part, &(Swiglu){.y = y, .gate = gate, .up = up, .weight = weight, .N = N, .F = F}, N * F);
}

// s = sigmoid(g):  dup = weight dy g s;  dgate = weight dy u (s + g s (1 - s));  dweight = sum_f dy_f g_f s_f u_f
static void backward_part(void *arg, int thread, int n_threads) {
  const Swiglu *a = arg;
  int64_t begin, end;
  pool_range(a->N, 1, thread, n_threads, &begin, &end);
  for (int64_t n = begin; n < end; n++) {
    double weight = a->weight.data ? get(a->weight, n, 0) : 1, sum = 0;
    for (int64_t f = 0; f < a->F; f++) {
      double g = get(a->gate, n, f), u = get(a->up, n, f), dy = get(a->dy, n, f), s = sigmoid(g);
      if (a->y.data) put(a->y, n, f, weight * g * s * u);
      sum += dy * g * s * u;
      put(a->dup, n, f, weight * dy * g * s);
      put(a->dgate, n, f, weight * dy * u * (s + g * s * (1 - s)));
    }
    if (a->weight.data) put(a->dweight, n, 0, sum);
  }
}

void ref_swiglu_backward(Dev *dev, Mat dgate, Mat dup, Mat dweight, Mat y, Mat dy, Mat gate, Mat up, Mat weight, int64_t N,
                         int64_t F) {
  Swiglu a = {y, dgate, dup, dweight, dy, gate, up, weight, N, F};
  ops_run(dev, backward_part, &a, N * F);
}
