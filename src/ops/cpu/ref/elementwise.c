#include "ops/cpu/args.h"
#include "ops/cpu/level.h"
#include "ops/cpu/ref/value.h"

// The elements are divided as one run of N D, so that a single wide row has work for every thread.

static void cast_part(void *arg, int thread, int n_threads) {
  const Elementwise *e = arg;
  int64_t begin, end;
  pool_range(e->N * e->D, 64, thread, n_threads, &begin, &end);
  for (int64_t i = begin; i < end; i++) put(e->y, i / e->D, i % e->D, get(e->a, i / e->D, i % e->D));
}

void ref_cast(Dev *dev, Mat y, Mat x, int64_t N, int64_t D) {
  ops_run(dev, cast_part, &(Elementwise){.y = y, .a = x, .N = N, .D = D}, N * D);
}

// y = a + b
static void add_part(void *arg, int thread, int n_threads) {
  const Elementwise *e = arg;
  int64_t begin, end;
  pool_range(e->N * e->D, 64, thread, n_threads, &begin, &end);
  for (int64_t i = begin; i < end; i++) {
    int64_t n = i / e->D, d = i % e->D;
    put(e->y, n, d, get(e->a, n, d) + get(e->b, n, d));
  }
}

void ref_add(Dev *dev, Mat y, Mat a, Mat b, int64_t N, int64_t D) {
  ops_run(dev, add_part, &(Elementwise){.y = y, .a = a, .b = b, .N = N, .D = D}, N * D);
}

// y = alpha a + beta b + diagonal I
static void scale_add_part(void *arg, int thread, int n_threads) {
  const Elementwise *e = arg;
  int64_t begin, end;
  pool_range(e->N * e->D, 64, thread, n_threads, &begin, &end);
  for (int64_t i = begin; i < end; i++) {
    int64_t n = i / e->D, d = i % e->D;
    put(e->y, n, d, e->alpha * get(e->a, n, d) + e->beta * get_or_0(e->b, n, d) + (n % e->D == d ? e->diagonal : 0));
  }
}

void ref_scale_add(Dev *dev, Mat y, Mat a, Mat b, int64_t N, int64_t D, double alpha, double beta, double diagonal) {
  Elementwise e = {.y = y, .a = a, .b = b, .N = N, .D = D, .alpha = alpha, .beta = beta, .diagonal = diagonal};
  ops_run(dev, scale_add_part, &e, N * D);
}

static void zero_part(void *arg, int thread, int n_threads) {
  const Elementwise *e = arg;
  int64_t begin, end;
  pool_range(e->N * e->D, 64, thread, n_threads, &begin, &end);
  for (int64_t i = begin; i < end; i++) put(e->y, i / e->D, i % e->D, 0);
}

void ref_zero(Dev *dev, Mat y, int64_t N, int64_t D) { ops_run(dev, zero_part, &(Elementwise){.y = y, .N = N, .D = D}, N * D); }
