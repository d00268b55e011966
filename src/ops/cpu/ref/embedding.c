#include "ops/cpu/args.h"
#include "ops/cpu/level.h"
#include "ops/cpu/ref/value.h"

// y_n = table_{ids_n}
static void forward_part(void *arg, int thread, int n_threads) {
  const Embedding *e = arg;
  int64_t begin, end;
  pool_range(e->N, 1, thread, n_threads, &begin, &end);
  for (int64_t n = begin; n < end; n++)
    for (int64_t d = 0; d < e->D; d++) put(e->y, n, d, get(e->table, e->ids[n], d));
}

void ref_embedding_forward(Dev *dev, Mat y, Mat table, const int32_t *ids, int64_t N, int64_t D) {
  ops_run(dev, forward_part, &(Embedding){y, table, ids, N, D}, N * D);
}

// table_{ids_n} += y_n, n in order, divided by columns: two rows may have one id
static void backward_part(void *arg, int thread, int n_threads) {
  const Embedding *e = arg;
  int64_t begin, end;
  pool_range(e->D, 16, thread, n_threads, &begin, &end);
  for (int64_t n = 0; n < e->N; n++)
    for (int64_t d = begin; d < end; d++) put(e->table, e->ids[n], d, get(e->table, e->ids[n], d) + get(e->y, n, d));
}

void ref_embedding_backward(Dev *dev, Mat dtable, Mat dy, const int32_t *ids, int64_t N, int64_t D) {
  ops_run(dev, backward_part, &(Embedding){dy, dtable, ids, N, D}, N * D);
}
