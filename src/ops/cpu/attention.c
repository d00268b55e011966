#include "ops/cpu/attention.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "ops/cpu/whole.h"

static const AttentionKernel *const kernels[ISA_LEVELS] = {
#if HAVE_ISA_AVX2
    [ISA_AVX2] = &attention_avx2,
#endif
#if HAVE_ISA_AVX512
    [ISA_AVX512] = &attention_avx512,
#endif
#if HAVE_ISA_AVX512_BF16
    [ISA_AVX512_BF16] = &attention_avx512_bf16,
#endif
#if HAVE_ISA_AMX
    [ISA_AMX] = &attention_amx,
#endif
};

Arena attention_space(const AttentionJob *job, int thread) {
  return (Arena){
      .name = "attention", .base = dev_scratch(job->dev, thread, ATTENTION_SCRATCH_BYTES), .size = ATTENTION_SCRATCH_BYTES};
}

void *attention_take(Arena *space, int64_t bytes) { return arena_take(space, (size_t)bytes + GEMM_PANEL_PAD); }

// Panels

static int64_t whole_steps(int64_t n_k, int64_t step) { return div_up(n_k, step) * step; }

LinePanels panels_take(const AttentionJob *job, Arena *space, int64_t lines, int64_t n_k) {
  LinePanels p = {.lines = lines, .panels = div_up(lines, job->g->mr)};
  p.panel_bytes = (size_t)(whole_steps(n_k, max64(2, job->g->ku_a)) * job->g->mr * element_bytes(job) + GEMM_PANEL_PAD);
  p.data = attention_take(space, p.panels * (int64_t)p.panel_bytes);
  return p;
}

// Lines of src that exist in the panel: line i of p is row t0 + i of src; k's go to k0 on, a multiple of ku_a, in the panel.
static void pack_across(const AttentionJob *job, LinePanels *p, Mat src, int64_t t0, int64_t n, int64_t k0, int64_t n_k) {
  for (int64_t i = 0; i < p->panels; i++) {
    int64_t line = panel_line(p, i), lines = min64(panel_line(p, i + 1), n) - line;
    if (lines <= 0) break;
    GemmPack pack = {.to = p->data + (size_t)i * p->panel_bytes + k0 * job->g->mr * element_bytes(job),
                     .panel_bytes = p->panel_bytes,
                     .src = src,
                     .width = job->g->mr,
                     .ku = job->g->ku_a,
                     .line = t0 + line,
                     .n_lines = lines,
                     .n_k = n_k};
    job->g->pack_across(&pack);
  }
}

void panels_pack_keys(const AttentionJob *job, LinePanels *p, int64_t b, int64_t g, int64_t t0, int64_t n) {
  const AttentionArgs *a = job->a;
  pack_across(job, p, mat_at(a->k, b * a->Tk, g * a->k_stride), t0, n, 0, a->Dk_own);
  if (a->Dk_shared) pack_across(job, p, mat_at(a->k_shared, b * a->Tk, 0), t0, n, a->Dk_own, a->Dk_shared);
}

void panels_pack_values(const AttentionJob *job, LinePanels *p, int64_t b, int64_t g, int64_t t0, int64_t n) {
  pack_across(job, p, mat_at(job->a->v, b * job->a->Tk, g * job->a->v_stride), t0, n, 0, job->a->Dv);
}

void panels_pack_columns(const AttentionJob *job, LinePanels *p, Mat m, int64_t row, int64_t n) {
  p->finite = true;
  for (int64_t i = 0; i < p->panels; i++) {
    int64_t line = panel_line(p, i);
    GemmPack pack = {.to = p->data + (size_t)i * p->panel_bytes,
                     .panel_bytes = p->panel_bytes,
                     .src = m,
                     .width = job->g->mr,
                     .ku = job->g->ku_a,
                     .line = line,
                     .n_lines = panel_line(p, i + 1) - line,
                     .k = row,
                     .n_k = n};
    job->g->pack_along(&pack);
    p->finite &= job->k->all_finite(pack.to, whole_steps(n, pack.ku) * job->g->mr * element_bytes(job), job->g->ku);
  }
}

