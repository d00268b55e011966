#include <string.h>

#include "ops/cpu/attention.h"

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// What a block brings to its tiles: q and dout packed, lse, d = dout . out. Lanes without a query get zeros: nothing comes of
// them. room: [nr][D], packed: [Dv][nr].
static void block_pack(const AttentionJob *job, const QueryItem *item, QueryBlock *block, void *room, void *packed) {
  const AttentionArgs *a = job->a;
  query_block_see(job, item, block);
  query_block_pack(job, item, block, a->q, a->q_stride, job->Dk, block->q, room);
  query_block_pack(job, item, block, a->dout, a->Dv, a->Dv, block->dout, room);
  query_block_pack(job, item, block, a->out, a->Dv, a->Dv, packed, room);
  job->k->dot(block->d, block->dout, packed, a->Dv, job->g->ku);
  for (int64_t x = 0; x < job->g->nr; x++) {
    int64_t lane = block->x0 + x, row = item->b * a->Tq + item->i0 + lane % item->n, h = item->g * job->group + lane / item->n;
    block->lse[x] = x < block->lanes ? ((const float *)a->lse.data)[row * a->lse.ld + h] : 0;
  }
}

static QueryBlock block_take(const AttentionJob *job, AttentionSpace *s) {
  const int64_t f = 4 * job->g->nr;
  return (QueryBlock){.q = attention_take(s, (job->Dk + 1) * f),
                      .dout = attention_take(s, (job->a->Dv + 1) * f),
                      .lse = attention_take(s, f),
                      .d = attention_take(s, f),
                      .first = attention_take(s, f),
                      .last = attention_take(s, f)};
}

// Scores and their gradients of one block and one tile of keys, in t->p and t->ds.
static void tile_gradient(const AttentionJob *job, const LinePanels *keys, const LinePanels *values, const QueryBlock *b,
                          ScoreTile *t) {
  panels_times(job, keys, job->Dk, b->q, b->lanes, t->begin, t->end, t->s);
  panels_times(job, values, job->a->Dv, b->dout, b->lanes, t->begin, t->end, t->dp);
  t->scale = (float)job->a->scale;
  t->lse = b->lse;
  t->d = b->d;
  job->k->gradient(t);
}

// By queries: dq

typedef struct {
  LinePanels keys, values, own, shared, spare;  // own, shared, spare: lines are columns of the keys
  float *s, *dp, *room;
  void *packed;
  QueryBlock blocks[ATTENTION_BLOCKS];
} QuerySpace;

static QuerySpace query_space(const AttentionJob *job, int thread) {
  const AttentionArgs *a = job->a;
  const int64_t nr = job->g->nr, f = 4 * nr;
  AttentionSpace s = attention_space(job, thread);
  QuerySpace q = {.keys = panels_take(job, &s, ATTENTION_KEYS, job->Dk),
                  .values = panels_take(job, &s, ATTENTION_KEYS, a->Dv),
                  .own = panels_take(job, &s, a->Dk_own, ATTENTION_KEYS),
                  .shared = panels_take(job, &s, a->Dk_shared, ATTENTION_KEYS)};
  q.spare = panels_take(job, &s, max64(a->Dk_own, a->Dk_shared), ATTENTION_KEYS);
  q.s = attention_take(&s, ATTENTION_KEYS * f);
  q.dp = attention_take(&s, ATTENTION_KEYS * f);
  q.room = attention_take(&s, max64(job->Dk, a->Dv) * f);
  q.packed = attention_take(&s, (a->Dv + 1) * f);
  for (int64_t i = 0; i < div_up(job->chunk * job->group, nr); i++) {
    q.blocks[i] = block_take(job, &s);
    q.blocks[i].out = attention_take(&s, job->Dk * f);
  }
  return q;
}

