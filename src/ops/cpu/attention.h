// Attention on the processor, once for every instruction set: the products by the tiles of GemmKernel, the rest by an
// AttentionKernel.
//
// Scores are kept transposed: a row a key, a lane a query (of any head that shares the keys), so that running maximum, sum and
// rescaling need no sums across lanes and every lane is on its own. Keys come in tiles of 128 at multiples of 128. A lane's
// result is a fixed sequence of operations on the keys it sees: keys it does not see enter as exact zeros, whichever other
// lanes wanted them. So decoding one query gives the bits that it had among thousands, on any thread count. With bf16 dots,
// probabilities are rounded to bf16 before they meet the values.
//
// Backward makes the scores of a tile of keys and a block of queries once, and adds to dq (in order of keys), dk, dv and
// dk_shared (queries in rising order in each head, heads in order) alike. A thread then owns all queries and keys of a key
// head, with the sums of dq in its working space. Where they have no room, or there are not heads enough for the threads, it
// goes over the scores twice, by queries for dq and by keys for the rest: with the same bits, since every sum has the same
// order.
#ifndef OPS_CPU_ATTENTION_H
#define OPS_CPU_ATTENTION_H

#include "base/arena.h"
#include "ops/cpu/gemm.h"

// A tile of scores: rows [begin, end) of s [128][nr], row j is key key0 + j. begin is a multiple of 4, end of 2. The first
// `lanes` of nr are wanted, at least.
typedef struct {
  int64_t begin, end, lanes;
  int32_t key0;
  bool masked;                  // not every lane sees every row: see first, last
  bool bf16;                    // probabilities and their gradients are written in bf16
  const int32_t *first, *last;  // [nr] keys each lane sees, inclusive
  float exponent;               // a score times it: an exponent of 2 (scale log2 e)
  float *s;
  // Out: probabilities. Forward: as a panel of B, [128][nr] fp32 (may be s) or [64][nr][2] bf16 pairs of neighbouring keys (may
  // be s). Backward: rows of `row` elements, or NULL.
  void *p;
  float *max, *sum;  // forward [nr], running; max in exponents of 2
  float *out;        // forward [Dv][nr], rescaled when the maximum rises
  int64_t Dv;
  float *dp;             // backward: dout . v, as s
  const float *lse, *d;  // backward [nr]; lse in exponents of 2; d = dout . out
  float scale;
  int64_t row;
  void *ds, *ds_block;  // backward, out: scale p (dp - d), in rows as p, and as a panel of B (may be s or dp); or NULL
} ScoreTile;

typedef struct {
  // p = 2^(exponent s - max), sum and out follow.
  void (*softmax)(const ScoreTile *t);
  // p = 2^(exponent s - lse), ds.
  void (*gradient)(const ScoreTile *t);
  // out [Dv][nr] /= sum; a lane that sees nothing (first > last) becomes 0. The sum of one that saw only -infinity becomes NaN.
  void (*finish)(float *out, float *sum, const int32_t *first, const int32_t *last, int64_t Dv);
  // Whether packed numbers (ku 1: fp32, 2: bf16) hold no NaN and no infinity.
  bool (*all_finite)(const void *packed, int64_t bytes, int64_t ku);
  // d [nr] = sums over D of a b, each packed [D][nr], in the order in which the tiles sum.
  void (*dot)(float *d, const void *a, const void *b, int64_t D, int64_t ku);
} AttentionKernel;

extern const AttentionKernel attention_avx2, attention_avx512, attention_avx512_bf16, attention_amx;

static const double LOG2_E = 1.4426950408889634;
enum {
  ATTENTION_KEYS = 128,
  ATTENTION_BLOCKS = 32,
  ATTENTION_D_MAX = 1024,
  ATTENTION_NR_MAX = 32,
  ATTENTION_SCRATCH_BYTES = 10 << 20
};

// A call, and what all its threads share.
typedef struct {
  Dev *dev;
  const AttentionArgs *a;
  const GemmKernel *g;
  const AttentionKernel *k;
  int64_t Dk, group;  // key width, heads that share a key head
  float exponent;     // ScoreTile's
  int64_t chunk;      // forward: queries of an item
  int64_t chunks;     // items of a (sequence, key head)
} AttentionJob;

