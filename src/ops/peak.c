#include "ops/peak.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/median.h"
#include "ops/cpu/peak_loops.h"
#include "ops/cpu/remember.h"

enum { BUFFER_BYTES = 128 << 20, FLOP_ROUNDS = 1 << 20, GEMM_SIZE = 1024 };

typedef struct {
  FlopLoop *flops;
  ReadLoop *read;
  float *x, *y;
  int64_t n;
} Job;

typedef struct {
  FlopLoop *fma, *dot;  // dot: NULL where bf16 is computed in fp32
  ReadLoop *read;
} Loops;

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

static void write_part(void *arg, int thread, int n_threads) {
  const Job *j = arg;
  int64_t begin, end;
  pool_range(j->n, 256, thread, n_threads, &begin, &end);
  memset(j->y + begin, 1, (size_t)(end - begin) * sizeof *j->y);
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

static Loops loops_of(const Dev *dev) {
  Loops l = {.fma = scalar_fma, .read = scalar_read};
#if HAVE_ISA_AVX2
  if (dev->isa >= ISA_AVX2) l.fma = peak_fma_avx2, l.read = peak_read_avx2;
#endif
#if HAVE_ISA_AVX512
  if (dev->isa >= ISA_AVX512) l.fma = peak_fma_avx512, l.read = peak_read_avx512;
#endif
#if HAVE_ISA_AVX512_BF16
  if (dev->bf16 == ISA_AVX512_BF16) l.dot = peak_dot_avx512_bf16;
#endif
#if HAVE_ISA_AMX
  if (dev->bf16 == ISA_AMX) l.dot = peak_dot_amx;
#endif
  (void)dev;
  return l;
}

#if HAVE_ISA_AVX512_BF16
// Whether one loop outruns the other: the best of some short runs in turn. What was measured so far is a factor of two or more
// apart, either way. What is clear is remembered as `key`; what is not (a busy moment, an odd processor) counts as slow.
static bool is_faster(const char *key, FlopLoop *loop, FlopLoop *other) {
  enum { ROUNDS = 1 << 13, TURNS_MIN = 9, TURNS_MAX = 400 };
  const double clearly = 1.4;
  bool faster;
  if (remembered(key, &faster)) return faster;
  double most = 0, most_other = 0;
  bool clear = false;
  for (int i = 0; i < TURNS_MIN || (i < TURNS_MAX && !clear); i++) {
    double begin = clock_s(), work = other(ROUNDS), middle = clock_s();
    most_other = fmax(most_other, work / (middle - begin));
    work = loop(ROUNDS);
    most = fmax(most, work / (clock_s() - middle));
    clear = most > clearly * most_other || most_other > clearly * most;
  }
  faster = most > clearly * most_other;
  if (clear) remember(key, faster);
  return faster;
}

static bool dot_is_fast;
static void compare_dot(void) { dot_is_fast = is_faster("bf16_dot_is_fast", peak_dot_avx512_bf16, peak_fma_avx512); }
bool peak_dot_is_fast(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, compare_dot);
  return dot_is_fast;
}
#else
bool peak_dot_is_fast(void) { return false; }
#endif

#if HAVE_ISA_AMX
static bool amx_is_fast;
static void compare_amx(void) {
  amx_is_fast = is_faster("amx_is_fast", peak_dot_amx, peak_dot_is_fast() ? peak_dot_avx512_bf16 : peak_fma_avx512);
}
bool peak_amx_is_fast(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, compare_amx);
  return amx_is_fast;
}
#else
bool peak_amx_is_fast(void) { return false; }
#endif

static void gemm_carve(Arena *a, const Dev *dev, Dtype type, GemmArgs *g, void **packed) {
  const int64_t n = GEMM_SIZE;
  *g = (GemmArgs){.M = n,
                  .N = n,
                  .K = n,
                  .c = mat_take(a, n, n, DT_F32),
                  .a = mat_take(a, n, n, type),
                  .b = mat_take(a, n, n, type),
                  .b_t = true};
  *packed = arena_take(a, gemm_packed_bytes(dev, n, n, type));
}

