#include "ops/cpu/args.h"
#include "ops/cpu/level.h"
#include "ops/cpu/ref/value.h"

// db_d += sum_n dy_nd, divided by columns
static void backward_part(void *arg, int thread, int n_threads) {
  const Bias *b = arg;
  int64_t begin, end;
  pool_range(b->D, 16, thread, n_threads, &begin, &end);
  for (int64_t d = begin; d < end; d++) {
    double sum = 0;
    for (int64_t n = 0; n < b->N; n++) sum += get(b->dy, n, d);
    put(b->db, 0, d, get(b->db, 0, d) + sum);
  }
}

void ref_bias_backward(Dev *dev, Mat db, Mat dy, int64_t N, int64_t D) {
  ops_run(dev, backward_part, &(Bias){db, dy, N, D}, N * D);
}
