#include "ops/cpu/gemm.h"

#include <assert.h>
#include <stdatomic.h>

#include "ops/cpu/blocks.h"
#include "ops/cpu/gemm_product.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/q8.h"

static const GemmKernel *const f32_kernels[ISA_LEVELS] = {
#if HAVE_ISA_AVX2
    [ISA_AVX2] = &gemm_f32_avx2,
#endif
#if HAVE_ISA_AVX512
    [ISA_AVX512] = &gemm_f32_avx512,
    [ISA_AVX512_BF16] = &gemm_f32_avx512,
    [ISA_AMX] = &gemm_f32_avx512,
#endif
};
static const GemmKernel *const bf16_kernels[ISA_LEVELS] = {
#if HAVE_ISA_AVX512_BF16
    [ISA_AVX512_BF16] = &gemm_bf16_avx512_bf16,
#endif
#if HAVE_ISA_AMX
    [ISA_AMX] = &gemm_bf16_amx,
#endif
};

const GemmKernel *gemm_kernel(const Dev *d, Dtype type) {
  return type == DT_BF16 && bf16_kernels[d->bf16] ? bf16_kernels[d->bf16] : f32_kernels[d->isa];
}

// The length of a part, in whole units, when n is cut into as few parts of about `most` as will do: none is a small rest.
static int64_t even_part(int64_t n, int64_t most, int64_t unit) {
  return max64(1, div_up(div_up(n, unit), max64(1, div_up(n, most)))) * unit;
}

typedef struct {
  Dev *d;
  const GemmKernel *kernel;
  GemmBlocks blocks;
  Dtype packed_type;  // of b_packed
  const void *args;
  int64_t groups;
  void (*product)(const void *args, int64_t group, Product *p);
} Job;

static Space space_of(const Job *job, int thread) {
  const GemmKernel *k = job->kernel;
  Space s;
  char *at = dev_scratch(job->d, thread, GEMM_SCRATCH_BYTES);
  s.tile = (float *)at;
  at += GEMM_TILES * sizeof(float);
  s.partial = (float *)at;
  at += GEMM_PARTIAL_BYTES;
  s.a = at;
  const size_t a_bytes = (size_t)div_up(job->blocks.rows, k->mr) * panel_bytes(k, k->mr, job->blocks.k);
  s.b = at + (a_bytes + 63) / 64 * 64;
  s.b_bytes = GEMM_PANELS_BYTES - a_bytes;
  return s;
}

// A block of C in work: rows [m0, m1), columns [n0, n1), k's [k0, k0 + n_k).
typedef struct {
  int64_t m0, m1, n0, n1, k0, n_k;
  size_t a_panel_bytes, b_panel_bytes;
  bool first, last;  // visit in k
  bool a_lies;       // A is read as it lies
} Block;

// Whether tiles read rows of A as they lie, which saves packing them. Rows a multiple of 4 KiB apart would share their sets of
// the first-level cache.
static bool a_lies(const GemmKernel *k, const Product *p) {
  return k->ku_a == k->ku && !p->a_t && !p->a_row && p->a.type == (k->ku == 1 ? DT_F32 : DT_BF16) && p->K % k->ku == 0 &&
         p->a.ld * (int64_t)dtype_bytes(p->a.type) % 4096;
}

static void pack_a(const Job *job, const Product *p, const Space *s, const Block *b, int64_t m, int64_t rows) {
  GemmPack pack = {.to = s->a,
                   .panel_bytes = b->a_panel_bytes,
                   .src = p->a,
                   .row = p->a_row,
                   .width = job->kernel->mr,
                   .ku = job->kernel->ku_a,
                   .line = m,
                   .n_lines = rows,
                   .k = b->k0,
                   .n_k = b->n_k};
  (p->a_t ? job->kernel->pack_along : job->kernel->pack_across)(&pack);
}

// Panels of B for columns [n, n1) into `to`.
static void pack_b(const Job *job, const Product *p, const Block *b, char *to, int64_t n, int64_t n1) {
  const GemmKernel *k = job->kernel;
  if (p->b_packed) {
    for (; n < n1; n += k->nr, to += b->b_panel_bytes)
      k->widen((float *)to, p->b_packed + 2 * (n * (p->K + p->K % 2) + b->k0 * k->nr), b->n_k);
    return;
  }
  GemmPack pack = {.to = to,
                   .panel_bytes = b->b_panel_bytes,
                   .src = p->b,
                   .row = p->b_row,
                   .width = k->nr,
                   .ku = k->ku,
                   .line = n,
                   .n_lines = n1 - n,
                   .k = b->k0,
                   .n_k = b->n_k};
  (p->b_t ? k->pack_across : k->pack_along)(&pack);
}