static Err gemm_measure(Dev *dev, Dtype type, double budget_s, double *flops) {
  Arena arena;
  GemmArgs g;
  void *packed;
  arena_measure(&arena, "the measurement of the matrix product");
  gemm_carve(&arena, dev, type, &g, &packed);
  TRY(arena_init(&arena, "the measurement of the matrix product", arena.peak));
  gemm_carve(&arena, dev, type, &g, &packed);
  dev->op->gemm_pack(dev, packed, g.b, true, g.N, g.K);
  if (gemm_packed_bytes(dev, g.N, g.K, type)) g.b_packed = packed;
  double least = 1e30, start = clock_s();
  for (int i = 0; i < 2 || clock_s() - start < budget_s; i++) {
    double begin = clock_s(), s;
    dev->op->gemm(dev, &g);
    if ((s = clock_s() - begin) < least) least = s;
  }
  arena_free(&arena);
  *flops = 2.0 * GEMM_SIZE * GEMM_SIZE * GEMM_SIZE / least;
  return ERR_OK;
}

double peak_measure(Dev *dev, Dtype type, double budget_s) {
  Loops l = loops_of(dev);
  Job job = {.flops = type == DT_BF16 && l.dot ? l.dot : l.fma};
  return pool_threads(dev->pool) * job.flops(FLOP_ROUNDS) / least_s(dev, flops_part, &job, budget_s);
}

Err speed_measure(Dev *dev, Dtype type, double budget_s, Speed *out) {
  out->peak = peak_measure(dev, type, budget_s / 2);
  return gemm_measure(dev, type, budget_s / 2, &out->gemm);
}

double memory_read(Dev *dev, const void *data, size_t bytes) {
  Job job = {.read = loops_of(dev).read, .x = (float *)(uintptr_t)data, .n = (int64_t)(bytes / 1024 * 256)};
  double begin = clock_s();
  pool_run(dev->pool, read_part, &job);
  return (double)job.n * sizeof(float) / (clock_s() - begin);
}

Err memory_probe_open(MemoryProbe *p) {
  TRY(arena_init(&p->arena, "the measurement of the memory", 2 * (size_t)BUFFER_BYTES));
  p->x = arena_take(&p->arena, BUFFER_BYTES);
  p->y = arena_take(&p->arena, BUFFER_BYTES);
  memset(p->x, 1, 2 * (size_t)BUFFER_BYTES);  // pages that were never written are all one page
  return ERR_OK;
}

void memory_probe_close(MemoryProbe *p) { arena_free(&p->arena); }

double memory_probe_read(const MemoryProbe *p, Dev *dev) { return memory_read(dev, p->x, BUFFER_BYTES); }

// Bytes a second of a pass over both buffers that moves `bytes`.
static double probe_pass(const MemoryProbe *p, Dev *dev, PoolFn *part, double bytes) {
  Job job = {.x = p->x, .y = p->y, .n = BUFFER_BYTES / (int64_t)sizeof(float)};
  double begin = clock_s();
  pool_run(dev->pool, part, &job);
  return bytes / (clock_s() - begin);
}

double memory_probe_write(const MemoryProbe *p, Dev *dev) { return probe_pass(p, dev, write_part, BUFFER_BYTES); }
double memory_probe_copy(const MemoryProbe *p, Dev *dev) { return probe_pass(p, dev, copy_part, 2.0 * BUFFER_BYTES); }

static double best_rate(const MemoryProbe *p, Dev *dev, double (*pass)(const MemoryProbe *, Dev *), double budget_s) {
  double best = 0, start = clock_s();
  for (int i = 0; i < 3 || clock_s() - start < budget_s; i++) best = fmax(best, pass(p, dev));
  return best;
}

static void nothing_part(void *arg, int thread, int n_threads) { (void)arg, (void)thread, (void)n_threads; }

// Of so many in a row: the clock does not tell one. Where other programs hold a core one may take milliseconds.
static double region_median_s(Dev *dev) {
  enum { TURNS = 101, REGIONS = 20 };
  const double budget_s = 0.02;
  double s[TURNS];
  int turns = 0;
  for (double start = clock_s(); turns < 1 || (turns < TURNS && clock_s() - start < budget_s); turns++) {
    double begin = clock_s();
    for (int j = 0; j < REGIONS; j++) pool_run(dev->pool, nothing_part, NULL);
    s[turns] = (clock_s() - begin) / REGIONS;
  }
  return median_sort(s, turns);
}

Err peaks_measure(Dev *dev, double budget_s, Peaks *out) {
  TRY(speed_measure(dev, DT_F32, budget_s / 4, &out->fp32));
  TRY(speed_measure(dev, DT_BF16, budget_s / 4, &out->bf16));
  MemoryProbe probe;
  TRY(memory_probe_open(&probe));
  out->read_bytes = best_rate(&probe, dev, memory_probe_read, budget_s / 4);
  out->copy_bytes = best_rate(&probe, dev, memory_probe_copy, budget_s / 4);
  memory_probe_close(&probe);
  out->region_s = region_median_s(dev);
  return ERR_OK;
}
