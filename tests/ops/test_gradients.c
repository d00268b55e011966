// Central differences in double against the backward of each differentiable operation, by the reference. The loss is always
// sum_i c_i y_i with fixed c, so c is the gradient that comes in.
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "ops/harness.h"
#include "test.h"

static Dev *dev(void) { return test_dev(ISA_REF, 1); }

// [rows, cols] of normal values from a stream of their own.
static Mat normal(int64_t rows, int64_t cols, const char *name) {
  double *x = malloc((size_t)(rows * cols) * sizeof *x);
  ASSERT(x);
  for (int64_t i = 0; i < rows * cols; i++) x[i] = rng_normal(rng_named(5, name), 0, (uint64_t)i);
  return mat_of(x, cols, DT_F64);
}

static double product(Mat c, Mat y, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += ((const double *)c.data)[i] * ((const double *)y.data)[i];
  return sum;
}

typedef double Loss(const void *arg);

// d loss / d x_i by differences against gradient[i], each to 1e-6 of the greatest.
static void check_gradient(const char *what, Mat x, Mat gradient, int64_t n, Loss *loss, const void *arg) {
  double *value = x.data, greatest = 0;
  for (int64_t i = 0; i < n; i++) greatest = fmax(greatest, fabs(((const double *)gradient.data)[i]));
  ASSERT_MSG(greatest > 0 && isfinite(greatest), "%s: the gradient is nothing", what);
  for (int64_t i = 0; i < n; i++) {
    double kept = value[i], step = 1e-5 * (1 + fabs(kept)), got = ((const double *)gradient.data)[i];
    value[i] = kept + step;
    double up = loss(arg);
    value[i] = kept - step;
    double difference = (up - loss(arg)) / (2 * step);
    value[i] = kept;
    ASSERT_MSG(fabs(got - difference) <= 1e-6 * greatest, "%s[%lld] is %.12g, by differences %.12g", what, (long long)i, got,
               difference);
  }
}

// ---- norm

typedef struct {
  Mat x, w, y, rstd, c;
  int64_t N, D;
} NormCase;

static double norm_loss(const void *arg) {
  const NormCase *a = arg;
  dev()->op->rms_norm_forward(dev(), a->y, a->rstd, a->x, a->w, a->N, a->D, 1e-5);
  return product(a->c, a->y, a->N * a->D);
}

TEST(rms_norm_by_differences) {
  NormCase a = {.N = 3, .D = 11};
  a.x = normal(3, 11, "x"), a.w = normal(1, 11, "w"), a.y = normal(3, 11, "y"), a.rstd = normal(3, 1, "rstd"),
  a.c = normal(3, 11, "c");
  Mat dx = normal(3, 11, "dx"), dw = normal(1, 11, "dw");
  norm_loss(&a);
  dev()->op->zero(dev(), dw, 1, 11);
  dev()->op->rms_norm_backward_input(dev(), dx, mat_none(), a.c, a.x, a.rstd, a.w, 3, 11);
  dev()->op->rms_norm_backward_weight(dev(), dw, a.c, a.x, a.rstd, 3, 11);
  check_gradient("dx", a.x, dx, 33, norm_loss, &a);
  check_gradient("dw", a.w, dw, 11, norm_loss, &a);
}

// ---- swiglu

typedef struct {
  Mat gate, up, weight, y, c;
} SwigluCase;

static double swiglu_loss(const void *arg) {
  const SwigluCase *a = arg;
  dev()->op->swiglu_forward(dev(), a->y, a->gate, a->up, a->weight, 4, 9);
  return product(a->c, a->y, 36);
}

TEST(swiglu_by_differences) {
  SwigluCase a = {normal(4, 9, "gate"), normal(4, 9, "up"), normal(4, 1, "weight"), normal(4, 9, "y"), normal(4, 9, "c")};
  Mat dgate = normal(4, 9, "dgate"), dup = normal(4, 9, "dup"), dweight = normal(4, 1, "dweight");
  dev()->op->swiglu_backward(dev(), dgate, dup, dweight, mat_none(), a.c, a.gate, a.up, a.weight, 4, 9);
  check_gradient("dgate", a.gate, dgate, 36, swiglu_loss, &a);
  check_gradient("dup", a.up, dup, 36, swiglu_loss, &a);
  check_gradient("dweight", a.weight, dweight, 4, swiglu_loss, &a);
}