// The sums so far of the tile at (m, n).
static float *partial_of(const GemmKernel *k, const Space *s, const Block *b, int64_t m, int64_t n) {
  return s->partial + ((n - b->n0) / k->nr * div_up(b->m1 - b->m0, k->mr) + (m - b->m0) / k->mr) * k->mr * k->nr;
}

// The tile of rows from m on, which is tile i of those packed, with a panel of B.
static void tile_make(const Job *job, const Product *p, const Space *s, const Block *b, int64_t m, int64_t i, const char *panel,
                      int rows, int cols, const float *init, float *out, int64_t ld) {
  const GemmKernel *k = job->kernel;
  if (b->a_lies)
    k->tile_rows(b->n_k, mat_at(p->a, m, b->k0).data, p->a.ld * (int64_t)dtype_bytes(p->a.type), panel, rows, cols, init, out,
                 ld);
  else k->tile(b->n_k, s->a + (size_t)i * b->a_panel_bytes, panel, rows, cols, init, out, ld);
}

static void tile_run(const Job *job, const Product *p, const Space *s, const Block *b, int64_t m, int64_t i, int64_t n,
                     const char *panel) {
  const GemmKernel *k = job->kernel;
  int rows = (int)min64(k->mr, b->m1 - m), cols = (int)min64(k->nr, b->n1 - n);
  float *partial = partial_of(k, s, b, m, n);
  const float *init = b->first ? NULL : partial;
  if (!b->last) {
    tile_make(job, p, s, b, m, i, panel, rows, cols, init, partial, k->nr);
  } else if (p->c.type == DT_F32 && cols == k->nr && !p->bias && !p->add.data && !p->zero) {
    tile_make(job, p, s, b, m, i, panel, rows, cols, init, (float *)p->c.data + m * p->c.ld + n, p->c.ld);
  } else {
    tile_make(job, p, s, b, m, i, panel, rows, cols, init, s->tile, k->nr);
    k->store(&(GemmStore){.tile = s->tile,
                          .ld = k->nr,
                          .rows = rows,
                          .cols = cols,
                          .c = mat_at(p->c, m, n),
                          .add = mat_at(p->add, m, n),
                          .bias = p->bias ? p->bias + n : NULL,
                          .zero = p->zero});
  }
}

// Whether whole tiles go straight to C.
static bool is_straight(const GemmKernel *k, const Product *p) {
  if (!k->tile_to || p->c.type != DT_F32 || p->bias || p->N % k->nr) return false;
  if (p->zero) return ((uintptr_t)p->c.data | (uintptr_t)p->c.ld * sizeof(float)) % 64 == 0;
  return p->add.data && p->add.type == DT_F32;
}

// Such tiles of rows [m, m + rows), columns [n, n1), row by row, with what tiles a little later will be added to asked for.
static void straight_run(const Job *job, const Product *p, const Space *s, const Block *b, int64_t m, int64_t rows, int64_t n,
                         int64_t n1, const char *panel) {
  const GemmKernel *k = job->kernel;
  const int64_t tiles = (n1 - n) / k->nr, all = tiles * div_up(rows, k->mr);
  for (int64_t t = 0; t < all; t++) {
    const int64_t i = t / tiles * k->mr, j = t % tiles * k->nr, later = min64(t + GEMM_AHEAD, all - 1);
    k->tile_to(b->n_k, s->a + (size_t)(t / tiles) * b->a_panel_bytes, panel + (size_t)(t % tiles) * b->b_panel_bytes,
               (int)min64(k->mr, rows - i), b->first ? NULL : partial_of(k, s, b, m + i, n + j),
               &(GemmTo){.c = mat_at(p->c, m + i, n + j).data,
                         .ld = p->c.ld,
                         .add = mat_at(p->add, m + i, n + j).data,
                         .add_ld = p->add.ld,
                         .ask = mat_at(p->add, m + later / tiles * k->mr, n + later % tiles * k->nr).data});
  }
}

