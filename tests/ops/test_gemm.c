// Matrix products at every level of this machine: against the reference, and bit for bit against themselves in other company.
#include <math.h>
#include <stdlib.h>

#include "base/half.h"
#include "levels.h"
#include "test.h"

static void compare(Mat got, Mat want, int64_t rows, int64_t cols, int64_t K, const char *what) {
  // Sums of K products of up to 1 differ by their roundings; then, near a tie, by one step of C's type.
  double sums = 4 * sqrt((double)K + 1) * rounding(DT_F32) * sqrt((double)K + 1);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j++) {
      double g = matrix_get(got, i, j), w = matrix_get(want, i, j);
      double within = sums + 4 * rounding(got.type) * fabs(w);
      ASSERT_MSG(fabs(g - w) <= within, "%s: [%d,%d] is %.9g, want %.9g within %g", what, (int)i, (int)j, g, w, within);
    }
}

static const int64_t sizes[][3] = {{1, 1, 1},      {1, 40, 33},    {5, 16, 7},    {14, 32, 64},    {15, 33, 65},
                                   {29, 100, 129}, {3, 7, 0},      {61, 48, 31},  {300, 70, 1100}, {1100, 40, 17},
                                   {37, 1090, 9},  {530, 65, 515}, {17, 160, 96}, {77, 32, 130},   {190, 224, 50}};
enum { N_SIZES = sizeof sizes / sizeof *sizes };

typedef struct {
  Dtype a, b, c;
  bool a_t, b_t, add, in_place, bias, gather, packed;
} Form;

static void check_form(Dev *d, Dev *ref, int64_t M, int64_t N, int64_t K, Form f) {
  int64_t many = f.gather ? M + 5 : M;
  Mat a = f.a_t ? random_matrix(K, M, f.a) : random_matrix(many, K, f.a);
  Mat b = f.b_t ? random_matrix(N, K, f.b) : random_matrix(K, N, f.b);
  Mat add = random_matrix(M, N, f.c), bias = random_matrix(1, N, DT_F32), c = matrix(M, N, f.c), want = matrix(M, N, f.c);
  int32_t *row = guarded((size_t)M * 4);
  for (int64_t i = 0; i < M; i++) row[i] = (int32_t)((i * 7 + 3) % many);
  GemmArgs g = {.M = M,
                .N = N,
                .K = K,
                .c = want,
                .a = a,
                .b = b,
                .a_t = f.a_t,
                .b_t = f.b_t,
                .add = f.add ? add : mat_none(),
                .bias = f.bias ? bias : mat_none(),
                .a_row = f.gather ? row : NULL};
  ref->op->gemm(ref, &g);
  g.c = c;
  if (f.add && f.in_place) {
    for (int64_t i = 0; i < M; i++) memcpy(mat_at(c, i, 0).data, mat_at(add, i, 0).data, (size_t)N * dtype_bytes(f.c));
    g.add = c;
  }
  void *packed = NULL;
  if (f.packed) {
    packed = guarded(gemm_packed_bytes(d, N, K, f.b));
    d->op->gemm_pack(d, packed, b, f.b_t, N, K);
    g.b_packed = packed;
    g.b = mat_of(NULL, 0, f.b);
  }
  d->op->gemm(d, &g);
  char what[160];
  snprintf(what, sizeof what, "%s %dx%dx%d a %d%s b %d%s c %d add %d in place %d bias %d gather %d packed %d",
           isa_names[d->isa], (int)M, (int)N, (int)K, f.a, f.a_t ? "T" : "", f.b, f.b_t ? "T" : "", f.c, f.add, f.in_place,
           f.bias, f.gather, f.packed);
  compare(c, want, M, N, K, what);
  check_guards(c, M, N);
  if (packed) ASSERT(((unsigned char *)packed)[gemm_packed_bytes(d, N, K, f.b)] == GUARD_BYTE);
}

