#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "base/half.h"
#include "ops/cpu/attention_sums.h"
#include "ops/cpu/whole.h"

enum {
  STRIP_MAX = 4,                          // tiles of keys that a chunk of queries, once packed, goes over
  STRIP_BYTES = 640 << 10,                // of the second-level cache for them
  CHUNK_BLOCKS = ATTENTION_QUERIES / 16,  // at the least nr
  QUERIES_PART = 4 * ATTENTION_QUERIES,   // of an item of the pass by queries
};

// A pass: what it makes of the scores, and its items: all keys and queries of some heads, or a part of either.
typedef struct {
  AttentionJob job;
  bool dq, dkv;
  int64_t strip;                 // tiles
  int64_t keys, key_parts;       // of an item
  int64_t queries, query_parts;  // of an item
  int64_t heads, head_parts;     // key heads of an item
  // Heads of one sequence after one another over several threads, where they share dk_shared's sums: each goes over the strips
  // behind the one before it. strips_done: of each head; shared_sum: of all tiles. NULL: no such heads.
  atomic_llong *strips_done;
  float *shared_sum;
  int64_t reserved;  // bytes of thread 0's working space that hold them
  int64_t b;         // the sequence
} Pass;

typedef struct {
  int64_t b, g0, g1, t0, t1, i0, i1;
} Item;

static Item item_of(const Pass *p, int64_t index) {
  const AttentionArgs *a = p->job.a;
  const int64_t part = index % p->key_parts, chunk = index / p->key_parts % p->query_parts,
                rest = index / p->key_parts / p->query_parts;
  Item item = {
      .b = rest / p->head_parts, .g0 = rest % p->head_parts * p->heads, .t0 = part * p->keys, .i0 = chunk * p->queries};
  item.g1 = item.g0 + p->heads;
  item.t1 = min64(item.t0 + p->keys, a->Tk);
  item.i1 = min64(item.i0 + p->queries, a->Tq);
  return item;
}

static int64_t items_of(const Pass *p) { return p->job.a->B * p->head_parts * p->query_parts * p->key_parts; }

// Scores of an item, about: of every 32nd query.
static int64_t item_cost(const void *arg, int64_t index) {
  const Pass *p = arg;
  const AttentionArgs *a = p->job.a;
  const Item item = item_of(p, index);
  int64_t cost = 1;
  for (int64_t i = item.i0; i < item.i1; i += 32) {
    int64_t low = a->doc_start ? a->doc_start[item.b * a->Tq + i] : 0, high = i + a->Tk - a->Tq;
    cost += max64(0, min64(high + 1, item.t1) - max64(low, item.t0));
  }
  return cost;
}

// A thread's working space.
typedef struct {
  // Of a strip, by tile; own, shared: lines are columns of the keys.
  LinePanels keys[STRIP_MAX], values[STRIP_MAX], own[STRIP_MAX], shared[STRIP_MAX];
  float *own_sum[STRIP_MAX], *v_sum[STRIP_MAX], *shared_sum;  // shared_sum: of every tile of the item
  // Of a tile.
  LinePanels spare;
  float *s, *dp, *room;
  void *p_rows, *ds_rows;  // [ATTENTION_KEYS][ATTENTION_QUERIES]
  // Of a chunk of queries.
  QueryBlock block[CHUNK_BLOCKS];
  void *packed;
  Columns dout, q_own, q_shared;
  float *dq;  // of all the item's blocks of queries, head after head: [Dk][nr]
} Space;

static void strip_take(const Pass *p, Arena *at, Space *s) {
  const AttentionJob *job = &p->job;
  const AttentionArgs *a = job->a;
  for (int64_t i = 0; i < p->strip; i++) {
    s->keys[i] = panels_take(job, at, ATTENTION_KEYS, job->Dk);
    s->values[i] = panels_take(job, at, ATTENTION_KEYS, a->Dv);
    if (p->dq) {
      s->own[i] = panels_take(job, at, a->Dk_own, ATTENTION_KEYS);
      s->shared[i] = panels_take(job, at, a->Dk_shared, ATTENTION_KEYS);
    }
    if (p->dkv) {
      s->own_sum[i] = attention_take(at, columns_floats(job, a->Dk_own) * 4);
      s->v_sum[i] = attention_take(at, columns_floats(job, a->Dv) * 4);
    }
  }
}

