#include "ops/q8.h"

#include "ops/cpu/whole.h"

#include "ops/cpu/q8_round.inc"

size_t q8_bytes(int64_t N, int64_t K) { return (size_t)(div_up(N, Q8_LANES) * div_up(K, Q8_BLOCK)) * sizeof(Q8Block); }

static void pack_row(void *packed, int64_t row, Mat w, int64_t w_row, int64_t K) {
  Q8Block *block = (Q8Block *)packed + row / Q8_LANES * div_up(K, Q8_BLOCK);
  const int64_t lane = row % Q8_LANES;
  for (int64_t k = 0; k < K; k += Q8_BLOCK, block++) {
    float x[Q8_BLOCK];
    int8_t code[Q8_BLOCK];
    q8_read_block(x, w, w_row, k, K);
    block->scale[lane] = q8_round_block(code, x);
    for (int i = 0; i < Q8_BLOCK; i++) block->code[i / 4][lane][i % 4] = (uint8_t)(code[i] + 128);
  }
}

void q8_pack_row(void *packed, int64_t row, int64_t K, const float *x) {
  pack_row(packed, row, mat_of((void *)(uintptr_t)x, K, DT_F32), 0, K);
}

typedef struct {
  void *packed;
  Mat w;
  int64_t N, K;
} Pack;

static void pack_part(void *arg, int thread, int n_threads) {
  const Pack *p = arg;
  int64_t begin, end;
  pool_range(p->N, Q8_LANES, thread, n_threads, &begin, &end);
  for (int64_t row = begin; row < end; row++) pack_row(p->packed, row, p->w, row, p->K);
}

void q8_pack(Dev *d, void *packed, Mat w, int64_t N, int64_t K) { pool_run(d->pool, pack_part, &(Pack){packed, w, N, K}); }