// Where memory has as much to do as the tile, the tiles of a strip of rows are kept aside, and go to C row by row, which it
// likes better; the lines that are added to, or written, are asked for in that order, too, while the tiles are computed.
static void strip_run(const Job *job, const Product *p, const Space *s, const Block *b, int64_t m, int64_t i, int64_t n,
                      int64_t n1, const char *panel) {
  enum { LINE = 64, LD = GEMM_STRIP + GEMM_PANEL_PAD / 4 };
  const GemmKernel *k = job->kernel;
  const Mat c = mat_at(p->c, m, n), add = mat_at(p->add, m, n), asked = add.data ? add : c;
  const int64_t rows = min64(k->mr, b->m1 - m), cols = n1 - n, element = (int64_t)dtype_bytes(asked.type);
  const int64_t row_lines = div_up(cols * element, LINE), panels = div_up(cols, k->nr);
  for (int64_t j = 0, line = 0; j < panels; j++) {
    for (; line < rows * row_lines * (j + 1) / panels; line++)
      if (!p->zero)
        __builtin_prefetch((const char *)asked.data + line / row_lines * asked.ld * element + line % row_lines * LINE, 0, 2);
    tile_make(job, p, s, b, m, i, panel + (size_t)j * b->b_panel_bytes, (int)rows, (int)min64(k->nr, cols - j * k->nr),
              b->first ? NULL : partial_of(k, s, b, m, n + j * k->nr), s->tile + j * k->nr, LD);
  }
  k->store(&(GemmStore){.tile = s->tile,
                        .ld = LD,
                        .rows = rows,
                        .cols = cols,
                        .c = c,
                        .add = add,
                        .bias = p->bias ? p->bias + n : NULL,
                        .zero = p->zero});
}

// The tiles of rows [m, m + rows), packed in s->a, and columns [n, n1), whose panels begin `bytes` apart.
static void tiles_run(const Job *job, const Product *p, const Space *s, const Block *b, int64_t m, int64_t rows, int64_t n,
                      int64_t n1, const char *panel, size_t bytes) {
  const GemmKernel *k = job->kernel;
  const bool heavy = p->zero || p->add.data || (b->first && b->n_k <= GEMM_SHORT);
  if (b->last && heavy && bytes == b->b_panel_bytes) {
    const int64_t wide = max64(GEMM_STRIP / k->nr, GEMM_L2_BYTES / 4 / (int64_t)bytes) * k->nr;
    for (; n < n1; n += wide, panel += (size_t)(wide / k->nr) * bytes) {
      const int64_t end = min64(n + wide, n1);
      if (is_straight(k, p)) {
        straight_run(job, p, s, b, m, rows, n, end, panel);
        continue;
      }
      for (int64_t i = 0; i < rows; i += k->mr)
        for (int64_t j = n; j < end; j += GEMM_STRIP)
          strip_run(job, p, s, b, m + i, i / k->mr, j, min64(j + GEMM_STRIP, end), panel + (size_t)((j - n) / k->nr) * bytes);
    }
    return;
  }
  for (; n < n1; n += k->nr, panel += bytes)
    for (int64_t i = 0; i < rows; i += k->mr) tile_run(job, p, s, b, m + i, i / k->mr, n, panel);
}

// Whether B lies packed as the kernel reads it.
static bool is_direct(const Job *job, const Product *p) {
  return p->b_packed && (job->packed_type == DT_F32 || job->kernel->ku == 2);
}