// A thread's working space, and its parts: off multiples of 4 KiB.
Arena attention_space(const AttentionJob *job, int thread);
void *attention_take(Arena *space, int64_t bytes);

// Panels of mr lines of the keys of one tile (which = 128 or fewer keys), cut evenly; of Dv or Dk lines likewise.
typedef struct {
  char *data;
  size_t panel_bytes;
  int64_t lines, panels;
  bool finite;  // set by panels_pack_columns
} LinePanels;
static inline int64_t panel_line(const LinePanels *p, int64_t i) { return p->lines * i / p->panels; }

// The packed element's bytes, (k, line).
static inline int64_t element_bytes(const AttentionJob *job) { return job->g->ku == 1 ? 4 : 2; }
LinePanels panels_take(const AttentionJob *job, Arena *space, int64_t lines, int64_t n_k);
// Keys (own and shared) or values of n keys from t0 on, lines = keys.
void panels_pack_keys(const AttentionJob *job, LinePanels *p, int64_t b, int64_t g, int64_t t0, int64_t n);
void panels_pack_values(const AttentionJob *job, LinePanels *p, int64_t b, int64_t g, int64_t t0, int64_t n);
// Columns [0, lines) of m's rows [row, row + n), lines = columns.
void panels_pack_columns(const AttentionJob *job, LinePanels *p, Mat m, int64_t row, int64_t n);
// s [keys][nr] rows of the panels that meet [begin, end) = panels . block
void panels_times(const AttentionJob *job, const LinePanels *p, int64_t n_k, const void *block, int64_t lanes, int64_t begin,
                  int64_t end, float *s);
// out [lines][nr] += panels . block over the tile's keys, of which n exist. Where a lane does not see a key the block holds a
// zero, which hides any number but not NaN and infinity: if the panels hold such, each lane has its turn with the keys it sees
// (slow, and never in a sound run). spare: panels of at least as many lines; room: [lines][nr].
void panels_add(const AttentionJob *job, const LinePanels *p, const ScoreTile *t, int64_t n, const void *block, float *out,
                const LinePanels *spare, float *room);
// Makes the numbers of one k of a packed panel zero (ku: as it was packed, 1 is fp32).
void panel_clear_k(char *panel, int64_t width, int64_t ku, int64_t k);

// The lanes of one block of queries: lane x of item's chunk is query x % n of head x / n.
typedef struct {
  char *q, *dout;                    // packed [D][nr]
  float *out, *max, *sum, *lse, *d;  // out: the sum that this pass makes, [D][nr]
  int32_t *first, *last;
  int64_t lanes, x0, low, high;  // keys that any lane sees, inclusive
} QueryBlock;

typedef struct {
  int64_t b, g, i0, n;  // n queries from i0 on
  int64_t low, high;    // keys that any of them sees, inclusive
} QueryItem;

void query_item(const AttentionJob *job, int64_t index, QueryItem *item);
void query_block_pack(const AttentionJob *job, const QueryItem *item, const QueryBlock *block, Mat m, int64_t stride, int64_t D,
                      void *to, void *room);
void query_block_see(const AttentionJob *job, const QueryItem *item, QueryBlock *block);
// Writes out [D][nr] to the lanes' rows of m, head h at column h * stride.
void query_block_write(const AttentionJob *job, const QueryItem *item, const QueryBlock *block, Mat m, int64_t stride,
                       int64_t D, float *room);
// Sets begin (a whole step of the kernel's), end, masked of a tile at t0 for this block; false: it sees nothing of it.
bool query_block_clip(const AttentionJob *job, const QueryBlock *block, int64_t t0, ScoreTile *t);

// The items of [0, n) whose cost falls to this thread, in runs of equal cost.
void attention_share(const void *job, int64_t n, int64_t (*cost)(const void *job, int64_t index), int thread, int n_threads,
                     int64_t *begin, int64_t *end);
// Whether what forward reads is bf16 throughout.
bool attention_in_bf16(const AttentionArgs *a);
AttentionJob attention_job(Dev *dev, const AttentionArgs *a, bool bf16);

void attention_forward_cpu(Dev *dev, const AttentionArgs *a);
void attention_backward_cpu(Dev *dev, const AttentionArgs *a);
void attention_ops_set(Ops *o, Isa isa);

#endif
