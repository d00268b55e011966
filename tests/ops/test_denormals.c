// Subnormal numbers in every input must not slow an operation ten times: a step that underflows would look like a hang.
#include "base/clock.h"
#include "levels.h"
#include "test.h"

enum { N = 256, TURNS = 7 };
static const double SMALLEST = 0x1p-140;  // with a random number in [-1, 1): subnormal in fp32 and in bf16, or zero

static Mat input(Dtype type, double scale) {
  Mat m = random_matrix(N, N, type);
  for (int64_t i = 0; i < N; i++)
    for (int64_t j = 0; j < N; j++) matrix_set(m, i, j, matrix_get(m, i, j) * scale);
  return m;
}

typedef struct {
  Mat a, b, c, d, y, z, column;
} Data;

static void product(Dev *d, Data *t) {
  GemmArgs g = {.M = N, .N = N, .K = N, .c = t->y, .a = t->a, .b = t->b, .b_t = true};
  d->op->gemm(d, &g);
}
static void attention(Dev *d, Data *t) {
  AttentionArgs a = {.B = 1, .Tq = N, .Tk = N, .H = 4, .K = 4, .Dk_own = N / 4, .Dv = N / 4, .scale = 0.125};
  a.q_stride = a.k_stride = a.v_stride = N / 4;
  a.q = t->a, a.k = t->b, a.v = t->c, a.dout = t->d, a.out = t->y, a.lse = t->column;
  d->op->attention_forward(d, &a);
  a.dq = a.dk = a.dv = t->z;
  d->op->attention_backward(d, &a);
}
static void swiglu(Dev *d, Data *t) {
  d->op->swiglu_forward(d, t->y, t->a, t->b, mat_none(), N, N);
  d->op->swiglu_backward(d, t->y, t->z, mat_none(), mat_none(), t->d, t->a, t->b, mat_none(), N, N);
}
static void norm(Dev *d, Data *t) { d->op->rms_norm_forward(d, t->y, t->column, t->a, t->b, N, N, 1e-30); }
static void add(Dev *d, Data *t) { d->op->add(d, t->y, t->a, t->b, N, N); }
static void adamw(Dev *d, Data *t) {
  AdamwArgs a = {.n = N, .step = 1, .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .grad_scale = 1};
  for (int64_t i = 0; i < N; i++) {
    a.p = mat_at(t->a, i, 0).data, a.g = mat_at(t->b, i, 0).data, a.m = mat_at(t->c, i, 0), a.v = mat_at(t->d, i, 0);
    d->op->adamw(d, &a);
  }
}

static const struct {
  const char *name;
  void (*run)(Dev *d, Data *t);
  bool fp32;  // only
} cases[] = {{"gemm", product, false}, {"attention", attention, false}, {"swiglu", swiglu, false}, {"rms_norm", norm, true},
             {"add", add, false},      {"adamw", adamw, true}};

static double least_s(Dev *d, void (*run)(Dev *d, Data *t), Dtype type, double scale) {
  Data t = {.a = input(type, scale),
            .b = input(type, scale),
            .c = input(type, scale),
            .d = input(type, scale),
            .y = matrix(N, N, type),
            .z = matrix(N, N, type),
            .column = matrix(N, 4, DT_F32)};
  double least = 1e9;
  for (int i = 0; i < TURNS; i++) {
    double begin = clock_s();
    run(d, &t);
    double s = clock_s() - begin;
    if (s < least) least = s;
  }
  return least;
}

TEST(subnormals_do_not_slow_an_operation_ten_times) {
  EACH_LEVEL(isa) {
    if (isa == ISA_AMX_EMULATED) continue;  // slow as it is, and nothing but AVX-512
    Dev d = level_open(isa, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
      for (int type = DT_F32; type <= (cases[i].fp32 ? DT_F32 : DT_BF16); type++) {
        double normal = least_s(&d, cases[i].run, type, 1), tiny = least_s(&d, cases[i].run, type, SMALLEST);
        ASSERT_MSG(tiny < 10 * normal, "%s at %s, type %d: %.3f ms with subnormals, %.3f without", cases[i].name,
                   isa_names[isa], type, tiny * 1e3, normal * 1e3);
      }
    dev_close(&d);
  }
}