static void query_run(const AttentionJob *job, QuerySpace *s, const QueryItem *item) {
  const AttentionArgs *a = job->a;
  const int64_t nr = job->g->nr, lanes = item->n * job->group, n_blocks = div_up(lanes, nr);
  for (int64_t i = 0; i < n_blocks; i++) {
    s->blocks[i].x0 = i * nr;
    s->blocks[i].lanes = min64(nr, lanes - i * nr);
    block_pack(job, item, &s->blocks[i], s->room, s->packed);
    memset(s->blocks[i].out, 0, (size_t)(job->Dk * nr) * 4);
  }
  for (int64_t t0 = item->low / ATTENTION_KEYS * ATTENTION_KEYS; t0 <= item->high; t0 += ATTENTION_KEYS) {
    int64_t n = min64(ATTENTION_KEYS, item->high + 1 - t0);
    panels_pack_keys(job, &s->keys, item->b, item->g, t0, n);
    panels_pack_values(job, &s->values, item->b, item->g, t0, n);
    panels_pack_columns(job, &s->own, mat_at(a->k, item->b * a->Tk, item->g * a->k_stride), t0, n);
    if (a->Dk_shared) panels_pack_columns(job, &s->shared, mat_at(a->k_shared, item->b * a->Tk, 0), t0, n);
    for (int64_t i = 0; i < n_blocks; i++) {
      QueryBlock *b = &s->blocks[i];
      ScoreTile t = {.s = s->s, .dp = s->dp, .ds = s->dp, .form = PROB_F32};
      if (job->g->ku == 2) {
        t.form = PROB_PAIRS;
        t.ds = s->s;  // read before it is written, row by row
      }
      if (!query_block_clip(b, t0, &t)) continue;
      tile_gradient(job, &s->keys, &s->values, b, &t);
      panels_add(job, &s->own, &t, n, t.ds, b->out, &s->spare, s->room);
      if (a->Dk_shared) panels_add(job, &s->shared, &t, n, t.ds, b->out + a->Dk_own * nr, &s->spare, s->room);
    }
  }
  for (int64_t i = 0; i < n_blocks; i++) query_block_write(job, item, &s->blocks[i], a->dq, a->q_stride, job->Dk, s->room);
}

static void query_thread(void *arg, int thread, int n_threads) {
  const AttentionJob *job = arg;
  QuerySpace s = query_space(job, thread);
  int64_t begin, end;
  attention_share(job, job->a->B * job->a->K * job->chunks, query_item_cost, thread, n_threads, &begin, &end);
  for (int64_t i = begin; i < end; i++) {
    QueryItem item;
    query_item(job, i, &item);
    query_run(job, &s, &item);
  }
}

// By keys: dk, dv, dk_shared. Queries come in chunks of QUERIES, so that the sums are long enough for the tiles.

enum { QUERIES = 128 };

// A sum [ATTENTION_KEYS][width] in blocks of nr columns, and the panels of nr columns it is made from.
typedef struct {
  float *sum;  // and one block more: room
  char *data;  // [panels] of [QUERIES][nr], and one more: room
  size_t panel_bytes;
  int64_t width;
  bool finite;
} Columns;

typedef struct {
  LinePanels keys, values, p, ds;  // p, ds: lines are keys, k's queries
  float *s, *dp;
  void *p_rows, *ds_rows;  // what the lanes leave: fp32 in place, or bf16
  Columns own, shared, v;
  QueryBlock block;
  void *room, *packed;
} KeySpace;

static Columns columns_take(const AttentionJob *job, AttentionSpace *s, int64_t width) {
  const int64_t nr = job->g->nr, panels = div_up(width, nr);
  Columns c = {.width = width, .panel_bytes = (size_t)(QUERIES * nr * element_bytes(job) + GEMM_PANEL_PAD)};
  c.sum = attention_take(s, (panels + 1) * ATTENTION_KEYS * nr * 4);
  c.data = attention_take(s, (panels + 1) * (int64_t)c.panel_bytes);
  return c;
}