// ---- rope

typedef struct {
  Mat x, y, cosine, sine, c;
  const int32_t *position;
  bool pairs;
} RopeCase;

static double rope_loss(const void *arg) {
  const RopeCase *a = arg;
  dev()->op->cast(dev(), a->y, a->x, 3, 16);
  dev()->op->rope(dev(), a->y, a->position, a->cosine, a->sine, 3, 2, 8, 6, a->pairs, false);
  return product(a->c, a->y, 48);
}

TEST(rope_by_differences) {
  static const int32_t position[3] = {0, 3, 1};
  for (int pairs = 0; pairs < 2; pairs++) {
    RopeCase a = {
        normal(3, 16, "x"), normal(3, 16, "y"), normal(4, 3, "cos"), normal(4, 3, "sin"), normal(3, 16, "c"), position, pairs};
    for (int64_t i = 0; i < 12; i++) {
      ((double *)a.cosine.data)[i] = cos((double)i);
      ((double *)a.sine.data)[i] = sin((double)i);
    }
    Mat dx = normal(3, 16, "c");
    dev()->op->rope(dev(), dx, position, a.cosine, a.sine, 3, 2, 8, 6, pairs, true);
    check_gradient("dx", a.x, dx, 48, rope_loss, &a);
  }
}

// ---- products: dA = dC B^T, dB = A^T dC, and the groups' weights

typedef struct {
  Mat a, b, y, c;
} GemmCase;

static double gemm_loss(const void *arg) {
  const GemmCase *g = arg;
  dev()->op->gemm(dev(), &(GemmArgs){.M = 4, .N = 5, .K = 6, .c = g->y, .a = g->a, .b = g->b});
  return product(g->c, g->y, 20);
}

TEST(gemm_by_differences) {
  GemmCase g = {normal(4, 6, "a"), normal(6, 5, "b"), normal(4, 5, "y"), normal(4, 5, "c")};
  Mat da = normal(4, 6, "da"), db = normal(6, 5, "db");
  dev()->op->gemm(dev(), &(GemmArgs){.M = 4, .N = 6, .K = 5, .c = da, .a = g.c, .b = g.b, .b_t = true});
  dev()->op->gemm(dev(), &(GemmArgs){.M = 6, .N = 5, .K = 4, .c = db, .a = g.a, .a_t = true, .b = g.c});
  check_gradient("dA", g.a, da, 24, gemm_loss, &g);
  check_gradient("dB", g.b, db, 30, gemm_loss, &g);
}

static const int32_t group_offset[4] = {0, 3, 3, 7};

static double grouped_loss(const void *arg) {
  const GemmCase *g = arg;
  GroupedGemmArgs args = {
      .groups = 3, .N = 5, .K = 6, .rows_max = 7, .offset = group_offset, .c = g->y, .a = g->a, .b = g->b, .b_stride = 30};
  dev()->op->gemm_grouped(dev(), &args);
  return product(g->c, g->y, 35);
}

TEST(grouped_products_by_differences) {
  GemmCase g = {normal(7, 6, "a"), normal(18, 5, "b"), normal(7, 5, "y"), normal(7, 5, "c")};
  Mat da = normal(7, 6, "da"), db = normal(18, 5, "db");
  dev()->op->zero(dev(), db, 18, 5);
  GroupedGemmArgs input = {.groups = 3,
                           .N = 6,
                           .K = 5,
                           .rows_max = 7,
                           .offset = group_offset,
                           .c = da,
                           .a = g.c,
                           .b = g.b,
                           .b_stride = 30,
                           .b_t = true};
  GroupedWeightArgs weight = {
      .groups = 3, .M = 6, .N = 5, .rows_max = 7, .offset = group_offset, .c = db, .c_stride = 30, .a = g.a, .b = g.c};
  dev()->op->gemm_grouped(dev(), &input);
  dev()->op->gemm_grouped_weight(dev(), &weight);
  check_gradient("dA", g.a, da, 42, grouped_loss, &g);
  check_gradient("dB", g.b, db, 90, grouped_loss, &g);
}

