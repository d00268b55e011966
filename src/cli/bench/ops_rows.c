// The row operations' cases of `pleiad bench ops`.
#include "base/rng.h"
#include "cli/bench/ops.h"

static Mat take(BenchJob *j, Arena *a, int slot, int64_t rows, int64_t cols, Dtype type) {
  return j->m[slot] = mat_take(a, rows, cols, type);
}
static Mat column(BenchJob *j, Arena *a, int slot, int64_t rows) {
  return j->m[slot] = mat_of(arena_take(a, (size_t)rows * sizeof(float)), 1, DT_F32);
}
static int32_t *ints(Arena *a, int64_t n) { return arena_take(a, (size_t)n * sizeof(int32_t)); }

// Bytes of `reads` and `writes` elements of the job's type, and so many of fp32.
static void cost(BenchJob *j, double reads, double writes, double reads_f32, double writes_f32) {
  double bytes = (double)dtype_bytes(j->type);
  j->read_bytes = bytes * reads + 4 * reads_f32;
  j->write_bytes = bytes * writes + 4 * writes_f32;
}

static int64_t scattered(uint64_t i, int64_t n) { return (int64_t)(rng_uniform(rng_named(0, "bench ops"), 0, i) * (double)n); }

// N tokens of width D: what most cases begin with.
static double tokens(BenchJob *j, const BenchSizes *s, int64_t D) {
  j->N = s->B * s->T;
  j->D = D;
  return (double)j->N * (double)D;
}

static void carve_cast(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  double n = tokens(j, s, s->D);
  take(j, a, 0, j->N, j->D, DT_F32);
  take(j, a, 1, j->N, j->D, j->type);
  cost(j, n, 0, 0, n);
}
static void run_cast(Dev *dev, BenchJob *j) { dev->op->cast(dev, j->m[0], j->m[1], j->N, j->D); }
static void carve_master(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  j->N = 1, j->D = s->parameters;
  take(j, a, 0, 1, j->D, j->type);
  take(j, a, 1, 1, j->D, DT_F32);
  cost(j, 0, (double)j->D, (double)j->D, 0);
}
const BenchCase bench_op_cast[] = {{"tokens to fp32", carve_cast, run_cast, NEEDS_NOTHING},
                                   {"parameters from fp32", carve_master, run_cast, NEEDS_NOTHING},
                                   {0}};

static void carve_add(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  double n = tokens(j, s, s->D);
  take(j, a, 0, j->N, j->D, DT_F32);
  take(j, a, 1, j->N, j->D, j->type);
  cost(j, n, 0, n, n);
}
static void run_add(Dev *dev, BenchJob *j) { dev->op->add(dev, j->m[0], j->m[0], j->m[1], j->N, j->D); }
const BenchCase bench_op_add[] = {{"to the residual", carve_add, run_add, NEEDS_NOTHING}, {0}};

static void run_scale_add(Dev *dev, BenchJob *j) {
  dev->op->scale_add(dev, j->m[0], j->m[0], j->m[1], j->N, j->D, 0.95, 0.05, 0);
}
const BenchCase bench_op_scale_add[] = {{"momentum", carve_add, run_scale_add, NEEDS_NOTHING}, {0}};

static void carve_zero(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  j->N = 1, j->D = s->parameters;
  take(j, a, 0, 1, j->D, DT_F32);
  cost(j, 0, 0, 0, (double)j->D);
}
static void run_zero(Dev *dev, BenchJob *j) { dev->op->zero(dev, j->m[0], j->N, j->D); }
const BenchCase bench_op_zero[] = {{"gradients", carve_zero, run_zero, NEEDS_NOTHING}, {0}};

enum { Y, X, W, RSTD, DY, DW };

static void carve_norm(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  double n = tokens(j, s, s->D);
  take(j, a, Y, j->N, j->D, j->type);
  take(j, a, X, j->N, j->D, DT_F32);
  take(j, a, DY, j->N, j->D, j->type);
  take(j, a, W, 1, j->D, DT_F32);
  take(j, a, DW, 1, j->D, DT_F32);
  column(j, a, RSTD, j->N);
  cost(j, 0, n, n, (double)j->N);
}
static void run_norm(Dev *dev, BenchJob *j) {
  dev->op->rms_norm_forward(dev, j->m[Y], j->m[RSTD], j->m[X], j->m[W], j->N, j->D, 1e-5);
}
const BenchCase bench_op_rms_norm_forward[] = {{"width D", carve_norm, run_norm, NEEDS_NOTHING}, {0}};