static KeySpace key_space(const AttentionJob *job, int thread) {
  const AttentionArgs *a = job->a;
  const int64_t f = 4 * job->g->nr;
  AttentionSpace s = attention_space(job, thread);
  KeySpace k = {.keys = panels_take(job, &s, ATTENTION_KEYS, job->Dk),
                .values = panels_take(job, &s, ATTENTION_KEYS, a->Dv),
                .p = panels_take(job, &s, ATTENTION_KEYS, QUERIES),
                .ds = panels_take(job, &s, ATTENTION_KEYS, QUERIES),
                .own = columns_take(job, &s, a->Dk_own),
                .shared = columns_take(job, &s, a->Dk_shared),
                .v = columns_take(job, &s, a->Dv)};
  k.p_rows = k.s = attention_take(&s, ATTENTION_KEYS * f);
  k.ds_rows = k.dp = attention_take(&s, ATTENTION_KEYS * f);
  if (job->g->ku == 2) {
    k.p_rows = attention_take(&s, ATTENTION_KEYS * f / 2);
    k.ds_rows = attention_take(&s, ATTENTION_KEYS * f / 2);
  }
  k.block = block_take(job, &s);
  k.room = attention_take(&s, max64(job->Dk, a->Dv) * f);
  k.packed = attention_take(&s, (a->Dv + 1) * f);
  return k;
}

static void columns_clear(const AttentionJob *job, const Columns *c) {
  memset(c->sum, 0, (size_t)(div_up(c->width, job->g->nr) * ATTENTION_KEYS * job->g->nr) * 4);
}

static void columns_pack(const AttentionJob *job, Columns *c, Mat m, int64_t row, int64_t n) {
  GemmPack pack = {.to = c->data,
                   .panel_bytes = c->panel_bytes,
                   .src = m,
                   .width = job->g->nr,
                   .ku = job->g->ku,
                   .n_lines = c->width,
                   .k = row,
                   .n_k = n};
  job->g->pack_along(&pack);
  c->finite = true;
  for (int64_t i = 0; i < div_up(c->width, job->g->nr); i++)
    c->finite &= job->k->all_finite(c->data + (size_t)i * c->panel_bytes,
                                    (n + n % job->g->ku) * job->g->nr * element_bytes(job), job->g->ku);
}

// The queries of a panel of keys that see any of it: [from, to) of the chunk from query i0 of sequence b on.
typedef struct {
  int64_t b, i0, from, to;
} Seen;

static bool sees(const AttentionArgs *a, const Seen *seen, int64_t query, int64_t key) {
  const int64_t i = seen->i0 + query, first = a->doc_start ? a->doc_start[seen->b * a->Tq + i] : 0;
  return first <= key && key <= i + a->Tk - a->Tq;
}

// As columns_add, for columns that hold NaN or infinity, which the zeros of queries that do not see a key would not hide: each
// key has its turn with the queries that see it.
static void add_key_by_key(const AttentionJob *job, const Columns *c, const LinePanels *p, int64_t i, int64_t t0,
                           const Seen *seen) {
  const GemmKernel *g = job->g;
  const int64_t line = panel_line(p, i), rows = panel_line(p, i + 1) - line, width = div_up(c->width, g->nr);
  char *spare = c->data + (size_t)width * c->panel_bytes;
  float *room = c->sum + width * ATTENTION_KEYS * g->nr;
  for (int64_t n = 0; n < width; n++)
    for (int64_t l = 0; l < rows; l++) {
      float *sum = c->sum + (n * ATTENTION_KEYS + line) * g->nr;
      memcpy(spare, c->data + (size_t)n * c->panel_bytes, c->panel_bytes);
      for (int64_t q = 0; q < seen->to; q++)
        if (!sees(job->a, seen, q, t0 + line + l)) panel_clear_k(job, spare, g->nr, q);
      memcpy(room, sum, (size_t)(rows * g->nr) * 4);
      g->tile(seen->to, p->data + (size_t)i * p->panel_bytes, spare, (int)rows, g->nr, room, room, g->nr);
      memcpy(sum + l * g->nr, room + l * g->nr, (size_t)g->nr * 4);
    }
}