static int64_t blocks_of(const Pass *p, int64_t queries) { return div_up(queries, p->job.g->nr); }

// Of dk_shared's sums of an item.
static int64_t shared_bytes(const Pass *p) {
  return div_up(p->keys, ATTENTION_KEYS) * columns_floats(&p->job, p->job.a->Dk_shared) * 4;
}

static Space space_take(const Pass *p, Arena *at) {
  const AttentionJob *job = &p->job;
  const AttentionArgs *a = job->a;
  const int64_t nr = job->g->nr, f = 4 * nr;
  Space s = {0};
  strip_take(p, at, &s);
  s.s = attention_take(at, ATTENTION_KEYS * f);
  s.dp = attention_take(at, ATTENTION_KEYS * f);
  s.room = attention_take(at, max64(job->Dk, a->Dv) * f);
  s.packed = attention_take(at, (a->Dv + 1) * f);
  for (int64_t i = 0; i < blocks_of(p, ATTENTION_QUERIES); i++)
    s.block[i] = (QueryBlock){.q = attention_take(at, (job->Dk + 1) * f),
                              .dout = attention_take(at, (a->Dv + 1) * f),
                              .lse = attention_take(at, f),
                              .d = attention_take(at, f),
                              .first = attention_take(at, f),
                              .last = attention_take(at, f)};
  if (p->dq) {
    s.spare = panels_take(job, at, max64(a->Dk_own, a->Dk_shared), ATTENTION_KEYS);
    s.dq = attention_take(at, job->group * blocks_of(p, p->queries) * job->Dk * f);
  }
  if (p->dkv) {
    s.p_rows = attention_take(at, ATTENTION_KEYS * ATTENTION_QUERIES * element_bytes(job));
    s.ds_rows = attention_take(at, ATTENTION_KEYS * ATTENTION_QUERIES * element_bytes(job));
    s.dout = columns_take(job, at, a->Dv);
    s.q_own = columns_take(job, at, a->Dk_own);
    s.q_shared = columns_take(job, at, a->Dk_shared);
    s.shared_sum = p->strips_done ? p->shared_sum : attention_take(at, shared_bytes(p));
  }
  return s;
}

static size_t space_bytes(const Pass *p) {
  Arena measure;
  arena_measure(&measure, "attention");
  space_take(p, &measure);
  return measure.peak;
}

// Queries

// What a block brings to its tiles: q and dout packed, lse, d = dout . out. Lanes without a query get zeros: nothing comes of
// them.
static void block_pack(const AttentionJob *job, const QueryItem *item, QueryBlock *block, const Space *s) {
  const AttentionArgs *a = job->a;
  query_block_see(job, item, block);
  query_block_pack(job, item, block, a->q, a->q_stride, job->Dk, block->q, s->room);
  query_block_pack(job, item, block, a->dout, a->Dv, a->Dv, block->dout, s->room);
  query_block_pack(job, item, block, a->out, a->Dv, a->Dv, s->packed, s->room);
  job->k->dot(block->d, block->dout, s->packed, a->Dv, job->g->ku);
  for (int64_t x = 0; x < job->g->nr; x++) {
    int64_t lane = block->x0 + x, row = item->b * a->Tq + item->i0 + lane % item->n, h = item->g * job->group + lane / item->n;
    double lse = x < block->lanes ? (double)((const float *)a->lse.data)[row * a->lse.ld + h] : 0;
    block->lse[x] = (float)(lse * LOG2_E);
  }
}

// The lanes of block x of head h's chunk are queries of that head alone.
static QueryItem block_item(const Pass *p, const QueryChunk *chunk, int64_t h, int64_t x, QueryBlock *block) {
  const int64_t nr = p->job.g->nr;
  QueryItem item = {.b = chunk->b, .g = h / p->job.group, .i0 = chunk->i0 + x * nr, .n = min64(nr, chunk->n - x * nr)};
  block->x0 = h % p->job.group * item.n;
  block->lanes = item.n;
  return item;
}

static void chunk_pack(const Pass *p, Space *s, const QueryChunk *chunk, int64_t h) {
  const AttentionArgs *a = p->job.a;
  for (int64_t x = 0; x < blocks_of(p, chunk->n); x++) {
    QueryItem item = block_item(p, chunk, h, x, &s->block[x]);
    block_pack(&p->job, &item, &s->block[x], s);
  }
  if (!p->dkv) return;
  const int64_t row = chunk->b * a->Tq;
  columns_pack(&p->job, &s->dout, chunk, mat_at(a->dout, row, h * a->Dv));
  columns_pack(&p->job, &s->q_own, chunk, mat_at(a->q, row, h * a->q_stride));
  columns_pack(&p->job, &s->q_shared, chunk, mat_at(a->q, row, h * a->q_stride + a->Dk_own));
}