static void carve_norm_input(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  carve_norm(j, a, dev, s);
  double n = tokens(j, s, s->D);
  take(j, a, Y, j->N, j->D, DT_F32);
  cost(j, n, 0, 2 * n, n);
}
static void run_norm_input(Dev *dev, BenchJob *j) {
  dev->op->rms_norm_backward_input(dev, j->m[Y], j->m[Y], j->m[DY], j->m[X], j->m[RSTD], j->m[W], j->N, j->D);
}
const BenchCase bench_op_rms_norm_backward_input[] = {{"width D, added", carve_norm_input, run_norm_input, NEEDS_NOTHING}, {0}};

static void carve_norm_weight(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  carve_norm(j, a, dev, s);
  double n = tokens(j, s, s->D);
  cost(j, n, 0, n, 0);
}
static void run_norm_weight(Dev *dev, BenchJob *j) {
  dev->op->rms_norm_backward_weight(dev, j->m[DW], j->m[DY], j->m[X], j->m[RSTD], j->N, j->D);
}
const BenchCase bench_op_rms_norm_backward_weight[] = {{"width D", carve_norm_weight, run_norm_weight, NEEDS_NOTHING}, {0}};

static void run_bias(Dev *dev, BenchJob *j) { dev->op->bias_backward(dev, j->m[DW], j->m[DY], j->N, j->D); }
static void carve_bias(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  double n = tokens(j, s, s->D);
  take(j, a, DY, j->N, j->D, j->type);
  take(j, a, DW, 1, j->D, DT_F32);
  cost(j, n, 0, 0, 0);
}
const BenchCase bench_op_bias_backward[] = {{"width D", carve_bias, run_bias, NEEDS_NOTHING}, {0}};

static void carve_embedding(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  double n = tokens(j, s, s->D);
  take(j, a, Y, j->N, j->D, DT_F32);
  take(j, a, W, s->V, j->D, DT_F32);
  j->ids = ints(a, j->N);
  for (int64_t i = 0; j->ids && i < j->N; i++) j->ids[i] = (int32_t)scattered((uint64_t)i, s->V);
  cost(j, 0, 0, n, n);
}
static void run_embedding(Dev *dev, BenchJob *j) { dev->op->embedding_forward(dev, j->m[Y], j->m[W], j->ids, j->N, j->D); }
const BenchCase bench_op_embedding_forward[] = {{"scattered ids", carve_embedding, run_embedding, NEEDS_NOTHING}, {0}};

static void carve_embedding_backward(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  carve_embedding(j, a, dev, s);
  cost(j, 0, 0, 2 * (double)j->N * (double)j->D, (double)j->N * (double)j->D);
}
static void run_embedding_backward(Dev *dev, BenchJob *j) {
  dev->op->embedding_backward(dev, j->m[W], j->m[Y], j->ids, j->N, j->D);
}
const BenchCase bench_op_embedding_backward[] = {
    {"scattered ids", carve_embedding_backward, run_embedding_backward, NEEDS_NOTHING}, {0}};

enum { COS = 1, SIN };

static void carve_rope(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  int64_t width = s->H * (s->nope + s->rope);
  double n = tokens(j, s, width) / (double)(s->nope + s->rope) * (double)s->rope;
  take(j, a, X - 1, j->N, width, j->type);
  take(j, a, COS, s->T, s->rope / 2, DT_F32);
  take(j, a, SIN, s->T, s->rope / 2, DT_F32);
  j->ids = ints(a, j->N);
  for (int64_t i = 0; j->ids && i < j->N; i++) j->ids[i] = (int32_t)(i % s->T);
  j->attention.H = s->H, j->attention.Dk_own = s->nope, j->attention.Dk_shared = s->rope;
  cost(j, n, n, 0, 0);
}
static void run_rope(Dev *dev, BenchJob *j) {
  int64_t H = j->attention.H, nope = j->attention.Dk_own, d = j->attention.Dk_shared;
  dev->op->rope(dev, mat_at(j->m[0], 0, nope), j->ids, j->m[COS], j->m[SIN], j->N, H, nope + d, d, true, false);
}
const BenchCase bench_op_rope[] = {{"pairs of the query heads", carve_rope, run_rope, NEEDS_NOTHING}, {0}};

enum { GATE = 1, UP, WEIGHT, DWEIGHT };

static void carve_swiglu(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  double n = tokens(j, s, s->F);
  for (int slot = Y; slot <= UP; slot++) take(j, a, slot, j->N, j->D, j->type);
  cost(j, 2 * n, n, 0, 0);
}
static void carve_swiglu_experts(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  j->N = s->B * s->T * s->k, j->D = s->expert_F;
  double n = (double)j->N * (double)j->D;
  for (int slot = Y; slot <= UP; slot++) take(j, a, slot, j->N, j->D, j->type);
  column(j, a, WEIGHT, j->N);
  column(j, a, DWEIGHT, j->N);
  cost(j, 2 * n, n, 0, 0);
}
static void run_swiglu(Dev *dev, BenchJob *j) {
  dev->op->swiglu_forward(dev, j->m[Y], j->m[GATE], j->m[UP], j->m[WEIGHT], j->N, j->D);
}
const BenchCase bench_op_swiglu_forward[] = {
    {"dense", carve_swiglu, run_swiglu, NEEDS_NOTHING}, {"experts", carve_swiglu_experts, run_swiglu, NEEDS_EXPERTS}, {0}};

