#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/harness.h"
#include "test.h"

static Dtype other(Dtype t) { return t == DT_F32 ? DT_BF16 : DT_F32; }

enum { C, A, B, ADD, BIAS, A_ROW, PACKED, OFFSET, B_ROW };

// M, N, K
static const int64_t shapes[][TRIAL_DIMS] = {
    {3, 5, 7},    {1, 1, 1},    {2, 33, 17},  {7, 16, 64},   {0, 4, 4},     {4, 0, 3},     {3, 9, 0},     {1, 65, 129},
    {15, 31, 33}, {16, 32, 32}, {17, 49, 65}, {33, 70, 130}, {1, 130, 300}, {70, 40, 513}, {65, 129, 96}, {-1}};

// variants: bits 0-1: NN, NT, TN, TT; bits 2-3: 0 plain; 1 add and bias, mixed types; 2 add is c; 3 packed B (and rows by a_row
// where A is not transposed)
static void gemm_declare(Trial *t) {
  int64_t M = t->shape[0], N = t->shape[1], K = t->shape[2];
  bool a_t = t->variant & 2, b_t = t->variant & 1;
  int form = t->variant >> 2;
  Dtype out = form == 1 ? other(t->type) : form == 2 ? DT_F32 : t->type;
  trial_mat(t, C, form == 2 ? USE_INOUT : USE_OUT, M, N, out, 1)->magnitude = sqrt((double)K) + 1;
  trial_mat(t, A, USE_IN, a_t ? K : M, a_t ? M : K, form == 1 ? DT_F32 : t->type, a_t ? 0 : 1);
  trial_mat(t, B, USE_IN, b_t ? N : K, b_t ? K : N, t->type, 0);
  if (form == 1) {
    trial_mat(t, ADD, USE_IN, M, N, t->type, 1);
    trial_mat(t, BIAS, USE_IN, 1, N, DT_F32, 0);
  }
  if (form == 3 && !a_t) {
    t->t[A].per_row = 0;
    trial_ints(t, A_ROW, USE_IN, M, 1);
    for (int64_t m = 0; m < M; m++) trial_set(t, A_ROW, m, 0, (double)((m * 3 + 1) % M));
  }
  t->length = (double)K + 1;
}

static void *pack(Dev *dev, Mat b, bool b_t, int64_t N, int64_t K, void *at) {
  size_t bytes = gemm_packed_bytes(dev, N, K, b.type);
  void *packed = at ? at : aligned_alloc(64, (bytes + 127) / 64 * 64);
  ASSERT(packed);
  dev->op->gemm_pack(dev, packed, b, b_t, N, K);
  return packed;
}

static void gemm_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  int form = t->variant >> 2;
  GemmArgs g = {.M = count,
                .N = t->shape[1],
                .K = t->shape[2],
                .c = trial_m(t, C, first),
                .b = trial_m(t, B, 0),
                .a = trial_m(t, A, first),
                .a_t = t->variant & 2,
                .b_t = t->variant & 1,
                .add = form == 2 ? trial_m(t, C, first) : trial_m(t, ADD, first),
                .bias = trial_m(t, BIAS, 0),
                .a_row = trial_i(t, A_ROW, first)};
  if (g.a_t) g.a = mat_at(g.a, 0, first);  // a column of what is stored
  void *packed = NULL;
  if (form == 3) {
    g.b_packed = packed = pack(dev, g.b, g.b_t, g.N, g.K, NULL);
    g.b.data = NULL;  // only its type is told
  }
  dev->op->gemm(dev, &g);
  free(packed);
}
const OpRow row_gemm = {shapes, 16, gemm_declare, gemm_call, .rows = true};

// What a pack holds is a version's own: the product with it must be, bit for bit, the product without.
static void pack_declare(Trial *t) {
  gemm_declare(t);
  trial_mat(t, PACKED, USE_OUT, t->shape[0], t->shape[1], t->type, 1)->not_compared = true;
  t->t[C].not_compared = true;  // gemm's own test does
}
static void pack_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  GemmArgs g = {.M = count,
                .N = t->shape[1],
                .K = t->shape[2],
                .c = trial_m(t, C, first),
                .b = trial_m(t, B, 0),
                .a = trial_m(t, A, first),
                .b_t = t->variant & 1};
  dev->op->gemm(dev, &g);
  void *packed = pack(dev, g.b, g.b_t, g.N, g.K, NULL);
  g.b_packed = packed;
  g.c = trial_m(t, PACKED, first);
  dev->op->gemm(dev, &g);
  free(packed);
  Mat plain = trial_m(t, C, first);
  for (int64_t m = 0; m < count; m++)
    ASSERT_MSG(g.N == 0 || memcmp(mat_at(plain, m, 0).data, mat_at(g.c, m, 0).data, (size_t)g.N * dtype_bytes(g.c.type)) == 0,
               "packed and plain products differ in row %lld, shape %lld %lld %lld", (long long)m, (long long)count,
               (long long)g.N, (long long)g.K);
}
const OpRow row_gemm_pack = {shapes, 2, pack_declare, pack_call, .rows = true};