// Where the sums of block x of head h's chunk are.
static float *dq_of(const Pass *p, const Space *s, const Item *item, int64_t h, int64_t i0) {
  const int64_t nr = p->job.g->nr, block = h % p->job.group * blocks_of(p, p->queries) + (i0 - item->i0) / nr;
  return s->dq + block * p->job.Dk * nr;
}

static void dq_write(const Pass *p, Space *s, const Item *item, int64_t g) {
  const AttentionArgs *a = p->job.a;
  for (int64_t h = g * p->job.group; h < (g + 1) * p->job.group; h++)
    for (int64_t i = item->i0; i < item->i1; i += p->job.g->nr) {
      const QueryChunk chunk = {item->b, i, min64(p->job.g->nr, item->i1 - i)};
      QueryBlock block = {.out = dq_of(p, s, item, h, i)};
      QueryItem lanes = block_item(p, &chunk, h, 0, &block);
      query_block_write(&p->job, &lanes, &block, a->dq, a->q_stride, p->job.Dk, s->room);
    }
}

// Tiles

// Of the rows of block x, those outside [begin, end).
static void rows_clear(const AttentionJob *job, void *rows, int64_t x, int64_t begin, int64_t end) {
  enum { LINE = 64 };  // a constant, which the compiler makes plain stores of
  const int64_t element = element_bytes(job), bytes = job->g->nr * element;
  char *at = (char *)rows + x * bytes;
  for (int64_t j = begin > 0 ? 0 : end; j < ATTENTION_KEYS; j = j + 1 == begin ? end : j + 1)
    for (int64_t i = 0; i < bytes; i += LINE) memset(at + j * ATTENTION_QUERIES * element + i, 0, LINE);
}

// An odd last lane's neighbour has no query, but is one of its pair: whatever keys made of it must not meet the others.
static void rows_clear_neighbour(const AttentionJob *job, void *rows, int64_t x, int64_t lanes) {
  if (job->g->ku == 1 || lanes % 2 == 0) return;
  Bf16 *at = (Bf16 *)rows + x * job->g->nr + lanes;
  for (int64_t j = 0; j < ATTENTION_KEYS; j++) at[j * ATTENTION_QUERIES] = 0;
}

// Scores and their gradients of block x and the tile at t0; false: it sees nothing of it.
static bool block_gradient(const Pass *p, const Space *s, int64_t i, int64_t t0, int64_t x, ScoreTile *t) {
  const AttentionJob *job = &p->job;
  const QueryBlock *b = &s->block[x];
  const int64_t row = x * job->g->nr * element_bytes(job);
  *t = (ScoreTile){.bf16 = job->g->ku == 2,
                   .exponent = job->exponent,
                   .s = s->s,
                   .dp = s->dp,
                   .lse = b->lse,
                   .d = b->d,
                   .scale = (float)job->a->scale,
                   .row = ATTENTION_QUERIES,
                   .p = p->dkv ? (char *)s->p_rows + row : NULL,
                   .ds = p->dkv ? (char *)s->ds_rows + row : NULL,
                   .ds_block = p->dq ? s->s : NULL};
  if (!query_block_clip(job, b, t0, t)) return false;
  panels_times(job, &s->keys[i], job->Dk, b->q, b->lanes, t->begin, t->end, t->s);
  panels_times(job, &s->values[i], job->a->Dv, b->dout, b->lanes, t->begin, t->end, t->dp);
  job->k->gradient(t);
  return true;
}