// ---- embedding and combine

typedef struct {
  Mat table, y, c;
  const int32_t *index;
} GatherCase;

static double embedding_loss(const void *arg) {
  const GatherCase *a = arg;
  dev()->op->embedding_forward(dev(), a->y, a->table, a->index, 6, 3);
  return product(a->c, a->y, 18);
}

TEST(embedding_by_differences) {
  static const int32_t ids[6] = {1, 4, 1, 0, 1, 4};
  GatherCase a = {normal(5, 3, "table"), normal(6, 3, "y"), normal(6, 3, "c"), ids};
  Mat dtable = normal(5, 3, "dtable");
  dev()->op->zero(dev(), dtable, 5, 3);
  dev()->op->embedding_backward(dev(), dtable, a.c, ids, 6, 3);
  check_gradient("dtable", a.table, dtable, 15, embedding_loss, &a);
}

static double combine_loss(const void *arg) {
  const GatherCase *a = arg;
  dev()->op->moe_combine(dev(), a->y, mat_none(), a->table, a->index, 3, 2, 4);
  return product(a->c, a->y, 12);
}

// The gradient of a sorted row is its token's.
TEST(combine_by_differences) {
  static const int32_t slot_row[6] = {4, 0, 2, 5, 1, 3}, row_token[6] = {0, 2, 1, 2, 0, 1};
  GatherCase a = {normal(6, 4, "rows"), normal(3, 4, "y"), normal(3, 4, "c"), slot_row};
  Mat drows = normal(6, 4, "drows");
  dev()->op->embedding_forward(dev(), drows, a.c, row_token, 6, 4);
  check_gradient("drows", a.table, drows, 24, combine_loss, &a);
}

// ---- attention

typedef struct {
  AttentionArgs a;
  Mat c;
} AttentionCase;

static double attention_loss(const void *arg) {
  const AttentionCase *t = arg;
  dev()->op->attention_forward(dev(), &t->a);
  return product(t->c, t->a.out, t->a.B * t->a.Tq * t->a.H * t->a.Dv);
}

static void check_attention(int64_t Tq, int64_t K, int64_t shared, const int32_t *doc_start) {
  enum { B = 2, TK = 5, H = 2, OWN = 3, DV = 4 };
  int64_t q = OWN + shared, nq = B * Tq, nk = B * TK;
  AttentionCase t = {.a = {.B = B,
                           .Tq = Tq,
                           .Tk = TK,
                           .H = H,
                           .K = K,
                           .Dk_own = OWN,
                           .Dk_shared = shared,
                           .Dv = DV,
                           .scale = 0.6,
                           .q_stride = q,
                           .k_stride = OWN,
                           .v_stride = DV,
                           .doc_start = doc_start,
                           .q = normal(nq, H * q, "q"),
                           .k = normal(nk, K * OWN, "k"),
                           .v = normal(nk, K * DV, "v"),
                           .out = normal(nq, H * DV, "out"),
                           .lse = normal(nq, H, "lse"),
                           .dq = normal(nq, H * q, "dq"),
                           .dk = normal(nk, K * OWN, "dk"),
                           .dv = normal(nk, K * DV, "dv")},
                     .c = normal(nq, H * DV, "c")};
  if (shared) t.a.k_shared = normal(nk, shared, "ks"), t.a.dk_shared = normal(nk, shared, "dks");
  t.a.dout = t.c;
  attention_loss(&t);
  dev()->op->attention_backward(dev(), &t.a);
  check_gradient("dq", t.a.q, t.a.dq, nq * H * q, attention_loss, &t);
  check_gradient("dk", t.a.k, t.a.dk, nk * K * OWN, attention_loss, &t);
  check_gradient("dv", t.a.v, t.a.dv, nk * K * DV, attention_loss, &t);
  if (shared) check_gradient("dk_shared", t.a.k_shared, t.a.dk_shared, nk * shared, attention_loss, &t);
}