static void check_level(int isa, int n_threads, Form f) {
  Dev ref = level_open(ISA_REF, 1), d = level_open(isa, n_threads);
  for (int i = 0; i < N_SIZES; i++) check_form(&d, &ref, sizes[i][0], sizes[i][1], sizes[i][2], f);
  dev_close(&d);
  dev_close(&ref);
}

TEST(gemm_forms_f32) {
  EACH_LEVEL(isa) for (int form = 0; form < 4; form++) check_level(isa, 2, (Form){.a_t = form & 1, .b_t = form & 2});
}

TEST(gemm_forms_bf16) {
  EACH_LEVEL(isa)
  for (int form = 0; form < 4; form++)
    check_level(isa, 2, (Form){.a = DT_BF16, .b = DT_BF16, .c = form & 1 ? DT_F32 : DT_BF16, .a_t = form & 1, .b_t = form & 2});
}

TEST(gemm_mixed_types) {
  EACH_LEVEL(isa) {
    check_level(isa, 1, (Form){.a = DT_F32, .b = DT_BF16, .c = DT_BF16, .b_t = true});
    check_level(isa, 1, (Form){.a = DT_BF16, .b = DT_F32, .c = DT_F32, .a_t = true});
  }
}

TEST(gemm_epilogue) {
  EACH_LEVEL(isa) {
    check_level(isa, 2, (Form){.add = true, .bias = true});
    check_level(isa, 2, (Form){.add = true, .in_place = true, .a_t = true});
    check_level(isa, 2,
                (Form){.a = DT_BF16, .b = DT_BF16, .c = DT_BF16, .add = true, .in_place = true, .bias = true, .b_t = true});
  }
}

TEST(gemm_gather_and_pack) {
  EACH_LEVEL(isa) {
    check_level(isa, 2, (Form){.gather = true, .b_t = true});
    check_level(isa, 2, (Form){.packed = true, .b_t = true, .gather = true});
    check_level(isa, 3, (Form){.packed = true});
    check_level(isa, 3, (Form){.a = DT_BF16, .b = DT_BF16, .c = DT_BF16, .packed = true, .b_t = true});
    check_level(isa, 3, (Form){.a = DT_F32, .b = DT_BF16, .c = DT_F32, .packed = true});
  }
}

// Few rows multiply B as it is stored, many a packed one: the same bits on both sides of every border.
static void check_few(int isa, Dtype type, bool b_t) {
  enum { M = 290 };
  static const int64_t few[] = {1, 2, 13, 14, 15, 16, 17, 28, 31, 33, 64, 79, 80, 81, 112, 191, 192, 193, 255, 256, 257};
  const int64_t N = b_t ? 350 : 352, K = 550;
  Mat a = random_matrix(M + 60, K, type), b = b_t ? random_matrix(N, K, type) : random_matrix(K, N, type);
  Mat all = matrix(M, N, DT_F32), some = matrix(M, N, DT_F32);
  int32_t row[M];
  for (int i = 0; i < M; i++) row[i] = (i * 37 + 11) % (M + 60);
  Dev d = level_open(isa, 2);
  GemmArgs g = {.M = M, .N = N, .K = K, .c = all, .a = a, .b = b, .b_t = b_t, .a_row = row};
  d.op->gemm(&d, &g);
  g.c = some;
  for (size_t i = 0; i < sizeof few / sizeof *few; i++) {
    g.M = few[i], g.a_row = row + M - few[i];
    d.op->gemm(&d, &g);
    for (int64_t m = 0; m < g.M; m++) same_row(some, m, all, M - g.M + m, N, b_t ? "few rows, [N,K]" : "few rows, [K,N]");
  }
  check_guards(some, M, N);
  dev_close(&d);
}

TEST(gemm_few_rows_have_the_bits_of_many) {
  EACH_LEVEL(isa)
  for (int form = 0; form < 4; form++) check_few(isa, form & 1 ? DT_BF16 : DT_F32, form & 2);
}