static void carve_swiglu_backward(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  carve_swiglu(j, a, dev, s);
  double n = (double)j->N * (double)j->D;
  cost(j, 3 * n, 3 * n, 0, 0);
}
static void carve_swiglu_experts_backward(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  carve_swiglu_experts(j, a, dev, s);
  double n = (double)j->N * (double)j->D;
  cost(j, 3 * n, 3 * n, 0, 0);
}
static void run_swiglu_backward(Dev *dev, BenchJob *j) {
  dev->op->swiglu_backward(dev, j->m[GATE], j->m[UP], j->m[DWEIGHT], j->m[Y], j->m[Y], j->m[GATE], j->m[UP], j->m[WEIGHT], j->N,
                           j->D);
}
const BenchCase bench_op_swiglu_backward[] = {
    {"dense, in place", carve_swiglu_backward, run_swiglu_backward, NEEDS_NOTHING},
    {"experts, in place", carve_swiglu_experts_backward, run_swiglu_backward, NEEDS_EXPERTS},
    {0}};

enum { LOGITS, WEIGHTS, AUX, DWEIGHTS, DLOGITS };

static void carve_router(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  double n = tokens(j, s, s->router_E);
  Mat logits = take(j, a, LOGITS, j->N, s->router_E, DT_F32);
  for (int64_t i = 0; logits.data && i < j->N * s->router_E; i++)
    ((float *)logits.data)[i / s->router_E * logits.ld + i % s->router_E] = (float)(scattered((uint64_t)i, 4096) - 2048) / 1024;
  j->router = (RouterArgs){.N = j->N,
                           .T = s->T,
                           .E = s->router_E,
                           .k = s->k,
                           .n_group = 1,
                           .topk_group = 1,
                           .scoring = SCORE_SIGMOID,
                           .normalise = true,
                           .norm_eps = 1e-20,
                           .scaling = 2.8,
                           .logits = logits,
                           .ids = ints(a, j->N * s->k),
                           .weights = take(j, a, WEIGHTS, j->N, s->k, DT_F32),
                           .picks = ints(a, s->B * s->router_E),
                           .aux = column(j, a, AUX, s->B),
                           .dweights = take(j, a, DWEIGHTS, j->N, s->k, DT_F32),
                           .dlogits = take(j, a, DLOGITS, j->N, s->router_E, DT_F32),
                           .aux_scale = 1e-3};
  for (int64_t i = 0; j->router.ids && i < j->N * s->k; i++) j->router.ids[i] = (int32_t)(i % s->router_E);
  cost(j, 0, 0, n, 0);
}
static void run_router(Dev *dev, BenchJob *j) { dev->op->router_forward(dev, &j->router); }
const BenchCase bench_op_router_forward[] = {{"sigmoid", carve_router, run_router, NEEDS_EXPERTS}, {0}};

static void carve_router_backward(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  carve_router(j, a, dev, s);
  cost(j, 0, 0, (double)(j->N * s->router_E), (double)(j->N * s->router_E));
}
static void run_router_backward(Dev *dev, BenchJob *j) { dev->op->router_backward(dev, &j->router); }
const BenchCase bench_op_router_backward[] = {{"sigmoid", carve_router_backward, run_router_backward, NEEDS_EXPERTS}, {0}};

// Picks of N tokens, sorted: offsets, tokens, slots, rows.
static void carve_sort(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  tokens(j, s, s->D);
  j->router.k = s->k, j->router.E = s->E;
  int64_t n = j->N * s->k;
  j->ids = ints(a, n);
  j->offset = ints(a, s->E + 1);
  j->rows = ints(a, n);
  j->slots = ints(a, n);
  j->packed = ints(a, n);
  for (int64_t i = 0; j->ids && i < n; i++) {
    j->ids[i] = (int32_t)scattered((uint64_t)i, s->E);
    j->slots[i] = (int32_t)i;
  }
  cost(j, 0, 0, (double)n, 3 * (double)n);
}
static void run_sort(Dev *dev, BenchJob *j) {
  dev->op->moe_sort(dev, j->offset, j->rows, j->slots, j->packed, j->ids, j->N, j->router.k, j->router.E);
}
const BenchCase bench_op_moe_sort[] = {{"scattered picks", carve_sort, run_sort, NEEDS_EXPERTS}, {0}};