// All of one visit in k. Panels of B are made a few at a time, and used while they are warm; they are kept for the next rows if
// there will be some, else the next ones take their place.
static void block_run(const Job *job, const Product *p, const Space *s, const Block *b) {
  const GemmKernel *k = job->kernel;
  int64_t step = even_part(b->m1 - b->m0, job->blocks.rows, k->mr);
  int64_t few = max64(1, GEMM_L2_BYTES / 4 / (int64_t)b->b_panel_bytes) * k->nr;
  bool direct = is_direct(job, p), keep = b->m1 - b->m0 > step;
  for (int64_t m = b->m0; m < b->m1; m += step) {
    int64_t rows = min64(step, b->m1 - m);
    if (!b->a_lies) pack_a(job, p, s, b, m, rows);
    if (direct) {
      size_t element = k->ku == 1 ? 4 : 2, line_bytes = element * (size_t)(k->ku == 1 ? p->K : p->K + p->K % 2);
      const char *panels = p->b_packed + (size_t)b->n0 * line_bytes + element * (size_t)(b->k0 * k->nr);
      tiles_run(job, p, s, b, m, rows, b->n0, b->n1, panels, line_bytes * (size_t)k->nr);
    } else if (keep && m > b->m0) {
      tiles_run(job, p, s, b, m, rows, b->n0, b->n1, s->b, b->b_panel_bytes);
    } else {
      for (int64_t n = b->n0; n < b->n1; n += few) {
        int64_t n1 = min64(n + few, b->n1);
        char *to = s->b + (keep ? (size_t)((n - b->n0) / k->nr) * b->b_panel_bytes : 0);
        pack_b(job, p, b, to, n, n1);
        tiles_run(job, p, s, b, m, rows, n, n1, to, b->b_panel_bytes);
      }
    }
  }
}

static void rectangle_run(const Job *job, const Product *p, const Space *s, int64_t m0, int64_t m1, int64_t n0, int64_t n1) {
  const GemmKernel *k = job->kernel;
  if (m0 == 0 && m1 == p->M && direct_is_better(k, p, s)) {
    direct_run(k, p, s, n0, n1);
    return;
  }
  // A few rows stream B from memory: one panel of A is given the room of many, and panels of B are read in one go.
  const int64_t few = is_direct(job, p) && m1 - m0 <= k->mr ? max64(1, job->blocks.rows / k->mr) : 1;
  const int64_t kc = few * job->blocks.k;
  for (int64_t n = n0; n < n1; n += job->blocks.cols) {
    Block b = {.m0 = m0,
               .m1 = m1,
               .n0 = n,
               .n1 = min64(n + job->blocks.cols, n1),
               .first = true,
               .a_lies = a_lies(k, p) && !is_straight(k, p)};
    do {
      b.n_k = min64(p->K - b.k0, even_part(p->K - b.k0, kc, BLOCK_STEP));
      b.last = b.k0 + b.n_k == p->K;
      b.a_panel_bytes = panel_bytes(k, k->mr, b.n_k);
      b.b_panel_bytes = panel_bytes(k, k->nr, b.n_k);
      block_run(job, p, s, &b);
      b.k0 += b.n_k;
      b.first = false;
    } while (!b.last);
  }
}

// The work list: every product is cut into chunks of rows, a chunk into panels of columns; panels in this order are given to
// the threads in runs of equal cost. Chunks shrink while there are few of them. Costs are in steps of one row of a tile.
typedef struct {
  int64_t rows, panels, chunks;  // of a product, for chunks of `rows`
} Cut;

static int64_t chunk_cost(const GemmKernel *k, const Product *p, int64_t m) {
  const int64_t fixed = 64, packing = 8;
  return (p->K + fixed) * (div_up(m, k->mr) * k->mr + packing);
}

static Cut product_cut(const Job *job, const Product *p, int64_t most_rows) {
  Cut c = {.rows = even_part(p->M, most_rows, job->kernel->mr), .panels = div_up(p->N, job->kernel->nr)};
  c.chunks = div_up(p->M, c.rows);
  return c;
}

static int64_t product_cost(const Job *job, const Product *p, Cut c) {
  if (c.chunks == 0) return 0;
  return c.panels *
         ((c.chunks - 1) * chunk_cost(job->kernel, p, c.rows) + chunk_cost(job->kernel, p, p->M - (c.chunks - 1) * c.rows));
}

static int64_t job_chunk_rows(const Job *job, int n_threads) {
  int64_t rows = job->kernel->block_rows;
  const int64_t enough = 8 * n_threads, least = 4 * job->kernel->mr;
  for (;;) {
    int64_t units = 0;
    for (int64_t g = 0; g < job->groups && units < enough; g++) {
      Product p;
      job->product(job->args, g, &p);
      Cut c = product_cut(job, &p, rows);
      units += c.chunks * c.panels;
    }
    if (units >= enough || rows <= least || n_threads == 1) return rows;
    rows /= 2;
  }
}

static int64_t clamp64(int64_t x, int64_t lo, int64_t hi) { return x < lo ? lo : x > hi ? hi : x; }