void panels_times(const AttentionJob *job, const LinePanels *p, int64_t n_k, const void *block, int64_t lanes, int64_t begin,
                  int64_t end, float *s) {
  const GemmKernel *g = job->g;
  for (int64_t i = 0; i < p->panels; i++) {
    int64_t line = panel_line(p, i), next = panel_line(p, i + 1);
    if (next <= begin) continue;
    if (line >= end) break;
    g->tile(n_k, p->data + (size_t)i * p->panel_bytes, block, (int)(next - line), (int)lanes, NULL, s + line * g->nr, g->nr);
  }
}

static void add_all(const AttentionJob *job, const LinePanels *p, int64_t from, int64_t to, const void *block, int64_t lanes,
                    float *out) {
  const GemmKernel *g = job->g;
  const int64_t element = element_bytes(job);
  for (int64_t i = 0; i < p->panels; i++) {
    int64_t line = panel_line(p, i);
    float *at = out + line * g->nr;
    g->tile(to - from, p->data + (size_t)i * p->panel_bytes + from * g->mr * element,
            (const char *)block + from * g->nr * element, (int)(panel_line(p, i + 1) - line), (int)lanes, at, at, g->nr);
  }
}

void panel_clear_k(char *panel, int64_t width, int64_t ku, int64_t k) {
  if (ku == 1) memset(panel + k * width * 4, 0, (size_t)width * 4);
  else
    for (int64_t l = 0; l < width; l++) ((Bf16 *)panel)[(k / ku * width + l) * ku + k % ku] = 0;
}

static void add_lane_by_lane(const AttentionJob *job, const LinePanels *p, const ScoreTile *t, int64_t to, const void *block,
                             float *out, const LinePanels *spare, float *room) {
  const int64_t nr = job->g->nr;
  LinePanels seen = *p;
  seen.data = spare->data;
  for (int64_t x = 0; x < t->lanes; x++) {
    memcpy(seen.data, p->data, (size_t)p->panels * p->panel_bytes);
    for (int64_t k = t->begin; k < to; k++)
      for (int64_t i = 0; i < p->panels && (t->key0 + k < t->first[x] || t->key0 + k > t->last[x]); i++)
        panel_clear_k(seen.data + (size_t)i * p->panel_bytes, job->g->mr, job->g->ku_a, k);
    memcpy(room, out, (size_t)(p->lines * nr) * 4);
    add_all(job, &seen, t->begin, to, block, t->lanes, room);
    for (int64_t i = 0; i < p->lines; i++) out[i * nr + x] = room[i * nr + x];
  }
}

void panels_add(const AttentionJob *job, const LinePanels *p, const ScoreTile *t, int64_t n, const void *block, float *out,
                const LinePanels *spare, float *room) {
  if (p->finite || !t->masked) add_all(job, p, t->begin, min64(t->end, n), block, t->lanes, out);
  else add_lane_by_lane(job, p, t, min64(t->end, n), block, out, spare, room);
}

// Queries

// Keys [*low, *high] that query i of sequence b sees.
static void query_keys(const AttentionArgs *a, int64_t b, int64_t i, int64_t *low, int64_t *high) {
  *low = a->doc_start ? a->doc_start[b * a->Tq + i] : 0;
  *high = i + a->Tk - a->Tq;
}

void query_item(const AttentionJob *job, int64_t index, QueryItem *item) {
  const AttentionArgs *a = job->a;
  *item = (QueryItem){.b = index / job->chunks / a->K, .g = index / job->chunks % a->K, .i0 = index % job->chunks * job->chunk};
  item->n = min64(job->chunk, a->Tq - item->i0);
  item->low = a->Tk;
  for (int64_t i = 0; i < item->n; i++) {
    int64_t low;
    query_keys(a, item->b, item->i0 + i, &low, &item->high);
    item->low = min64(item->low, low);
    if (!a->doc_start) {
      item->high += item->n - 1;
      break;
    }
  }
  item->low = max64(item->low, 0);
}