// Adds what the chunk gives to the sums of tile i of the strip: rows of keys that lie in [begin[x], end[x]) of its blocks.
static void sums_add(const Pass *p, const Space *s, const QueryChunk *chunk, int64_t i, int64_t t0, float *shared_sum,
                     const int64_t *begin, const int64_t *end) {
  const AttentionJob *job = &p->job;
  const int64_t nr = job->g->nr, blocks = blocks_of(p, chunk->n);
  const LinePanels *panels = &s->keys[i];
  for (int64_t l = 0; l < panels->panels; l++) {
    const int64_t line = panel_line(panels, l), next = panel_line(panels, l + 1);
    int64_t from = 0, to = blocks;
    while (from < to && (begin[from] >= next || end[from] <= line)) from++;
    while (from < to && (begin[to - 1] >= next || end[to - 1] <= line)) to--;
    if (from == to) continue;
    from *= nr, to = min64(to * nr, chunk->n);
    columns_add(job, &s->dout, chunk, s->p_rows, t0, line, next - line, from, to, s->v_sum[i]);
    columns_add(job, &s->q_own, chunk, s->ds_rows, t0, line, next - line, from, to, s->own_sum[i]);
    columns_add(job, &s->q_shared, chunk, s->ds_rows, t0, line, next - line, from, to, shared_sum);
  }
}

// Tile i of the strip, at t0, with n keys, and the chunk of head h that was packed.
static void tile_run(const Pass *p, const Space *s, const Item *item, const QueryChunk *chunk, int64_t h, int64_t i,
                     int64_t t0) {
  const AttentionJob *job = &p->job;
  const int64_t nr = job->g->nr, blocks = blocks_of(p, chunk->n), n = min64(ATTENTION_KEYS, item->t1 - t0);
  int64_t begin[CHUNK_BLOCKS] = {0}, end[CHUNK_BLOCKS] = {0};
  for (int64_t x = 0; x < blocks; x++) {
    ScoreTile t;
    if (block_gradient(p, s, i, t0, x, &t)) {
      begin[x] = t.begin, end[x] = t.end;
      if (p->dq) {
        float *dq = dq_of(p, s, item, h, chunk->i0 + x * nr);
        panels_add(job, &s->own[i], &t, n, t.ds_block, dq, &s->spare, s->room);
        if (job->a->Dk_shared) panels_add(job, &s->shared[i], &t, n, t.ds_block, dq + job->a->Dk_own * nr, &s->spare, s->room);
      }
    }
    if (p->dkv) {
      rows_clear(job, s->p_rows, x, begin[x], end[x]);
      rows_clear(job, s->ds_rows, x, begin[x], end[x]);
      rows_clear_neighbour(job, s->p_rows, x, s->block[x].lanes);
      rows_clear_neighbour(job, s->ds_rows, x, s->block[x].lanes);
    }
  }
  if (!p->dkv) return;
  float *shared_sum = s->shared_sum;
  if (shared_sum) shared_sum += (t0 - item->t0) / ATTENTION_KEYS * columns_floats(job, job->a->Dk_shared);
  sums_add(p, s, chunk, i, t0, shared_sum, begin, end);
}

// Whether any of the chunk's queries sees a key of [t0, t1).
static bool chunk_sees(const AttentionArgs *a, const QueryChunk *chunk, int64_t t0, int64_t t1) {
  if (chunk->i0 + chunk->n - 1 + a->Tk - a->Tq < t0) return false;
  for (int64_t i = 0; a->doc_start && i < chunk->n; i++)
    if (a->doc_start[chunk->b * a->Tq + chunk->i0 + i] < t1) return true;
  return !a->doc_start;
}

// Strips

static void strip_pack(const Pass *p, Space *s, int64_t b, int64_t g, int64_t i, int64_t t0, int64_t n) {
  const AttentionArgs *a = p->job.a;
  panels_pack_keys(&p->job, &s->keys[i], b, g, t0, n);
  panels_pack_values(&p->job, &s->values[i], b, g, t0, n);
  if (p->dq) {
    panels_pack_columns(&p->job, &s->own[i], mat_at(a->k, b * a->Tk, g * a->k_stride), t0, n);
    if (a->Dk_shared) panels_pack_columns(&p->job, &s->shared[i], mat_at(a->k_shared, b * a->Tk, 0), t0, n);
  }
  if (p->dkv) {
    memset(s->own_sum[i], 0, (size_t)columns_floats(&p->job, a->Dk_own) * 4);
    memset(s->v_sum[i], 0, (size_t)columns_floats(&p->job, a->Dv) * 4);
  }
}

static void strip_write(const Pass *p, const Space *s, int64_t b, int64_t g, int64_t i, int64_t t0, int64_t n) {
  const AttentionArgs *a = p->job.a;
  columns_write(&p->job, s->own_sum[i], a->Dk_own, mat_at(a->dk, b * a->Tk + t0, g * a->k_stride), n);
  columns_write(&p->job, s->v_sum[i], a->Dv, mat_at(a->dv, b * a->Tk + t0, g * a->v_stride), n);
}