static void job_thread(void *arg, int thread, int n_threads) {
  const Job *job = arg;
  const GemmKernel *k = job->kernel;
  Space s = space_of(job, thread);
  gemm_begin(k);
  int64_t chunk_rows = job_chunk_rows(job, n_threads), total = 0, at = 0;
  Product p;
  for (int64_t g = 0; g < job->groups; g++) {
    job->product(job->args, g, &p);
    total += product_cost(job, &p, product_cut(job, &p, chunk_rows));
  }
  int64_t lo = total / n_threads * thread, hi = thread == n_threads - 1 ? INT64_MAX : total / n_threads * (thread + 1);
  for (int64_t g = 0; g < job->groups; g++) {
    job->product(job->args, g, &p);
    Cut c = product_cut(job, &p, chunk_rows);
    for (int64_t i = 0; i < c.chunks; i++) {
      int64_t m0 = i * c.rows, m1 = min64(m0 + c.rows, p.M), cost = chunk_cost(k, &p, m1 - m0), middle = at + cost / 2;
      // A panel belongs to the run its middle falls into.
      int64_t begin = lo <= middle ? 0 : clamp64(div_up(lo - middle, cost), 0, c.panels);
      int64_t end = hi == INT64_MAX ? c.panels : hi <= middle ? 0 : clamp64(div_up(hi - middle, cost), 0, c.panels);
      if (begin < end) rectangle_run(job, &p, &s, m0, m1, begin * k->nr, min64(end * k->nr, p.N));
      at += cost * c.panels;
    }
  }
  gemm_end(k);
  atomic_thread_fence(memory_order_seq_cst);  // stores past the caches are in no order of their own
}

static void job_run(Job *job) {
  job->blocks = job->d->blocks[job->kernel->ku == 1 ? DT_F32 : DT_BF16];
  pool_run(job->d->pool, job_thread, job);
}

static bool both_bf16(Mat a, Mat b) { return a.type == DT_BF16 && b.type == DT_BF16; }

static const GemmKernel *kernel_for(const Dev *d, Mat a, Mat b) {
  assert(a.type != DT_F64 && b.type != DT_F64);
  return gemm_kernel(d, both_bf16(a, b) ? DT_BF16 : DT_F32);
}

static void product_plain(const void *args, int64_t group, Product *p) {
  (void)group;
  const GemmArgs *g = args;
  *p = (Product){.M = g->M,
                 .N = g->N,
                 .K = g->K,
                 .c = g->c,
                 .a = g->a,
                 .b = g->b,
                 .add = g->add,
                 .bias = g->bias.data,
                 .a_t = g->a_t,
                 .b_t = g->b_t,
                 .a_row = g->a_row,
                 .b_packed = g->b_packed};
}

static void gemm(Dev *d, const GemmArgs *g) {
  if (g->b.type == DT_Q8) {
    q8_gemm(d, g);
    return;
  }
  assert(g->c.type != DT_F64 && g->add.type != DT_F64 && !(g->a_t && g->a_row));
  Job job = {
      .d = d, .kernel = kernel_for(d, g->a, g->b), .packed_type = g->b.type, .args = g, .groups = 1, .product = product_plain};
  job_run(&job);
}

// Packed: panels of nr columns, whole in k, one after the other; fp32 as it is, bf16 in pairs, whichever kernel will read them:
// half the bytes are worth more than the widening when a row or two stream the weights.
static size_t packed_bytes(int64_t nr, int64_t N, int64_t K, Dtype type) {
  int64_t lines = div_up(N, nr) * nr;
  return type == DT_F32 ? (size_t)(lines * K) * 4 : (size_t)(lines * (K + K % 2)) * 2;
}

typedef struct {
  const GroupedGemmArgs *g;
  size_t packed_bytes;
} Grouped;

static void product_grouped(const void *args, int64_t group, Product *p) {
  const GroupedGemmArgs *g = ((const Grouped *)args)->g;
  int64_t row = g->offset[group];
  *p = (Product){.M = g->offset[group + 1] - row,
                 .N = g->N,
                 .K = g->K,
                 .c = mat_at(g->c, row, 0),
                 .a = g->a,
                 .b = mat_at(g->b, 0, group * g->b_stride),
                 .b_t = g->b_t};
  if (g->a_row) p->a_row = g->a_row + row;
  else p->a = mat_at(g->a, row, 0);
  if (g->b_packed) p->b_packed = (const char *)g->b_packed + (size_t)group * ((const Grouped *)args)->packed_bytes;
}