static void carve_combine(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  carve_sort(j, a, dev, s);
  double n = (double)j->N * (double)j->D;
  take(j, a, Y, j->N, j->D, DT_F32);
  take(j, a, X, j->N * s->k, j->D, j->type);
  cost(j, n * (double)s->k, 0, n, n);
}
static void run_combine(Dev *dev, BenchJob *j) {
  dev->op->moe_combine(dev, j->m[Y], j->m[Y], j->m[X], j->slots, j->N, j->router.k, j->D);
}
const BenchCase bench_op_moe_combine[] = {{"to the residual", carve_combine, run_combine, NEEDS_EXPERTS}, {0}};

static void carve_permute(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  carve_sort(j, a, dev, s);
  int64_t n = j->N * s->k;
  column(j, a, Y, n);
  column(j, a, X, n);
  cost(j, 0, 0, 2 * (double)n, (double)n);
}
static void run_permute(Dev *dev, BenchJob *j) {
  dev->op->moe_permute(dev, j->m[Y].data, j->m[X].data, j->slots, j->N * j->router.k, false);
}
const BenchCase bench_op_moe_permute[] = {{"weights", carve_permute, run_permute, NEEDS_EXPERTS}, {0}};

enum { NLL = 1, LSE };

static void carve_loss(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  double n = tokens(j, s, s->V);
  take(j, a, LOGITS, j->N, s->V, DT_F32);
  column(j, a, NLL, j->N);
  column(j, a, LSE, j->N);
  j->ids = ints(a, j->N);
  j->vector = arena_take(a, (size_t)j->N * sizeof(float));
  for (int64_t i = 0; j->ids && i < j->N; i++) {
    j->ids[i] = (int32_t)scattered((uint64_t)i, s->V);
    j->vector[i] = 1;
  }
  cost(j, 0, n, n, 0);
}
// As the head does: logits are fp32, their gradients of the type, in their place.
static void run_loss(Dev *dev, BenchJob *j) {
  Mat logits = j->m[LOGITS],
      dlogits = mat_of(logits.data, logits.ld * (int64_t)(sizeof(float) / dtype_bytes(j->type)), j->type);
  dev->op->cross_entropy(dev, dlogits, j->m[NLL], j->m[LSE], logits, j->ids, j->vector, j->N, j->D, 1, 1e-4);
}
const BenchCase bench_op_cross_entropy[] = {{"in place", carve_loss, run_loss, NEEDS_NOTHING}, {0}};

static void carve_squares(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  j->N = s->parameters;
  j->vector = arena_take(a, (size_t)j->N * sizeof(float));
  cost(j, 0, 0, (double)j->N, 0);
}
static void run_squares(Dev *dev, BenchJob *j) {
  double sum;
  dev->op->sum_squares(dev, &sum, j->vector, j->N);
}
const BenchCase bench_op_sum_squares[] = {{"gradients", carve_squares, run_squares, NEEDS_NOTHING}, {0}};

static void take_adamw(BenchJob *j, Arena *a, int64_t rows, int64_t cols, Dtype weights, Dtype moments) {
  int64_t n = rows * cols;
  j->adamw = (AdamwArgs){.N = rows,
                         .D = cols,
                         .step = 10,
                         .p = mat_take(a, rows, cols, weights),
                         .g = arena_take(a, (size_t)n * 4),
                         .m = mat_take(a, 1, n, moments),
                         .v = mat_take(a, 1, n, moments),
                         .lr = 1e-3,
                         .beta1 = 0.9,
                         .beta2 = 0.95,
                         .eps = 1e-8,
                         .decay = 0.1,
                         .grad_scale = 1};
}
static void carve_adamw(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  double n = (double)s->parameters;
  take_adamw(j, a, 1, s->parameters, DT_F32, j->type);
  cost(j, 2 * n, 2 * n, 2 * n, 2 * n);
}
// As matrices are trained in bf16.
static void carve_adamw_split(BenchJob *j, Arena *a, const Dev *dev, const BenchSizes *s) {
  (void)dev;
  const int64_t rows = s->parameters / s->D;
  double n = (double)rows * (double)s->D;
  take_adamw(j, a, rows, s->D, DT_SPLIT, j->type);
  cost(j, 2 * n, 2 * n, 2 * n, 2 * n);
}
static void run_adamw(Dev *dev, BenchJob *j) { dev->op->adamw(dev, &j->adamw); }
const BenchCase bench_op_adamw[] = {{"moments of the type", carve_adamw, run_adamw, NEEDS_NOTHING},
                                    {"weights in halves", carve_adamw_split, run_adamw, NEEDS_NOTHING},
                                    {0}};
