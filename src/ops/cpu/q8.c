#include "ops/cpu/q8.h"

#include <assert.h>

#include "ops/cpu/whole.h"

enum {
  OWN_BLOCKS = 1 << 9,     // so few blocks each thread rounds for itself: cheaper than waiting for each other
  PART_BYTES = 256 << 10,  // of rounded rows that meet a panel while it is in the cache: half of a small second-level one
  PART_ROWS = 192,         // of them at most, so that there are parts for many threads
  STREAMING_ROWS = 4,      // what reading a panel costs beside multiplying rows by it
};

static const Q8Kernel *const kernels[ISA_LEVELS] = {
#if HAVE_ISA_AVX2
    [ISA_AVX2] = &q8_avx2,
    [ISA_AVX512] = &q8_avx2,
#endif
#if HAVE_ISA_AVX512_BF16
    [ISA_AVX512_BF16] = &q8_avx512_vnni,
    [ISA_AMX] = &q8_avx512_vnni,
#endif
};

typedef struct {
  Dev *d;
  const Q8Kernel *kernel;
  int64_t N, K, blocks, groups;
  const int32_t *offset;  // [groups + 1] or NULL: one group
  Mat c, a, add;
  const float *bias;
  const int32_t *a_row;
  const char *b;
  int64_t first, rows;  // the rows in work
  Q8Row *rounded;       // theirs, or NULL: each thread rounds all of them
} Job;

static void round_rows(const Job *j, Q8Row *to, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; r++)
    j->kernel->round(to + r * j->blocks, j->a, j->a_row ? j->a_row[j->first + r] : j->first + r, j->K);
}

// Rows of group g among those in work, counted from the first of these.
static void group_rows(const Job *j, int64_t g, int64_t *begin, int64_t *end) {
  *begin = 0, *end = j->rows;
  if (!j->offset) return;
  *begin = max64(j->offset[g] - j->first, 0);
  *end = min64(j->offset[g + 1] - j->first, j->rows);
}

// Rows [m0, m1) of those in work times panels [p0, p1) of group g.
static void part_run(const Job *j, const Q8Row *rounded, int64_t g, int64_t m0, int64_t m1, int64_t p0, int64_t p1) {
  const char *b = j->b + (size_t)g * q8_bytes(j->N, j->K);
  float tile[Q8_ROWS_MAX * Q8_LANES] __attribute__((aligned(64)));
  for (int64_t p = p0; p < p1; p++)
    for (int64_t m = m0; m < m1; m += j->kernel->mr) {
      const int64_t rows = min64(j->kernel->mr, m1 - m), n = p * Q8_LANES;
      j->kernel->tile(j->blocks, (const Q8Block *)b + p * j->blocks, rounded + m * j->blocks, j->blocks, (int)rows, tile);
      j->kernel->store(&(GemmStore){.tile = tile,
                                    .ld = Q8_LANES,
                                    .rows = rows,
                                    .cols = min64(Q8_LANES, j->N - n),
                                    .c = mat_at(j->c, j->first + m, n),
                                    .add = mat_at(j->add, j->first + m, n),
                                    .bias = j->bias ? j->bias + n : NULL});
    }
}

// The work list: groups, of each parts of rows, of each panels. Threads take runs of equal cost; this one those whose cost from
// the list's beginning lies in [lo, hi). Returns the cost of all.
static int64_t parts_run(const Job *j, const Q8Row *rounded, int64_t lo, int64_t hi) {
  const int64_t mr = j->kernel->mr, panels = div_up(j->N, Q8_LANES);
  const int64_t fit = min64(PART_ROWS, PART_BYTES / (j->blocks * (int64_t)sizeof(Q8Row) + 1)), step = max64(fit / mr, 1) * mr;
  int64_t at = 0;
  for (int64_t g = 0; g < j->groups; g++) {
    int64_t begin, end;
    group_rows(j, g, &begin, &end);
    for (int64_t m = begin; m < end; m += step) {
      const int64_t m1 = min64(m + step, end), cost = m1 - m + STREAMING_ROWS;
      const int64_t p0 = lo <= at ? 0 : min64(div_up(lo - at, cost), panels);
      const int64_t p1 = hi <= at ? 0 : min64(div_up(hi - at, cost), panels);
      if (p0 < p1) part_run(j, rounded, g, m, m1, p0, p1);
      at += cost * panels;
    }
  }
  return at;
}

static void product_thread(void *arg, int thread, int n_threads) {
  const Job *j = arg;
  Q8Row *rounded = j->rounded;
  if (rounded) {
    int64_t begin, end;
    pool_range(j->rows, 1, thread, n_threads, &begin, &end);
    round_rows(j, rounded, begin, end);
    pool_barrier(j->d->pool);
  } else {
    rounded = dev_scratch(j->d, thread, (size_t)(j->rows * j->blocks) * sizeof *rounded);
    round_rows(j, rounded, 0, j->rows);
  }
  const int64_t total = parts_run(j, rounded, 0, 0);
  parts_run(j, rounded, total * thread / n_threads, total * (thread + 1) / n_threads);
}

static void job_run(Job *j, int64_t rows) {
  Dev *d = j->d;
  const bool shared = rows * j->blocks > OWN_BLOCKS;
  const int64_t room = (int64_t)(d->scratch.size / sizeof(Q8Row)) / max64(j->blocks, 1);
  assert(room >= 1 && j->a.type != DT_F64 && j->c.type != DT_F64);
  for (int64_t first = 0; first < rows; first += room) {
    j->first = first;
    j->rows = min64(room, rows - first);
    j->rounded = shared ? dev_scratch(d, 0, 0) : NULL;
    pool_run(d->pool, product_thread, j);
  }
}

void q8_gemm(Dev *d, const GemmArgs *g) {
  assert(g->b_t && !g->a_t && !g->b_packed);
  Job j = {.d = d,
           .kernel = kernels[d->isa],
           .N = g->N,
           .K = g->K,
           .blocks = div_up(g->K, Q8_BLOCK),
           .groups = 1,
           .c = g->c,
           .a = g->a,
           .add = g->add,
           .bias = g->bias.data,
           .a_row = g->a_row,
           .b = g->b.data};
  job_run(&j, g->M);
}

void q8_gemm_grouped(Dev *d, const GroupedGemmArgs *g) {
  assert(g->b_t && !g->b_packed && g->offset[g->groups] <= g->rows_max);
  Job j = {.d = d,
           .kernel = kernels[d->isa],
           .N = g->N,
           .K = g->K,
           .blocks = div_up(g->K, Q8_BLOCK),
           .groups = g->groups,
           .offset = g->offset,
           .c = g->c,
           .a = g->a,
           .a_row = g->a_row,
           .b = g->b.data};
  job_run(&j, g->offset[g->groups]);
}