// The tiles from t0 to t1 of key head g.
static void strip_run(const Pass *p, Space *s, const Item *item, int64_t g, int64_t t0, int64_t t1) {
  const AttentionJob *job = &p->job;
  const int64_t tiles = div_up(t1 - t0, ATTENTION_KEYS);
  for (int64_t i = 0; i < tiles; i++) {
    const int64_t t = t0 + i * ATTENTION_KEYS;
    strip_pack(p, s, item->b, g, i, t, min64(ATTENTION_KEYS, t1 - t));
  }
  for (int64_t h = g * job->group; h < (g + 1) * job->group; h++)
    for (int64_t i0 = item->i0; i0 < item->i1; i0 += ATTENTION_QUERIES) {
      const QueryChunk chunk = {item->b, i0, min64(ATTENTION_QUERIES, item->i1 - i0)};
      if (!chunk_sees(job->a, &chunk, t0, t1)) continue;
      chunk_pack(p, s, &chunk, h);
      for (int64_t i = 0; i < tiles; i++) tile_run(p, s, item, &chunk, h, i, t0 + i * ATTENTION_KEYS);
    }
  for (int64_t i = 0; p->dkv && i < tiles; i++) {
    const int64_t t = t0 + i * ATTENTION_KEYS;
    strip_write(p, s, item->b, g, i, t, min64(ATTENTION_KEYS, t1 - t));
  }
}

// Waits until the head before has left the strip.
static void strip_wait(const Pass *p, int64_t g, int64_t strip) {
  enum { SPINS = 1 << 12 };
  if (!p->strips_done || g == 0) return;
  for (int64_t spin = 0; atomic_load_explicit(&p->strips_done[g - 1], memory_order_acquire) <= strip; spin++)
    if (spin > SPINS) sched_yield();
}

static void shared_write(const Pass *p, const Space *s, const Item *item) {
  const AttentionArgs *a = p->job.a;
  const int64_t floats = columns_floats(&p->job, a->Dk_shared);
  for (int64_t t0 = item->t0; t0 < item->t1; t0 += ATTENTION_KEYS)
    columns_write(&p->job, s->shared_sum + (t0 - item->t0) / ATTENTION_KEYS * floats, a->Dk_shared,
                  mat_at(a->dk_shared, item->b * a->Tk + t0, 0), min64(ATTENTION_KEYS, item->t1 - t0));
}

static void item_run(const Pass *p, Space *s, const Item *item) {
  const AttentionJob *job = &p->job;
  const AttentionArgs *a = job->a;
  const bool shared = p->dkv && a->Dk_shared, alone = !p->strips_done;
  const int64_t step = p->strip * ATTENTION_KEYS;
  if (shared && (alone || item->g0 == 0)) memset(s->shared_sum, 0, (size_t)shared_bytes(p));
  for (int64_t g = item->g0; g < item->g1; g++) {
    if (p->dq) memset(s->dq, 0, (size_t)(job->group * blocks_of(p, p->queries) * job->Dk * job->g->nr) * 4);
    for (int64_t t0 = item->t0, strip = 0; t0 < item->t1; t0 += step, strip++) {
      strip_wait(p, g, strip);
      strip_run(p, s, item, g, t0, min64(t0 + step, item->t1));
      if (!alone) atomic_store_explicit(&p->strips_done[g], strip + 1, memory_order_release);
    }
    if (p->dq) dq_write(p, s, item, g);
  }
  if (shared && (alone || item->g1 == a->K)) shared_write(p, s, item);
}

// Passes

static void pass_thread(void *arg, int thread, int n_threads) {
  const Pass *p = arg;
  Arena at = attention_space(&p->job, thread);
  Space s = space_take(p, &at);
  gemm_begin(p->job.g);
  int64_t begin, end;
  attention_share(p, items_of(p), item_cost, thread, n_threads, &begin, &end);
  for (int64_t i = begin; i < end; i++) {
    const Item item = item_of(p, i);
    item_run(p, &s, &item);
  }
  gemm_end(p->job.g);
}

