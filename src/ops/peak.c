#include "ops/peak.h"

#include <string.h>

#include "base/clock.h"
#include "ops/cpu/peak_loops.h"

enum { BUFFER_BYTES = 128 << 20, FLOP_ROUNDS = 1 << 20 };

typedef struct {
  FlopLoop *flops;
  ReadLoop *read;
  float *x, *y;
  int64_t n;
} Job;

static float scalar_read(const float *x, int64_t n) {
  float sum[8] = {0};
  for (int64_t i = 0; i < n; i += 8)
    for (int j = 0; j < 8; j++) sum[j] += x[i + j];
  return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

static double scalar_fma(int64_t rounds) {
  float sum[8] = {0};
  for (int64_t r = 0; r < rounds; r++)
    for (int j = 0; j < 8; j++) sum[j] = sum[j] * 0.999f + 1e-3f;
  return sum[0] + sum[7] > -1 ? 16.0 * (double)rounds : 0;
}

static void flops_part(void *arg, int thread, int n_threads) {
  (void)thread, (void)n_threads;
  (void)((const Job *)arg)->flops(FLOP_ROUNDS);
}

static void read_part(void *arg, int thread, int n_threads) {
  const Job *j = arg;
  int64_t begin, end;
  pool_range(j->n, 256, thread, n_threads, &begin, &end);
  volatile float sum = j->read(j->x + begin, end - begin);
  (void)sum;
}

static void copy_part(void *arg, int thread, int n_threads) {
  const Job *j = arg;
  int64_t begin, end;
  pool_range(j->n, 256, thread, n_threads, &begin, &end);
  memcpy(j->y + begin, j->x + begin, (size_t)(end - begin) * sizeof *j->y);
}

// The least seconds of a region, of at least two, within the budget.
static double least_s(Dev *dev, PoolFn *fn, Job *job, double budget_s) {
  double best = 1e30, start = clock_s();
  for (int i = 0; i < 3 || clock_s() - start < budget_s; i++) {
    double begin = clock_s();
    pool_run(dev->pool, fn, job);
    double s = clock_s() - begin;
    if (s < best && i > 0) best = s;
  }
  return best;
}

static void choose_loops(Isa isa, Job *job, FlopLoop **dot) {
  *dot = NULL;
  job->flops = scalar_fma;
  job->read = scalar_read;
#if HAVE_ISA_AVX2
  if (isa >= ISA_AVX2) job->flops = peak_fma_avx2, job->read = peak_read_avx2;
#endif
#if HAVE_ISA_AVX512
  if (isa >= ISA_AVX512) job->flops = peak_fma_avx512, job->read = peak_read_avx512;
#endif
#if HAVE_ISA_AVX512_BF16
  if (isa >= ISA_AVX512_BF16) *dot = peak_dot_avx512_bf16;
#endif
  (void)isa;
}

Err peaks_measure(Dev *dev, double budget_s, Peaks *out) {
  Arena arena;
  TRY(arena_init(&arena, "the measurement of the peaks", 2 * (size_t)BUFFER_BYTES));
  Job job = {
      .x = arena_take(&arena, BUFFER_BYTES), .y = arena_take(&arena, BUFFER_BYTES), .n = BUFFER_BYTES / (int64_t)sizeof(float)};
  FlopLoop *dot;
  choose_loops(dev->isa, &job, &dot);
  memset(job.x, 1, BUFFER_BYTES);  // pages that were never written are all one page
  double threads = pool_threads(dev->pool), bytes = BUFFER_BYTES;
  out->fp32_flops = threads * job.flops(FLOP_ROUNDS) / least_s(dev, flops_part, &job, budget_s / 4);
  out->read_bytes = bytes / least_s(dev, read_part, &job, budget_s / 4);
  out->copy_bytes = 2 * bytes / least_s(dev, copy_part, &job, budget_s / 4);
  out->bf16_flops = 0;
  if (dot) {
    job.flops = dot;
    out->bf16_flops = threads * dot(FLOP_ROUNDS) / least_s(dev, flops_part, &job, budget_s / 4);
  }
  arena_free(&arena);
  return ERR_OK;
}