static int64_t query_item_cost(const void *arg, int64_t index) {
  const AttentionJob *job = arg;
  QueryItem item;
  query_item(job, index, &item);
  return item.n * job->group * (item.high - item.low + 1 + ATTENTION_KEYS / 4);
}

void query_block_see(const AttentionJob *job, const QueryItem *item, QueryBlock *block) {
  block->low = INT64_MAX;
  block->high = -1;
  for (int64_t x = 0; x < job->g->nr; x++) {
    int64_t lane = min64(x, block->lanes - 1), low, high;  // lanes without a query do as the last one
    query_keys(job->a, item->b, item->i0 + (block->x0 + lane) % item->n, &low, &high);
    block->first[x] = (int32_t)low;
    block->last[x] = (int32_t)high;
    block->low = min64(block->low, low);
    block->high = max64(block->high, high);
  }
}

bool query_block_clip(const AttentionJob *job, const QueryBlock *block, int64_t t0, ScoreTile *t) {
  int64_t begin = max64(block->low - t0, 0), end = min64(block->high + 1 - t0, ATTENTION_KEYS);
  if (begin >= end) return false;
  const int64_t step = max64(4, job->g->ku_a);
  t->begin = begin / step * step;
  t->end = end + end % 2;
  t->key0 = (int32_t)t0;
  t->lanes = block->lanes;
  t->first = block->first;
  t->last = block->last;
  t->masked = false;
  for (int64_t x = 0; x < block->lanes; x++) t->masked |= block->first[x] > t0 + t->begin || block->last[x] < t0 + t->end - 1;
  return true;
}

// Runs of lanes of one head: `lane` and the run's length, its row of a matrix of queries and its head.
typedef struct {
  int64_t lane, n, row, head;
} Run;

static bool next_run(const AttentionJob *job, const QueryItem *item, const QueryBlock *block, Run *r) {
  r->lane += r->n;
  if (r->lane >= block->lanes) return false;
  int64_t x = block->x0 + r->lane, i = x % item->n;
  r->head = item->g * job->group + x / item->n;
  r->row = item->b * job->a->Tq + item->i0 + i;
  r->n = min64(block->lanes - r->lane, item->n - i);
  return true;
}

void query_block_pack(const AttentionJob *job, const QueryItem *item, const QueryBlock *block, Mat m, int64_t stride, int64_t D,
                      void *to, void *room) {
  assert(m.data && room);
  GemmPack pack = {.to = to, .width = job->g->nr, .ku = job->g->ku, .n_lines = block->lanes, .n_k = D};
  Run r = {0};
  if (!next_run(job, item, block, &r)) return;
  pack.src = mat_at(m, r.row, r.head * stride);
  if (r.n < block->lanes) {  // several heads: their rows side by side first
    Mat rows = mat_of(room, D, m.type);
    do {
      for (int64_t i = 0; i < r.n; i++)
        memcpy(mat_at(rows, r.lane + i, 0).data, mat_at(m, r.row + i, r.head * stride).data, (size_t)D * dtype_bytes(m.type));
    } while (next_run(job, item, block, &r));
    pack.src = rows;
  }
  job->g->pack_across(&pack);
}

void query_block_write(const AttentionJob *job, const QueryItem *item, const QueryBlock *block, Mat m, int64_t stride,
                       int64_t D, float *room) {
  GemmPack turn = {.to = (char *)room,
                   .src = mat_of(block->out, job->g->nr, DT_F32),
                   .width = D,
                   .ku = 1,
                   .n_lines = D,
                   .n_k = block->lanes};
  job->g->pack_across(&turn);
  for (Run r = {0}; next_run(job, item, block, &r);)
    job->g->store(&(GemmStore){
        .tile = room + r.lane * D, .ld = D, .rows = r.n, .cols = D, .c = mat_at(m, r.row, r.head * stride), .add = mat_none()});
}