// sum[lines of panel i] += panel i of `p` times the columns, over the queries that see it
static void columns_add(const AttentionJob *job, const Columns *c, const LinePanels *p, int64_t i, int64_t t0,
                        const Seen *seen) {
  const GemmKernel *g = job->g;
  const int64_t element = element_bytes(job), line = panel_line(p, i), rows = panel_line(p, i + 1) - line;
  if (!c->finite) {
    add_key_by_key(job, c, p, i, t0, seen);
    return;
  }
  for (int64_t n = 0; n < c->width; n += g->nr) {
    float *at = c->sum + (n / g->nr * ATTENTION_KEYS + line) * g->nr;
    g->tile(seen->to - seen->from, p->data + (size_t)i * p->panel_bytes + seen->from * g->mr * element,
            c->data + (size_t)(n / g->nr) * c->panel_bytes + seen->from * g->nr * element, (int)rows,
            (int)min64(g->nr, c->width - n), at, at, g->nr);
  }
}

static void columns_write(const AttentionJob *job, const Columns *c, Mat m, int64_t rows) {
  const int64_t nr = job->g->nr;
  for (int64_t n = 0; n < c->width; n += nr)
    job->g->store(&(GemmStore){.tile = c->sum + n * ATTENTION_KEYS,
                               .ld = nr,
                               .rows = rows,
                               .cols = min64(nr, c->width - n),
                               .c = mat_at(m, 0, n),
                               .add = mat_none()});
}

// Clears the rows outside of [begin, end).
static void rows_clear(void *rows, size_t row_bytes, int64_t begin, int64_t end) {
  memset(rows, 0, (size_t)begin * row_bytes);
  memset((char *)rows + (size_t)end * row_bytes, 0, (size_t)(ATTENTION_KEYS - end) * row_bytes);
}

// Turns a block's rows into the k's from `query` on of the panels.
static void rows_turn(const AttentionJob *job, const LinePanels *p, const void *rows, int64_t query, int64_t lanes) {
  const GemmKernel *g = job->g;
  const Mat src = mat_of((void *)(uintptr_t)rows, g->nr, g->ku == 1 ? DT_F32 : DT_BF16);
  for (int64_t i = 0; i < p->panels; i++) {
    int64_t line = panel_line(p, i);
    GemmPack pack = {.to = p->data + (size_t)i * p->panel_bytes + query * g->mr * element_bytes(job),
                     .src = src,
                     .width = g->mr,
                     .ku = g->ku,
                     .line = line,
                     .n_lines = panel_line(p, i + 1) - line,
                     .n_k = lanes};
    g->pack_across(&pack);
  }
}

// Queries [i0, i0 + n) of head h.
static void key_queries(const AttentionJob *job, KeySpace *s, int64_t b, int64_t h, int64_t t0, int64_t i0, int64_t n) {
  const AttentionArgs *a = job->a;
  const int64_t nr = job->g->nr;
  Seen seen[ATTENTION_KEYS];
  for (int64_t i = 0; i < s->p.panels; i++) seen[i] = (Seen){.b = b, .i0 = i0, .from = n};
  for (int64_t x = 0; x < n; x += nr) {
    QueryItem item = {.b = b, .g = h / job->group, .i0 = i0 + x, .n = min64(nr, n - x)};
    QueryBlock *block = &s->block;
    block->x0 = h % job->group * item.n;
    block->lanes = item.n;
    query_block_see(job, &item, block);
    ScoreTile t = {.s = s->s, .dp = s->dp, .p = s->p_rows, .ds = s->ds_rows, .form = job->g->ku == 1 ? PROB_F32 : PROB_BF16};
    if (!query_block_clip(block, t0, &t)) t.begin = t.end = 0;
    if (t.begin < t.end) {
      block_pack(job, &item, block, s->room, s->packed);
      tile_gradient(job, &s->keys, &s->values, block, &t);
    }
    size_t row_bytes = (size_t)(nr * element_bytes(job));
    rows_clear(s->p_rows, row_bytes, t.begin, t.end);
    rows_clear(s->ds_rows, row_bytes, t.begin, t.end);
    rows_turn(job, &s->p, s->p_rows, x, item.n);
    rows_turn(job, &s->ds, s->ds_rows, x, item.n);
    for (int64_t i = 0; i < s->p.panels; i++)
      if (panel_line(&s->p, i) < t.end && panel_line(&s->p, i + 1) > t.begin) {
        seen[i].from = min64(seen[i].from, x);
        seen[i].to = x + item.n;
      }
  }
  columns_pack(job, &s->v, mat_at(a->dout, 0, h * a->Dv), b * a->Tq + i0, n);
  columns_pack(job, &s->own, mat_at(a->q, 0, h * a->q_stride), b * a->Tq + i0, n);
  columns_pack(job, &s->shared, mat_at(a->q, 0, h * a->q_stride + a->Dk_own), b * a->Tq + i0, n);
  for (int64_t i = 0; i < s->p.panels; i++) {
    if (seen[i].from >= seen[i].to) continue;
    columns_add(job, &s->v, &s->p, i, t0, &seen[i]);
    columns_add(job, &s->own, &s->ds, i, t0, &seen[i]);
    columns_add(job, &s->shared, &s->ds, i, t0, &seen[i]);
  }
}