// The same row alone, among few, gathered, packed, on other thread counts: the same bits.
static void check_company(int isa, Dtype type) {
  const int64_t M = 333, N = 150, K = 1031;
  Mat a = random_matrix(M, K, type), b = random_matrix(N, K, type), c = matrix(M, N, DT_F32), one = matrix(M, N, DT_F32);
  Dev d = level_open(isa, 1);
  GemmArgs all = {.M = M, .N = N, .K = K, .c = c, .a = a, .b = b, .b_t = true, .add = mat_none(), .bias = mat_none()},
           few = all;
  d.op->gemm(&d, &all);
  void *packed = guarded(gemm_packed_bytes(&d, N, K, type));
  d.op->gemm_pack(&d, packed, b, true, N, K);
  dev_close(&d);
  for (int n_threads = 1; n_threads <= 7; n_threads += 3) {
    d = level_open(isa, n_threads);
    few.c = one;
    few.M = M;
    d.op->gemm(&d, &few);
    for (int64_t i = 0; i < M; i++) same_row(one, i, c, i, N, "other thread count");
    for (int64_t m = 1; m < 20; m += 3) {
      int64_t first = 97 * m % (M - m);
      few.M = m;
      few.a = mat_at(a, first, 0);
      few.b_packed = m % 2 ? packed : NULL;
      d.op->gemm(&d, &few);
      for (int64_t i = 0; i < m; i++) same_row(one, i, c, first + i, N, "fewer rows");
    }
    int32_t row[40];
    for (int i = 0; i < 40; i++) row[i] = i * 101 % (int)M;
    few = all;
    few.c = one;
    few.M = 40;
    few.a_row = row;
    d.op->gemm(&d, &few);
    for (int i = 0; i < 40; i++) same_row(one, i, c, row[i], N, "gathered rows");
    few = all;
    dev_close(&d);
  }
}

TEST(gemm_same_bits_in_any_company) {
  EACH_LEVEL(isa) {
    check_company(isa, DT_F32);
    check_company(isa, DT_BF16);
  }
}

// One chain of fused multiply-adds: fp32 has the same bits at every level that has them.
TEST(gemm_f32_same_bits_at_every_level) {
  const int64_t M = 30, N = 70, K = 900;
  Mat a = random_matrix(M, K, DT_F32), b = random_matrix(K, N, DT_F32), first = matrix(M, N, DT_F32), c = matrix(M, N, DT_F32);
  for (int64_t i = 0; i < M; i++)
    for (int64_t j = 0; j < N; j++) {
      float sum = 0;
      for (int64_t k = 0; k < K; k++) sum = fmaf((float)matrix_get(a, i, k), (float)matrix_get(b, k, j), sum);
      ((float *)first.data)[i * first.ld + j] = sum;
    }
  EACH_LEVEL(isa) {
    Dev d = level_open(isa, 2);
    d.op->gemm(&d, &(GemmArgs){.M = M, .N = N, .K = K, .c = c, .a = a, .b = b, .add = mat_none(), .bias = mat_none()});
    for (int64_t i = 0; i < M; i++) same_row(c, i, first, i, N, isa_names[isa]);
    dev_close(&d);
  }
}

TEST(gemm_passes_nan_and_inf) {
  EACH_LEVEL(isa) for (int type = DT_F32; type <= DT_BF16; type++) {
    Dev d = level_open(isa, 1);
    Mat a = random_matrix(20, 50, type), b = random_matrix(50, 40, type), c = matrix(20, 40, type);
    GemmArgs g = {.M = 20, .N = 40, .K = 50, .c = c, .a = a, .b = b, .add = mat_none(), .bias = mat_none()};
    float odd[2] = {NAN, INFINITY};
    for (int i = 0; i < 2; i++) {
      if (type == DT_F32) ((float *)a.data)[3 * i * a.ld + 49] = odd[i];
      else ((Bf16 *)a.data)[3 * i * a.ld + 49] = bf16_from_f32(odd[i]);
    }
    d.op->gemm(&d, &g);
    for (int64_t j = 0; j < 40; j++) {
      ASSERT(isnan(matrix_get(c, 0, j)));
      ASSERT(isinf(matrix_get(c, 3, j)));
      ASSERT(isfinite(matrix_get(c, 1, j)));
    }
    dev_close(&d);
  }
}