// Work

void attention_share(const void *job, int64_t n, int64_t (*cost)(const void *job, int64_t index), int thread, int n_threads,
                     int64_t *begin, int64_t *end) {
  int64_t total = 0, at = 0;
  for (int64_t i = 0; i < n; i++) total += cost(job, i);
  *begin = *end = 0;
  for (int64_t i = 0; i < n; i++) {
    // An item belongs to the run its middle falls into.
    int64_t c = cost(job, i), owner = min64((int64_t)((double)(at + c / 2) / (double)total * n_threads), n_threads - 1);
    if (owner < thread) *begin = i + 1;
    if (owner <= thread) *end = i + 1;
    at += c;
  }
}

bool attention_in_bf16(const AttentionArgs *a) {
  return a->q.type == DT_BF16 && a->k.type == DT_BF16 && a->v.type == DT_BF16 &&
         (a->Dk_shared == 0 || a->k_shared.type == DT_BF16);
}

AttentionJob attention_job(Dev *dev, const AttentionArgs *a, bool bf16) {
  assert(a->scale > 0 && a->H % a->K == 0 && a->Dk_own + a->Dk_shared <= ATTENTION_D_MAX && a->Dv <= ATTENTION_D_MAX &&
         a->q.type != DT_F64);
  const GemmKernel *g = gemm_kernel(dev, bf16 ? DT_BF16 : DT_F32);
  if (a->Dk_shared && a->Dk_own % g->ku_a) g = gemm_kernel(dev, DT_F32);  // own and shared keys in one panel
  return (AttentionJob){.dev = dev,
                        .a = a,
                        .g = g,
                        .k = kernels[dev->isa],
                        .Dk = a->Dk_own + a->Dk_shared,
                        .group = a->H / a->K,
                        .exponent = (float)(a->scale * LOG2_E)};
}

// Forward

typedef struct {
  LinePanels keys, values, spare;  // values, spare: lines are columns of v
  float *s, *room;
  QueryBlock blocks[ATTENTION_BLOCKS];
} ForwardSpace;

static ForwardSpace forward_space(const AttentionJob *job, int thread) {
  const int64_t nr = job->g->nr, Dv = job->a->Dv, f = 4 * nr;
  Arena s = attention_space(job, thread);
  ForwardSpace f_s = {.keys = panels_take(job, &s, ATTENTION_KEYS, job->Dk),
                      .values = panels_take(job, &s, Dv, ATTENTION_KEYS),
                      .spare = panels_take(job, &s, Dv, ATTENTION_KEYS)};
  f_s.s = attention_take(&s, ATTENTION_KEYS * f);
  f_s.room = attention_take(&s, max64(job->Dk, Dv) * f);
  for (int64_t i = 0; i < div_up(job->chunk * job->group, nr); i++)
    f_s.blocks[i] = (QueryBlock){.q = attention_take(&s, (job->Dk + 1) * f),
                                 .out = attention_take(&s, Dv * f),
                                 .max = attention_take(&s, f),
                                 .sum = attention_take(&s, f),
                                 .first = attention_take(&s, f),
                                 .last = attention_take(&s, f)};
  return f_s;
}

static void forward_block_begin(const AttentionJob *job, const QueryItem *item, QueryBlock *b, void *room) {
  assert(b->out);
  query_block_see(job, item, b);
  query_block_pack(job, item, b, job->a->q, job->a->q_stride, job->Dk, b->q, room);
  memset(b->out, 0, (size_t)(job->a->Dv * job->g->nr) * 4);
  for (int64_t x = 0; x < job->g->nr; x++) {
    b->max[x] = -INFINITY;
    b->sum[x] = 0;
  }
}