TEST(attention_by_differences) {
  static const int32_t doc_start[10] = {0, 0, 0, 3, 3, 0, 1, 1, 1, 4};
  check_attention(5, 1, 0, NULL);
  check_attention(5, 2, 2, doc_start);
  check_attention(3, 2, 2, NULL);
}

// ---- router

typedef struct {
  RouterArgs r;
  Mat c;
} RouterCase;

static double router_loss(const void *arg) {
  const RouterCase *t = arg;
  dev()->op->router_forward(dev(), &t->r);
  double aux = 0;
  for (int64_t b = 0; b < t->r.N / t->r.T; b++) aux += ((const double *)t->r.aux.data)[b];
  return product(t->c, t->r.weights, t->r.N * t->r.k) + 0.3 * aux;
}

static void check_router(Scoring scoring, bool normalise, int64_t n_group, bool group_max) {
  enum { N = 6, T = 3, E = 8, TOP = 3 };
  static int32_t ids[N * TOP], picks[N / T * E];
  static float bias[E] = {0.02f, -0.01f, 0.03f, 0, 0.05f, -0.04f, 0.01f, 0};
  RouterCase t = {.r = {.N = N,
                        .T = T,
                        .E = E,
                        .k = TOP,
                        .n_group = n_group,
                        .topk_group = n_group > 1 ? 2 : 1,
                        .scoring = scoring,
                        .normalise = normalise,
                        .group_max = group_max,
                        .norm_eps = 1e-20,
                        .scaling = 2.5,
                        .bias = bias,
                        .ids = ids,
                        .picks = picks,
                        .logits = normal(N, E, "logits"),
                        .weights = normal(N, TOP, "weights"),
                        .aux = normal(N / T, 1, "aux"),
                        .dlogits = normal(N, E, "dlogits"),
                        .aux_scale = 0.3},
                  .c = normal(N, TOP, "c")};
  t.r.dweights = t.c;
  router_loss(&t);
  dev()->op->router_backward(dev(), &t.r);
  check_gradient("dlogits", t.r.logits, t.r.dlogits, N * E, router_loss, &t);
}

TEST(router_by_differences) {
  check_router(SCORE_SIGMOID, true, 1, false);
  check_router(SCORE_SIGMOID, false, 4, false);
  check_router(SCORE_SOFTMAX, true, 4, false);
  check_router(SCORE_SOFTMAX, false, 1, false);
  check_router(SCORE_SOFTMAX, false, 4, true);
}

// ---- cross-entropy: scale (nll + z lse^2), masked

typedef struct {
  Mat logits, nll, lse, dlogits;
  const int32_t *label;
  const float *mask;
} LossCase;

static double cross_entropy_loss(const void *arg) {
  const LossCase *t = arg;
  dev()->op->cross_entropy(dev(), mat_none(), t->nll, t->lse, t->logits, t->label, t->mask, 4, 7, 0.25, 0.1);
  double sum = 0;
  for (int64_t n = 0; n < 4; n++) {
    double lse = ((const double *)t->lse.data)[n];
    sum += 0.25 * (((const double *)t->nll.data)[n] + 0.1 * (double)t->mask[n] * lse * lse);
  }
  return sum;
}

TEST(cross_entropy_by_differences) {
  static const int32_t label[4] = {3, -100, 0, 6};
  static const float mask[4] = {1, 0, 0.5f, 1};
  LossCase t = {normal(4, 7, "logits"), normal(4, 1, "nll"), normal(4, 1, "lse"), normal(4, 7, "dlogits"), label, mask};
  dev()->op->cross_entropy(dev(), t.dlogits, t.nll, t.lse, t.logits, label, mask, 4, 7, 0.25, 0.1);
  check_gradient("dlogits", t.logits, t.dlogits, 28, cross_entropy_loss, &t);
}