static void gemm_grouped(Dev *d, const GroupedGemmArgs *g) {
  if (g->b.type == DT_Q8) {
    q8_gemm_grouped(d, g);
    return;
  }
  assert(g->c.type != DT_F64 && g->offset[g->groups] <= g->rows_max);
  Grouped args = {g, g->b_packed ? packed_bytes(gemm_kernel(d, DT_F32)->nr, g->N, g->K, g->b.type) : 0};
  Job job = {.d = d,
             .kernel = kernel_for(d, g->a, g->b),
             .packed_type = g->b.type,
             .args = &args,
             .groups = g->groups,
             .product = product_grouped};
  job_run(&job);
}

static void product_weight(const void *args, int64_t group, Product *p) {
  const GroupedWeightArgs *g = args;
  int64_t row = g->offset[group], rows = g->offset[group + 1] - row;
  Mat c = mat_at(g->c, 0, group * g->c_stride);
  *p = (Product){.M = rows ? g->M : 0,
                 .N = g->N,
                 .K = rows,
                 .c = c,
                 .a = g->a,
                 .b = g->b,
                 .add = g->zero ? mat_none() : c,
                 .a_t = true,
                 .zero = g->zero};
  if (g->a_row) p->a_row = g->a_row + row;
  else p->a = mat_at(g->a, row, 0);
  if (g->b_row) p->b_row = g->b_row + row;
  else p->b = mat_at(g->b, row, 0);
}

static void gemm_grouped_weight(Dev *d, const GroupedWeightArgs *g) {
  assert(g->c.type == DT_F32 && g->offset[g->groups] <= g->rows_max);
  Job job = {.d = d, .kernel = kernel_for(d, g->a, g->b), .args = g, .groups = g->groups, .product = product_weight};
  job_run(&job);
  for (int64_t group = 0; g->zero && group < g->groups; group++)
    if (g->offset[group] == g->offset[group + 1]) d->op->zero(d, mat_at(g->c, 0, group * g->c_stride), g->M, g->N);
}

typedef struct {
  const Dev *d;
  void *packed;
  Mat b;
  bool b_t;
  int64_t N, K;
} PackJob;

static void pack_thread(void *arg, int thread, int n_threads) {
  const PackJob *j = arg;
  const GemmKernel *k = gemm_kernel(j->d, DT_F32);
  int64_t n0, n1;
  pool_range(j->N, k->nr, thread, n_threads, &n0, &n1);
  if (n0 >= n1) return;
  size_t bytes = packed_bytes(k->nr, k->nr, j->K, j->b.type);
  GemmPack pack = {.to = (char *)j->packed + (size_t)(n0 / k->nr) * bytes,
                   .panel_bytes = bytes,
                   .src = j->b,
                   .width = k->nr,
                   .ku = j->b.type == DT_F32 ? 1 : 2,
                   .line = n0,
                   .n_lines = n1 - n0,
                   .n_k = j->K};
  (j->b_t ? k->pack_across : k->pack_along)(&pack);
}

static void gemm_pack(Dev *d, void *packed, Mat b, bool b_t, int64_t N, int64_t K) {
  assert(b.type != DT_F64);
  PackJob job = {d, packed, b, b_t, N, K};
  pool_run(d->pool, pack_thread, &job);
}

static size_t packed_bytes_16(int64_t N, int64_t K, Dtype type) { return packed_bytes(16, N, K, type); }
static size_t packed_bytes_32(int64_t N, int64_t K, Dtype type) { return packed_bytes(32, N, K, type); }

void gemm_ops_set(Ops *o, Isa isa) {
  o->gemm = gemm;
  o->gemm_grouped = gemm_grouped;
  o->gemm_grouped_weight = gemm_grouped_weight;
  o->gemm_pack = gemm_pack;
  o->gemm_from = o->gemm_grouped_from = o->gemm_grouped_weight_from = o->gemm_pack_from = isa_names[isa];
  o->gemm_packed_bytes = f32_kernels[isa]->nr == 16 ? packed_bytes_16 : packed_bytes_32;
}