static void forward_block_end(const AttentionJob *job, const QueryItem *item, QueryBlock *b, float *room) {
  const AttentionArgs *a = job->a;
  job->k->finish(b->out, b->sum, b->first, b->last, a->Dv);
  query_block_write(job, item, b, a->out, a->Dv, a->Dv, room);
  for (Run r = {0}; next_run(job, item, b, &r);)
    for (int64_t i = 0; i < r.n; i++)
      ((float *)a->lse.data)[(r.row + i) * a->lse.ld + r.head] =
          (float)((double)b->max[r.lane + i] / LOG2_E + log((double)b->sum[r.lane + i]));
}

static void forward_item(const AttentionJob *job, ForwardSpace *s, const QueryItem *item) {
  const AttentionArgs *a = job->a;
  const int64_t nr = job->g->nr, lanes = item->n * job->group, n_blocks = div_up(lanes, nr);
  for (int64_t i = 0; i < n_blocks; i++) {
    s->blocks[i].x0 = i * nr;
    s->blocks[i].lanes = min64(nr, lanes - i * nr);
    forward_block_begin(job, item, &s->blocks[i], s->room);
  }
  for (int64_t t0 = item->low / ATTENTION_KEYS * ATTENTION_KEYS; t0 <= item->high; t0 += ATTENTION_KEYS) {
    int64_t n = min64(ATTENTION_KEYS, item->high + 1 - t0);
    panels_pack_keys(job, &s->keys, item->b, item->g, t0, n);
    panels_pack_columns(job, &s->values, mat_at(a->v, item->b * a->Tk, item->g * a->v_stride), t0, n);
    for (int64_t i = 0; i < n_blocks; i++) {
      QueryBlock *b = &s->blocks[i];
      ScoreTile t = {.bf16 = job->g->ku == 2,
                     .exponent = job->exponent,
                     .s = s->s,
                     .p = s->s,
                     .max = b->max,
                     .sum = b->sum,
                     .out = b->out,
                     .Dv = a->Dv};
      if (!query_block_clip(job, b, t0, &t)) continue;
      panels_times(job, &s->keys, job->Dk, b->q, b->lanes, t.begin, t.end, s->s);
      job->k->softmax(&t);
      panels_add(job, &s->values, &t, n, t.p, b->out, &s->spare, s->room);
    }
  }
  for (int64_t i = 0; i < n_blocks; i++) forward_block_end(job, item, &s->blocks[i], s->room);
}

static void forward_thread(void *arg, int thread, int n_threads) {
  const AttentionJob *job = arg;
  ForwardSpace s = forward_space(job, thread);
  gemm_begin(job->g);
  int64_t begin, end;
  attention_share(job, job->a->B * job->a->K * job->chunks, query_item_cost, thread, n_threads, &begin, &end);
  for (int64_t i = begin; i < end; i++) {
    QueryItem item;
    query_item(job, i, &item);
    forward_item(job, &s, &item);
  }
  gemm_end(job->g);
}

// As many blocks of queries as fit the second-level cache beside the keys, but items enough for the threads.
static void forward_cut(AttentionJob *job) {
  const AttentionArgs *a = job->a;
  const int64_t nr = job->g->nr, blocks = max64(1, min64(ATTENTION_BLOCKS, (512 << 10) / ((job->Dk + a->Dv) * nr * 4)));
  job->chunk = max64(1, blocks * nr / job->group);
  while (job->chunk * job->group > nr && job->chunk > 1 &&
         a->B * a->K * div_up(a->Tq, job->chunk) < 8 * pool_threads(job->dev->pool))
    job->chunk = div_up(job->chunk, 2);
  assert(div_up(job->chunk * job->group, nr) <= ATTENTION_BLOCKS);
  job->chunks = div_up(a->Tq, job->chunk);
}

void attention_forward_cpu(Dev *dev, const AttentionArgs *a) {
  AttentionJob job = attention_job(dev, a, attention_in_bf16(a));
  forward_cut(&job);
  pool_run(dev->pool, forward_thread, &job);
}

void attention_ops_set(Ops *o, Isa isa) {
  o->attention_forward = attention_forward_cpu;
  o->attention_backward = attention_backward_cpu;
  o->attention_forward_from = o->attention_backward_from = isa_names[isa];
}