// rows, groups, N, K (grouped_weight: rows, groups, M, N)
static const int64_t grouped_shapes[][TRIAL_DIMS] = {{7, 3, 5, 9},    {1, 1, 1, 1},     {20, 4, 33, 17},
                                                     {0, 2, 4, 4},    {65, 5, 16, 64},  {40, 48, 31, 33},
                                                     {90, 3, 70, 65}, {130, 7, 40, 96}, {-1}};

// Uneven groups, the second empty.
static void offsets_fill(Trial *t) {
  int64_t rows = t->shape[0], groups = t->shape[1];
  trial_ints(t, OFFSET, USE_IN, groups + 1, 0);
  for (int64_t g = 0; g <= groups; g++) {
    int64_t at = g == 2 ? 1 : g;
    trial_set(t, OFFSET, g, 0, (double)(g == groups ? rows : rows * at * at / (groups * groups)));
  }
}

// variants: bit 0: B stored [N,K]; bit 1: rows by a_row; bit 2: packed
static void grouped_declare(Trial *t) {
  int64_t rows = t->shape[0], groups = t->shape[1], N = t->shape[2], K = t->shape[3];
  bool b_t = t->variant & 1;
  trial_mat(t, C, USE_OUT, rows, N, t->type, 0)->magnitude = sqrt((double)K);
  trial_mat(t, A, USE_IN, rows, K, t->type, 0);
  trial_mat(t, B, USE_IN, groups * (b_t ? N : K), b_t ? K : N, t->type, 0);
  offsets_fill(t);
  if (t->variant & 2) {
    trial_ints(t, A_ROW, USE_IN, rows, 0);
    for (int64_t r = 0; r < rows; r++) trial_set(t, A_ROW, r, 0, (double)((r * 3 + 1) % rows));
  }
  t->length = (double)K;
}
static void grouped_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  (void)first;
  GroupedGemmArgs g = {.groups = t->shape[1],
                       .N = t->shape[2],
                       .K = t->shape[3],
                       .rows_max = count,
                       .offset = trial_i(t, OFFSET, 0),
                       .c = trial_m(t, C, 0),
                       .a = trial_m(t, A, 0),
                       .a_row = trial_i(t, A_ROW, 0),
                       .b = trial_m(t, B, 0),
                       .b_t = t->variant & 1};
  g.b_stride = (g.b_t ? g.N : g.K) * g.b.ld;
  char *packed = NULL;
  if (t->variant & 4) {
    size_t bytes = gemm_packed_bytes(dev, g.N, g.K, g.b.type);
    ASSERT(packed = aligned_alloc(64, (size_t)g.groups * bytes + 64));
    for (int64_t i = 0; i < g.groups; i++)
      pack(dev, mat_at(g.b, 0, i * g.b_stride), g.b_t, g.N, g.K, packed + (size_t)i * bytes);
    g.b_packed = packed;
  }
  dev->op->gemm_grouped(dev, &g);
  free(packed);
}
const OpRow row_gemm_grouped = {grouped_shapes, 8, grouped_declare, grouped_call, .rows = false};

// variants: bit 0: A's rows gathered; bit 1: B's
static void weight_declare(Trial *t) {
  int64_t rows = t->shape[0], groups = t->shape[1], M = t->shape[2], N = t->shape[3];
  trial_mat(t, C, USE_INOUT, groups * M, N, DT_F32, 0)->magnitude = sqrt((double)rows) + 1;
  trial_mat(t, A, USE_IN, rows, M, t->type, 0);
  trial_mat(t, B, USE_IN, rows, N, t->type, 0);
  offsets_fill(t);
  for (int side = 0; side < 2; side++) {
    if (!(t->variant >> side & 1)) continue;
    trial_ints(t, side ? B_ROW : A_ROW, USE_IN, rows, 0);
    for (int64_t r = 0; r < rows; r++) trial_set(t, side ? B_ROW : A_ROW, r, 0, (double)((r * 7 + 2) % rows));
  }
  t->length = (double)rows + 1;
}
static void weight_call(Dev *dev, Trial *t, int64_t first, int64_t count) {
  (void)first;
  GroupedWeightArgs g = {.groups = t->shape[1],
                         .M = t->shape[2],
                         .N = t->shape[3],
                         .rows_max = count,
                         .offset = trial_i(t, OFFSET, 0),
                         .c = trial_m(t, C, 0),
                         .a = trial_m(t, A, 0),
                         .b = trial_m(t, B, 0),
                         .a_row = trial_i(t, A_ROW, 0),
                         .b_row = trial_i(t, B_ROW, 0)};
  g.c_stride = g.M * g.c.ld;
  dev->op->gemm_grouped_weight(dev, &g);
}
const OpRow row_gemm_grouped_weight = {grouped_shapes, 4, weight_declare, weight_call, .rows = false};