// Ragged groups: empty ones, one of a row, one large.
static const int32_t ragged[] = {0, 0, 1, 18, 18, 400, 415, 415};
enum { GROUPS = sizeof ragged / sizeof *ragged - 1, ROWS = 415 };

static void check_grouped(int isa, int n_threads, Dtype type, bool b_t, bool gather, bool packed) {
  const int64_t N = 75, K = 130, tokens = 90;
  Mat a = random_matrix(gather ? tokens : ROWS, K, type), c = matrix(ROWS, N, type), want = matrix(ROWS, N, type);
  Mat b = b_t ? random_matrix(GROUPS * N, K, type) : random_matrix(GROUPS * K, N, type);
  int32_t row[ROWS];
  for (int i = 0; i < ROWS; i++) row[i] = i * 37 % (int)tokens;
  GroupedGemmArgs g = {.groups = GROUPS,
                       .N = N,
                       .K = K,
                       .rows_max = ROWS,
                       .offset = ragged,
                       .c = want,
                       .a = a,
                       .a_row = gather ? row : NULL,
                       .b = b,
                       .b_stride = (b_t ? N : K) * b.ld,
                       .b_t = b_t};
  Dev ref = level_open(ISA_REF, 1), d = level_open(isa, n_threads);
  ref.op->gemm_grouped(&ref, &g);
  if (packed) {
    size_t bytes = gemm_packed_bytes(&d, N, K, type);
    char *p = guarded(GROUPS * bytes);
    for (int i = 0; i < GROUPS; i++) d.op->gemm_pack(&d, p + (size_t)i * bytes, mat_at(b, i * (b_t ? N : K), 0), b_t, N, K);
    g.b_packed = p;
  }
  g.c = c;
  d.op->gemm_grouped(&d, &g);
  compare(c, want, ROWS, N, K, "grouped");
  check_guards(c, ROWS, N);
  dev_close(&d);
  dev_close(&ref);
}

TEST(gemm_grouped) {
  EACH_LEVEL(isa)
  for (int i = 0; i < 8; i++) check_grouped(isa, 1 + i % 3, DT_F32, i & 1, i & 2, i & 4);
}

TEST(gemm_grouped_bf16) {
  EACH_LEVEL(isa)
  for (int i = 0; i < 8; i++) check_grouped(isa, 1 + i % 3, DT_BF16, i & 1, i & 2, i & 4);
}

static void check_grouped_weight(int isa, int n_threads, Dtype type, bool gather_a, bool gather_b) {
  const int64_t M = 45, N = 70, tokens = 90;
  Mat a = random_matrix(ROWS, M, type), b = random_matrix(ROWS, N, type), want = random_matrix(GROUPS * M, N, DT_F32);
  Mat c = matrix(GROUPS * M, N, DT_F32);
  memcpy(c.data, want.data, (size_t)(GROUPS * M * c.ld) * 4);
  int32_t row[ROWS];
  for (int i = 0; i < ROWS; i++) row[i] = i * 37 % (int)tokens;
  GroupedWeightArgs g = {.groups = GROUPS,
                         .M = M,
                         .N = N,
                         .rows_max = ROWS,
                         .offset = ragged,
                         .c = want,
                         .c_stride = M * c.ld,
                         .a = a,
                         .b = b,
                         .a_row = gather_a ? row : NULL,
                         .b_row = gather_b ? row : NULL};
  Dev ref = level_open(ISA_REF, 1), d = level_open(isa, n_threads);
  ref.op->gemm_grouped_weight(&ref, &g);
  g.c = c;
  d.op->gemm_grouped_weight(&d, &g);
  compare(c, want, GROUPS * M, N, ROWS, "grouped weight");
  check_guards(c, GROUPS * M, N);
  dev_close(&d);
  dev_close(&ref);
}