// One sequence; thread t has heads t, t + n, ...
static void heads_thread(void *arg, int thread, int n_threads) {
  const Pass *p = arg;
  Arena at = attention_space(&p->job, thread);
  Space s = space_take(p, &at);
  gemm_begin(p->job.g);
  for (int64_t i = thread; i < p->head_parts; i += n_threads) {
    const Item item = item_of(p, p->b * p->head_parts + i);
    item_run(p, &s, &item);
  }
  gemm_end(p->job.g);
}

// Keys and queries of an item. dk_shared is a sum over the heads: an item takes all of them.
static Pass pass_of(const AttentionJob *job, bool dq, bool dkv, int64_t keys, int64_t queries) {
  const AttentionArgs *a = job->a;
  Pass p = {.job = *job,
            .dq = dq,
            .dkv = dkv,
            .strip = 1,
            .keys = max64(1, min64(keys, a->Tk)),
            .queries = max64(1, min64(queries, a->Tq))};
  p.heads = dkv && a->Dk_shared ? a->K : 1;
  p.head_parts = a->K / p.heads;
  p.key_parts = div_up(a->Tk, p.keys);
  p.query_parts = div_up(a->Tq, p.queries);
  return p;
}

// The most tiles that stay in the second-level cache.
static void strip_fit(Pass *p) {
  Arena tile;
  Space s;
  arena_measure(&tile, "a tile's part of a strip");
  strip_take(p, &tile, &s);
  const int64_t tiles = div_up(p->keys, ATTENTION_KEYS);
  p->strip = max64(1, min64(min64(tiles, STRIP_MAX), STRIP_BYTES / (int64_t)tile.peak));
  while (p->strip > 1 && (int64_t)space_bytes(p) > ATTENTION_SCRATCH_BYTES - p->reserved) p->strip--;
}

static void pass_run(Pass *p) {
  strip_fit(p);
  pool_run(p->job.dev->pool, pass_thread, p);
}

// Whether one pass has room, and items enough that no thread waits long.
static bool once_is_better(const Pass *once) {
  const int64_t threads = pool_threads(once->job.dev->pool), items = items_of(once);
  return space_bytes(once) <= ATTENTION_SCRATCH_BYTES && 4 * div_up(items, threads) * threads <= 5 * items;
}

// The same of heads after one another, which need some strips to lie between them.
static bool heads_are_better(Pass *p) {
  const AttentionArgs *a = p->job.a;
  if (!a->Dk_shared || a->K < 2 * pool_threads(p->job.dev->pool) || a->Tk < 8 * ATTENTION_KEYS) return false;
  Arena end = {.name = "attention's sums over the heads", .base = dev_scratch(p->job.dev, 0, ATTENTION_SCRATCH_BYTES)};
  p->heads = 1;
  p->head_parts = a->K;
  p->reserved = shared_bytes(p) + a->K * (int64_t)sizeof *p->strips_done + 4 * ARENA_ALIGN;
  if (p->reserved > ATTENTION_SCRATCH_BYTES) return false;
  end.base += ATTENTION_SCRATCH_BYTES - p->reserved / ARENA_ALIGN * ARENA_ALIGN;
  end.size = (size_t)p->reserved;
  p->shared_sum = arena_take(&end, (size_t)shared_bytes(p));
  p->strips_done = arena_take(&end, (size_t)a->K * sizeof *p->strips_done);
  return (int64_t)space_bytes(p) <= ATTENTION_SCRATCH_BYTES - p->reserved;
}

static void heads_run(Pass *p) {
  strip_fit(p);
  for (p->b = 0; p->b < p->job.a->B; p->b++) {
    for (int64_t g = 0; g < p->head_parts; g++) atomic_init(&p->strips_done[g], 0);
    pool_run(p->job.dev->pool, heads_thread, p);
  }
}

void attention_backward_cpu(Dev *dev, const AttentionArgs *a) {
  const AttentionJob job = attention_job(dev, a, attention_in_bf16(a) && a->dout.type == DT_BF16 && a->out.type == DT_BF16);
  Pass once = pass_of(&job, true, true, a->Tk, a->Tq);
  if (once_is_better(&once)) {
    pass_run(&once);
    return;
  }
  Pass heads = pass_of(&job, true, true, a->Tk, a->Tq);
  if (heads_are_better(&heads)) {
    heads_run(&heads);
    return;
  }
  Pass queries = pass_of(&job, true, false, a->Tk, QUERIES_PART), keys = pass_of(&job, false, true, ATTENTION_KEYS, a->Tq);
  pass_run(&queries);
  pass_run(&keys);
}
