#include <string.h>

#include "ops/cpu/args.h"
#include "ops/cpu/level.h"
#include "ops/cpu/ref/value.h"

// Two walks over the picks: count, then place. One thread: some nanoseconds a pick, far below the products that follow.
void ref_moe_sort(Dev *dev, int32_t *offset, int32_t *row_token, int32_t *row_slot, int32_t *slot_row, const int32_t *ids,
                  int64_t N, int64_t k, int64_t E) {
  int32_t *next = dev_scratch(dev, 0, (size_t)E * sizeof *next);
  memset(offset, 0, (size_t)(E + 1) * sizeof *offset);
  for (int64_t i = 0; i < N * k; i++) offset[ids[i] + 1]++;
  for (int64_t e = 0; e < E; e++) {
    offset[e + 1] += offset[e];
    next[e] = offset[e];
  }
  for (int64_t i = 0; i < N * k; i++) {
    int32_t row = next[ids[i]]++;
    row_token[row] = (int32_t)(i / k);
    row_slot[row] = (int32_t)i;
    slot_row[i] = row;
  }
}

// y_n = add_n + sum_s rows_{slot_row[n,s]}, s in order
static void combine_part(void *arg, int thread, int n_threads) {
  const Combine *c = arg;
  int64_t begin, end;
  pool_range(c->N, 1, thread, n_threads, &begin, &end);
  for (int64_t n = begin; n < end; n++) {
    for (int64_t d = 0; d < c->D; d++) {
      double sum = get_or_0(c->add, n, d);
      for (int64_t s = 0; s < c->k; s++) sum += get(c->rows, c->slot_row[n * c->k + s], d);
      put(c->y, n, d, sum);
    }
  }
}

void ref_moe_combine(Dev *dev, Mat y, Mat add, Mat rows, const int32_t *slot_row, int64_t N, int64_t k, int64_t D) {
  ops_run(dev, combine_part, &(Combine){dev, y, add, rows, slot_row, N, k, D}, N * k * D);
}

typedef struct {
  float *y;
  const float *x;
  const int32_t *row_slot;
  int64_t rows;
  bool scatter;
} Permute;

// y_r = x_{row_slot[r]}, or y_{row_slot[r]} = x_r
static void permute_part(void *arg, int thread, int n_threads) {
  const Permute *p = arg;
  int64_t begin, end;
  pool_range(p->rows, 16, thread, n_threads, &begin, &end);
  for (int64_t r = begin; r < end; r++) p->y[p->scatter ? p->row_slot[r] : r] = p->x[p->scatter ? r : p->row_slot[r]];
}

void ref_moe_permute(Dev *dev, float *y, const float *x, const int32_t *row_slot, int64_t rows, bool scatter) {
  ops_run(dev, permute_part, &(Permute){y, x, row_slot, rows, scatter}, rows);
}