TEST(gemm_grouped_weight) {
  EACH_LEVEL(isa)
  for (int i = 0; i < 8; i++) check_grouped_weight(isa, 1 + i % 3, i & 1 ? DT_BF16 : DT_F32, i & 2, i & 4);
}

TEST(gemm_grouped_same_bits_on_any_thread_count) {
  EACH_LEVEL(isa) for (int type = DT_F32; type <= DT_BF16; type++) {
    const int64_t N = 200, K = 260, M = 70;
    Mat a = random_matrix(ROWS, K, type), b = random_matrix(GROUPS * N, K, type),
        c[2] = {matrix(ROWS, N, type), matrix(ROWS, N, type)};
    Mat dw[2] = {matrix(GROUPS * M, N, DT_F32), matrix(GROUPS * M, N, DT_F32)};
    for (int n_threads = 1; n_threads <= 7; n_threads += 2) {
      int to = n_threads > 1;
      memset(dw[to].data, 0, (size_t)(GROUPS * M * dw[to].ld) * 4);
      Dev d = level_open(isa, n_threads);
      d.op->gemm_grouped(&d, &(GroupedGemmArgs){.groups = GROUPS,
                                                .N = N,
                                                .K = K,
                                                .rows_max = ROWS,
                                                .offset = ragged,
                                                .c = c[to],
                                                .a = a,
                                                .b = b,
                                                .b_stride = N * b.ld,
                                                .b_t = true});
      d.op->gemm_grouped_weight(&d, &(GroupedWeightArgs){.groups = GROUPS,
                                                         .M = M,
                                                         .N = N,
                                                         .rows_max = ROWS,
                                                         .offset = ragged,
                                                         .c = dw[to],
                                                         .c_stride = M * dw[to].ld,
                                                         .a = a,
                                                         .b = c[0]});
      for (int64_t i = 0; i < ROWS; i++) same_row(c[to], i, c[0], i, N, "threads");
      for (int64_t i = 0; i < GROUPS * M; i++) same_row(dw[to], i, dw[0], i, N, "threads, weights");
      dev_close(&d);
    }
  }
}

// Gradients over what is 0 have the same bits whether that is read or only said, whatever is there; in fp32, and -0 becomes 0
// as a sum does; a group without rows becomes 0.
TEST(gemm_weight_gradients_over_zero) {
  enum { PRODUCTS = 3 };
  static const int32_t offset[PRODUCTS + 1] = {0, 21, 21, 300};
  static const struct {
    int64_t N, room;
  } widths[] = {{1060, 0}, {1056, 13}};  // with a rest; whole tiles in rows of whole lines (`matrix` adds 3)
  const int64_t M = 45;
  EACH_LEVEL(isa) for (int which = 0; which < 4; which++) {
    const Dtype type = which % 2 ? DT_BF16 : DT_F32;
    const int64_t N = widths[which / 2].N, cols = N + widths[which / 2].room;
    Dev d = level_open(isa, 2);
    Mat read = matrix(PRODUCTS * M, cols, DT_F32), said = matrix(PRODUCTS * M, cols, DT_F32);
    for (int64_t i = 0; i < PRODUCTS * M; i++)
      for (int64_t j = 0; j < cols; j++) matrix_set(read, i, j, 0), matrix_set(said, i, j, NAN);
    Mat a = random_matrix(300, M, type), b = random_matrix(300, N, type);
    for (int64_t r = 0; r < 300; r++) matrix_set(a, r, 1, -0.0);
    GroupedWeightArgs g = {.groups = PRODUCTS,
                           .M = M,
                           .N = N,
                           .rows_max = 300,
                           .offset = offset,
                           .c = read,
                           .c_stride = M * read.ld,
                           .a = a,
                           .b = b};
    d.op->gemm_grouped_weight(&d, &g);
    g.c = said, g.c_stride = M * said.ld, g.zero = true;
    d.op->gemm_grouped_weight(&d, &g);
    for (int64_t i = 0; i < PRODUCTS * M; i++) same_row(said, i, read, i, N, "gradients over zero");
    check_guards(said, PRODUCTS * M, cols);
    dev_close(&d);
  }
}