// Queries [*begin, *end) hold all that see anything of the keys from t0 on to t1.
static void key_seen_by(const AttentionArgs *a, int64_t b, int64_t t0, int64_t t1, int64_t *begin, int64_t *end) {
  *begin = max64(0, t0 - (a->Tk - a->Tq));
  *end = a->Tq;
  while (a->doc_start && *end > *begin && a->doc_start[b * a->Tq + *end - 1] > t1) --*end;
}

static void key_run(const AttentionJob *job, KeySpace *s, int64_t b, int64_t t0) {
  const AttentionArgs *a = job->a;
  const int64_t n = min64(ATTENTION_KEYS, a->Tk - t0);
  int64_t begin, end;
  key_seen_by(a, b, t0, t0 + n - 1, &begin, &end);
  columns_clear(job, &s->shared);
  for (int64_t g = 0; g < a->K; g++) {
    panels_pack_keys(job, &s->keys, b, g, t0, n);
    panels_pack_values(job, &s->values, b, g, t0, n);
    columns_clear(job, &s->own);
    columns_clear(job, &s->v);
    for (int64_t h = g * job->group; h < (g + 1) * job->group; h++)
      for (int64_t i = begin; i < end; i += QUERIES) key_queries(job, s, b, h, t0, i, min64(QUERIES, end - i));
    columns_write(job, &s->own, mat_at(a->dk, b * a->Tk + t0, g * a->k_stride), n);
    columns_write(job, &s->v, mat_at(a->dv, b * a->Tk + t0, g * a->v_stride), n);
  }
  if (a->Dk_shared) columns_write(job, &s->shared, mat_at(a->dk_shared, b * a->Tk + t0, 0), n);
}

static int64_t key_tiles(const AttentionArgs *a) { return div_up(a->Tk, ATTENTION_KEYS); }

static int64_t key_cost(const AttentionJob *job, int64_t index) {
  const AttentionArgs *a = job->a;
  int64_t begin, end, t0 = index % key_tiles(a) * ATTENTION_KEYS;
  key_seen_by(a, index / key_tiles(a), t0, t0 + ATTENTION_KEYS - 1, &begin, &end);
  return end - begin + 1;
}

static void key_thread(void *arg, int thread, int n_threads) {
  const AttentionJob *job = arg;
  const int64_t tiles = key_tiles(job->a);
  KeySpace s = key_space(job, thread);
  int64_t begin, end;
  attention_share(job, job->a->B * tiles, key_cost, thread, n_threads, &begin, &end);
  for (int64_t i = begin; i < end; i++) key_run(job, &s, i / tiles, i % tiles * ATTENTION_KEYS);
}

void attention_backward_cpu(Dev *dev, const AttentionArgs *a) {
  AttentionJob job = attention_job(dev, a, true);
  pool_run(dev->pool, query_thread, &job);
  pool_run(dev->pool, key_thread, &job);
}
