// Attention at every level of this machine: against the reference, and bit for bit against itself in other company.
#include <math.h>

#include "levels.h"
#include "test.h"

typedef struct {
  int64_t B, Tq, Tk, H, K, own, shared, Dv;
  bool documents;
} Shape;

static const Shape shapes[] = {{1, 1, 1, 1, 1, 8, 0, 8, false},        {2, 37, 37, 2, 2, 16, 8, 24, false},
                               {1, 300, 300, 2, 1, 33, 0, 17, false},  {1, 150, 411, 4, 2, 64, 32, 64, true},
                               {1, 3, 260, 6, 2, 48, 16, 40, false},   {2, 260, 260, 4, 2, 64, 0, 64, true},
                               {1, 140, 140, 1, 1, 128, 64, 128, true}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

// Documents of uneven length: where the document of the key at `position` begins.
static int32_t document_start(int64_t position) {
  static const int32_t starts[] = {0, 5, 6, 70, 128, 129, 250};
  int32_t start = 0;
  for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
    if (starts[i] <= position) start = starts[i];
  return start;
}

static AttentionArgs arguments(Shape s, Dtype type) {
  AttentionArgs a = {.B = s.B,
                     .Tq = s.Tq,
                     .Tk = s.Tk,
                     .H = s.H,
                     .K = s.K,
                     .Dk_own = s.own,
                     .Dk_shared = s.shared,
                     .Dv = s.Dv,
                     .scale = 1.0 / sqrt((double)(s.own + s.shared)) * 1.7,
                     .q_stride = s.own + s.shared + 1,
                     .k_stride = s.own + 2,
                     .v_stride = s.Dv + 3};
  a.q = random_matrix(s.B * s.Tq, s.H * a.q_stride, type);
  a.k = random_matrix(s.B * s.Tk, s.K * a.k_stride, type);
  a.v = random_matrix(s.B * s.Tk, s.K * a.v_stride, type);
  a.k_shared = s.shared ? random_matrix(s.B * s.Tk, s.shared, type) : mat_none();
  a.dout = random_matrix(s.B * s.Tq, s.H * s.Dv, type);
  a.dq = random_matrix(s.B * s.Tq, s.H * a.q_stride, type);
  a.dk = random_matrix(s.B * s.Tk, s.K * a.k_stride, type);
  a.dv = random_matrix(s.B * s.Tk, s.K * a.v_stride, type);
  a.dk_shared = s.shared ? random_matrix(s.B * s.Tk, s.shared, type) : mat_none();
  a.out = matrix(s.B * s.Tq, s.H * s.Dv, type);
  a.lse = matrix(s.B * s.Tq, s.H, DT_F32);
  if (s.documents) {
    int32_t *start = guarded((size_t)(s.B * s.Tq) * 4);
    for (int64_t i = 0; i < s.B * s.Tq; i++) start[i] = document_start(i % s.Tq + s.Tk - s.Tq);
    a.doc_start = start;
  }
  return a;
}

// The largest difference over [rows, cols] of heads at stride, over the largest value (or 0.1: inputs are about 1, and a
// gradient that is exactly zero is made of such).
static double difference(Mat got, Mat want, int64_t rows, int64_t heads, int64_t stride, int64_t cols) {
  double worst = 0, largest = 0.1;
  for (int64_t i = 0; i < rows; i++)
    for (int64_t h = 0; h < heads; h++)
      for (int64_t j = 0; j < cols; j++) {
        double w = matrix_get(want, i, h * stride + j), d = fabs(matrix_get(got, i, h * stride + j) - w);
        largest = fmax(largest, fabs(w));
        if (!(d <= worst)) worst = d;
      }
  return worst / largest;
}

static Mat fresh(Mat m, int64_t rows, int64_t cols) { return m.data ? matrix(rows, cols, m.type) : m; }

static void check_shape(Dev *d, Dev *ref, Shape s, Dtype type) {
  AttentionArgs want = arguments(s, type), got = want;
  int64_t n = s.B * s.Tq, m = s.B * s.Tk;
  got.out = fresh(want.out, n, s.H * s.Dv);
  got.lse = fresh(want.lse, n, s.H);
  ref->op->attention_forward(ref, &want);
  d->op->attention_forward(d, &got);
  // Exactly rounded bf16 inputs; probabilities are rounded to bf16 too where the dots are.
  double tolerance = 16 * rounding(type), lse = type == DT_F32 ? 2e-6 : 1e-5;
  double out = difference(got.out, want.out, n, s.H, s.Dv, s.Dv);
  ASSERT_MSG(out <= tolerance, "%s T %d: out differs by %g", isa_names[d->isa], (int)s.Tq, out);
  ASSERT(difference(got.lse, want.lse, n, 1, 0, s.H) <= lse);
  check_guards(got.out, n, s.H * s.Dv);
  check_guards(got.lse, n, s.H);
  got.out = want.out;
  got.lse = want.lse;
  got.dq = fresh(want.dq, n, s.H * want.q_stride);
  got.dk = fresh(want.dk, m, s.K * want.k_stride);
  got.dv = fresh(want.dv, m, s.K * want.v_stride);
  got.dk_shared = fresh(want.dk_shared, m, s.shared);
  ref->op->attention_backward(ref, &want);
  d->op->attention_backward(d, &got);
  double worst[4] = {difference(got.dq, want.dq, n, s.H, want.q_stride, s.own + s.shared),
                     difference(got.dk, want.dk, m, s.K, want.k_stride, s.own),
                     difference(got.dv, want.dv, m, s.K, want.v_stride, s.Dv),
                     s.shared ? difference(got.dk_shared, want.dk_shared, m, 1, 0, s.shared) : 0};
  for (int i = 0; i < 4; i++)
    ASSERT_MSG(worst[i] <= 2 * tolerance, "%s T %d type %d: gradient %d differs by %g", isa_names[d->isa], (int)s.Tq, type, i,
               worst[i]);
  check_guards(got.dq, n, s.H * want.q_stride);
  check_guards(got.dk, m, s.K * want.k_stride);
  check_guards(got.dv, m, s.K * want.v_stride);
  if (s.shared) check_guards(got.dk_shared, m, s.shared);
}

static void check_level(int isa, Dtype type) {
  Dev ref = level_open(ISA_REF, 1), d = level_open(isa, 2);
  ASSERT_TEXT(d.op->attention_forward_from, isa_names[isa]);
  ASSERT_TEXT(d.op->attention_backward_from, isa_names[isa]);
  for (int i = 0; i < N_SHAPES; i++) check_shape(&d, &ref, shapes[i], type);
  dev_close(&d);
  dev_close(&ref);
}

TEST(attention_as_reference_f32) { EACH_LEVEL(isa) check_level(isa, DT_F32); }

TEST(attention_as_reference_bf16) { EACH_LEVEL(isa) check_level(isa, DT_BF16); }

// Decoding: the last query alone over the keys up to it, one by one and a few together, has the bits it had among all.
static void check_decode(int isa, Dtype type, bool documents) {
  Shape s = {1, 300, 300, 4, 2, 32, 16, 40, documents};
  AttentionArgs all = arguments(s, type), part = all;
  Dev d = level_open(isa, 2);
  d.op->attention_forward(&d, &all);
  for (int64_t i = 0; i < s.Tq; i += 23)
    for (int64_t n = 1; n <= 3 && n <= i + 1; n++) {
      part.Tq = n;
      part.Tk = i + 1;
      part.q = mat_at(all.q, i + 1 - n, 0);
      part.doc_start = documents ? all.doc_start + i + 1 - n : NULL;
      part.out = matrix(n, s.H * s.Dv, type);
      part.lse = matrix(n, s.H, DT_F32);
      d.op->attention_forward(&d, &part);
      for (int64_t j = 0; j < n; j++) {
        same_row(part.out, j, all.out, i + 1 - n + j, s.H * s.Dv, "decoded");
        same_row(part.lse, j, all.lse, i + 1 - n + j, s.H, "decoded lse");
      }
    }
  dev_close(&d);
}

TEST(attention_decodes_with_the_bits_of_training) {
  EACH_LEVEL(isa) for (int i = 0; i < 4; i++) check_decode(isa, i & 1 ? DT_BF16 : DT_F32, i & 2);
}

static void check_threads(int isa, Dtype type, Shape s) {
  AttentionArgs one = arguments(s, type);
  int64_t n = s.B * s.Tq;
  for (int n_threads = 1; n_threads <= 7; n_threads += 2) {
    AttentionArgs a = one;
    Dev d = level_open(isa, n_threads);
    if (n_threads > 1) {
      a.out = matrix(n, s.H * s.Dv, type), a.lse = matrix(n, s.H, DT_F32), a.dq = matrix(n, s.H * a.q_stride, type);
      a.dk = matrix(n, s.K * a.k_stride, type), a.dv = matrix(n, s.K * a.v_stride, type),
      a.dk_shared = matrix(n, s.shared, type);
    }
    d.op->attention_forward(&d, &a);
    d.op->attention_backward(&d, &a);
    for (int64_t i = 0; i < n; i++) {
      same_row(a.out, i, one.out, i, s.H * s.Dv, "out");
      for (int64_t h = 0; h < s.H; h++)
        same_row(mat_at(a.dq, 0, h * a.q_stride), i, mat_at(one.dq, 0, h * a.q_stride), i, s.own + s.shared, "dq");
      for (int64_t g = 0; g < s.K; g++) {
        same_row(mat_at(a.dk, 0, g * a.k_stride), i, mat_at(one.dk, 0, g * a.k_stride), i, s.own, "dk");
        same_row(mat_at(a.dv, 0, g * a.v_stride), i, mat_at(one.dv, 0, g * a.v_stride), i, s.Dv, "dv");
      }
      same_row(a.dk_shared, i, one.dk_shared, i, s.shared, "dk_shared");
    }
    dev_close(&d);
  }
}

TEST(attention_same_bits_on_any_thread_count) {
  Shape s = {2, 270, 270, 4, 2, 32, 16, 40, true};
  EACH_LEVEL(isa) {
    check_threads(isa, DT_F32, s);
    check_threads(isa, DT_BF16, s);
  }
}

// One sequence whose heads share keys goes through backward in one item, in one a head (heads behind one another), or in two
// passes, by the number of threads.
TEST(attention_same_bits_however_backward_is_cut) {
  Shape s = {1, 1050, 1050, 6, 6, 16, 8, 8, false};
  EACH_LEVEL(isa) {
    check_threads(isa, DT_F32, s);
    check_threads(isa, DT_BF16, s);
  }
}

// Neither other documents nor later keys reach a query, whatever they hold.
TEST(attention_does_not_see_what_is_masked) {
  EACH_LEVEL(isa) for (int type = DT_F32; type <= DT_BF16; type++) {
    Shape s = {1, 300, 300, 2, 1, 16, 0, 16, true};
    AttentionArgs a = arguments(s, type), clean = a;
    clean.out = matrix(300, s.H * s.Dv, type);
    clean.lse = matrix(300, s.H, DT_F32);
    Dev d = level_open(isa, 1);
    d.op->attention_forward(&d, &clean);
    for (int64_t j = 100; j < 140; j++)
      for (int64_t c = 0; c < s.Dv; c++) {
        matrix_set(a.v, j, c, NAN);
        matrix_set(a.k, j, c, INFINITY);
      }
    d.op->attention_forward(&d, &a);
    for (int64_t i = 0; i < s.Tq; i++) {
      if (i >= 100 && document_start(i) < 140) continue;
      same_row(a.out, i, clean.out, i, s.H * s.Dv, "beside NaN");
      same_row(a.lse, i, clean.lse, i, s.H, "beside NaN, lse");
    }
    dev_close(&d);
  }
}
