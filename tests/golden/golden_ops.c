#include "golden/golden_ops.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/half.h"
#include "base/safetensors.h"
#include "ops/ops.h"

enum { TAKEN_MAX = 64 };

typedef struct {
  GoldenCount *count;
  const SafeTensors *file;
  const char *file_name, *name;  // of the case
  Dev *dev;
  Dtype type;    // F64 at the reference, else F32
  Arena *arena;  // of one case
} Case;

// ---- counting

__attribute__((format(printf, 3, 4))) static void compare(const Case *c, bool good, const char *format, ...) {
  c->count->comparisons++;
  if (good) return;
  c->count->failed++;
  va_list args;
  va_start(args, format);
  fprintf(stderr, "  golden ops/%s %s by %s: ", c->file_name, c->name, isa_names[c->dev->isa]);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
}

// ---- tensors of the case

static const StTensor *find(const Case *c, const char *tensor) {
  char full[256];
  snprintf(full, sizeof full, "%s.%s", c->name, tensor);
  const StTensor *t = safetensors_find(c->file, *c->name ? full : tensor);
  if (!t) compare(c, false, "no tensor %s", tensor);
  return t;
}

static double element(const StTensor *t, int64_t i) {
  switch (t->type) {
    case ST_F64: return ((const double *)t->data)[i];
    case ST_F32: return (double)((const float *)t->data)[i];
    case ST_I64: return (double)((const int64_t *)t->data)[i];
    case ST_I32: return ((const int32_t *)t->data)[i];
    default: return NAN;
  }
}

static double real(const Case *c, const char *tensor, int64_t i) {
  const StTensor *t = find(c, tensor);
  return t && i < st_elements(t) ? element(t, i) : NAN;
}

static int64_t whole(const Case *c, const char *tensor, int64_t i) {
  double x = real(c, tensor, i);
  return isnan(x) ? 0 : (int64_t)x;
}

static int64_t dim(const Case *c, const char *tensor, int at) {
  const StTensor *t = find(c, tensor);
  return t && at < t->n_dims ? t->dim[at] : 0;
}

static void put(Mat m, int64_t i, double x) {
  if (m.type == DT_F64) ((double *)m.data)[i] = x;
  else ((float *)m.data)[i] = (float)x;
}
static double get(Mat m, int64_t i) {
  return m.type == DT_F64 ? ((const double *)m.data)[i] : (double)((const float *)m.data)[i];
}

static Mat fresh(const Case *c, int64_t rows, int64_t cols) {
  Mat m = mat_of(arena_take(c->arena, (size_t)(rows * cols) * dtype_bytes(c->type)), cols, c->type);
  for (int64_t i = 0; i < rows * cols; i++) put(m, i, 0);
  return m;
}

// As rows of the last dimension.
static Mat load(const Case *c, const char *tensor) {
  const StTensor *t = find(c, tensor);
  int64_t cols = t && t->n_dims ? t->dim[t->n_dims - 1] : 1, n = t ? st_elements(t) : 0;
  Mat m = fresh(c, cols ? n / cols : 0, cols);
  for (int64_t i = 0; i < n; i++) put(m, i, element(t, i));
  return m;
}

static float *load_floats(const Case *c, const char *tensor, int64_t row, int64_t n) {
  const StTensor *t = find(c, tensor);
  float *x = arena_take(c->arena, (size_t)n * sizeof *x);
  for (int64_t i = 0; i < n; i++) x[i] = t ? (float)element(t, row * n + i) : NAN;
  return x;
}

static int32_t *load_ints(const Case *c, const char *tensor) {
  const StTensor *t = find(c, tensor);
  int64_t n = t ? st_elements(t) : 0;
  int32_t *x = arena_take(c->arena, (size_t)n * sizeof *x);
  for (int64_t i = 0; i < n; i++) x[i] = (int32_t)element(t, i);
  return x;
}

static double tolerance(const Case *c) { return c->type == DT_F64 ? 1e-11 : 4e-6; }

static bool near(double got, double want, double allowed) { return want == got || fabs(got - want) <= allowed; }

// Against row `row` of n values of a tensor (row 0, all of it: n = its elements), to `allowed` times the greatest of each run
// of `run` values, or times `terms` where the values are what is left of larger terms.
static void check_terms(const Case *c, Mat got, const char *tensor, int64_t row, int64_t n, int64_t run, double allowed,
                        double terms) {
  const StTensor *t = find(c, tensor);
  for (int64_t i = 0; t && i < n; i += run) {
    double greatest = terms, worst = 0;
    for (int64_t j = i; j < i + run && j < n; j++) greatest = fmax(greatest, fabs(element(t, row * n + j)));
    bool good = true;
    for (int64_t j = i; j < i + run && j < n; j++) {
      double want = element(t, row * n + j), difference = fabs(get(got, j) - want);
      good = good && near(get(got, j), want, allowed * greatest + 1e-37);
      worst = fmax(worst, difference);
    }
    compare(c, good, "%s, row %lld: off by %g of %g, allowed %g", tensor, (long long)(i / run), worst, greatest,
            allowed * greatest);
  }
}

static void check_at(const Case *c, Mat got, const char *tensor, int64_t row, int64_t n, int64_t run, double allowed) {
  check_terms(c, got, tensor, row, n, run, allowed, 0);
}

static void check(const Case *c, Mat got, const char *tensor) {
  const StTensor *t = find(c, tensor);
  if (t) check_at(c, got, tensor, 0, st_elements(t), t->n_dims ? t->dim[t->n_dims - 1] : 1, tolerance(c));
}

// One number a row: to the tolerance times the greatest of all.
static void check_all(const Case *c, Mat got, const char *tensor) {
  const StTensor *t = find(c, tensor);
  if (t) check_at(c, got, tensor, 0, st_elements(t), st_elements(t), tolerance(c));
}

// ---- files

static void run_rmsnorm(const Case *c) {
  const StTensor *t = find(c, "x");
  if (!t) return;
  int64_t D = t->dim[t->n_dims - 1], N = st_elements(t) / D;
  Mat x = load(c, "x"), w = load(c, "w"), dy = load(c, "dy"), y = fresh(c, N, D), rstd = fresh(c, N, 1), dx = fresh(c, N, D),
      dw = fresh(c, 1, D);
  c->dev->op->rms_norm_forward(c->dev, y, rstd, x, w, N, D, real(c, "eps", 0));
  c->dev->op->rms_norm_backward_input(c->dev, dx, mat_none(), dy, x, rstd, w, N, D);
  c->dev->op->rms_norm_backward_weight(c->dev, dw, dy, x, rstd, N, D);
  check(c, y, "y");
  check(c, dw, "dw");
  for (int64_t n = 0; n < N; n++) {
    double terms = 0;  // rstd dy w: dx is a difference of such
    for (int64_t d = 0; d < D; d++) terms = fmax(terms, fabs(get(rstd, n) * get(dy, n * D + d) * get(w, d)));
    check_terms(c, mat_at(dx, n, 0), "dx", n, D, D, tolerance(c), terms);
  }
}

static void run_swiglu(const Case *c) {
  int64_t N = dim(c, "gate", 0), F = dim(c, "gate", 1);
  Mat gate = load(c, "gate"), up = load(c, "up"), dy = load(c, "dy"), y = fresh(c, N, F), none = mat_none();
  c->dev->op->swiglu_forward(c->dev, y, gate, up, none, N, F);
  c->dev->op->swiglu_backward(c->dev, gate, up, none, dy, gate, up, none, N, F);
  check(c, y, "y");
  check(c, gate, "dgate");
  check(c, up, "dup");
}

static void run_cross_entropy(const Case *c) {
  int64_t N = dim(c, "logits", 0), V = dim(c, "logits", 1);
  Mat logits = load(c, "logits"), nll = fresh(c, N, 1), lse = fresh(c, N, 1), loss = fresh(c, 1, 1);
  double tokens = 0, sum = 0;
  for (int64_t n = 0; n < N; n++) tokens += real(c, "mask", n);
  c->dev->op->cross_entropy(c->dev, logits, nll, lse, logits, load_ints(c, "labels"), load_floats(c, "mask", 0, N), N, V,
                            1 / tokens, 0);
  for (int64_t n = 0; n < N; n++) sum += get(nll, n);
  put(loss, 0, sum / tokens);
  check_all(c, nll, "nll");
  check_all(c, lse, "logsumexp");
  check_all(c, loss, "loss");
  check_all(c, logits, "dlogits");
}

static void run_rotary(const Case *c) {
  if (strcmp(c->name, "apply") != 0) return;  // the other cases are tables: nn's
  int64_t N = dim(c, "x", 0) * dim(c, "x", 1), H = dim(c, "x", 2), d = dim(c, "x", 3), half = d / 2, positions = 0;
  int32_t *position = load_ints(c, "positions");
  for (int64_t n = 0; n < N; n++) positions = position[n] >= positions ? position[n] + 1 : positions;
  Mat cosines = fresh(c, positions, half), sines = fresh(c, positions, half);
  for (int64_t i = 0; i < positions * half; i++) {
    double angle = (double)(i / half) * pow(real(c, "theta", 0), -2 * (double)(i % half) / (double)d);
    put(cosines, i, cos(angle));
    put(sines, i, sin(angle));
  }
  for (int pairs = 0; pairs < 2; pairs++) {
    Mat x = load(c, "x"), dy = load(c, "dy");
    x.ld = dy.ld = H * d;
    c->dev->op->rope(c->dev, x, position, cosines, sines, N, H, d, d, pairs, false);
    c->dev->op->rope(c->dev, dy, position, cosines, sines, N, H, d, d, pairs, true);
    check(c, x, pairs ? "y_pairs" : "y_half");
    check(c, dy, pairs ? "dx_pairs" : "dx_half");
  }
}

// The index of the first token of each token's document.
static int32_t *doc_starts(const Case *c, int64_t B, int64_t T) {
  if (!safetensors_find(c->file, "doc.doc_ids") || strcmp(c->name, "doc") != 0) return NULL;
  int32_t *id = load_ints(c, "doc_ids"), *start = arena_take(c->arena, (size_t)(B * T) * sizeof *start);
  for (int64_t i = 0; i < B * T; i++) start[i] = i % T && id[i] == id[i - 1] ? start[i - 1] : (int32_t)(i % T);
  return start;
}

static void run_attention(const Case *c) {
  AttentionArgs a = {.B = dim(c, "q", 0),
                     .Tq = dim(c, "q", 1),
                     .Tk = dim(c, "k", 1),
                     .H = dim(c, "q", 2),
                     .K = dim(c, "k", 2),
                     .Dk_own = dim(c, "q", 3),
                     .Dv = dim(c, "v", 3),
                     .scale = real(c, "scale", 0),
                     .q = load(c, "q"),
                     .k = load(c, "k"),
                     .v = load(c, "v"),
                     .dout = load(c, "dout"),
                     .q_stride = dim(c, "q", 3),
                     .k_stride = dim(c, "k", 3),
                     .v_stride = dim(c, "v", 3)};
  int64_t nq = a.B * a.Tq, nk = a.B * a.Tk;
  a.q.ld = a.H * a.q_stride;
  a.k.ld = a.K * a.k_stride;
  a.v.ld = a.K * a.v_stride;
  a.dout.ld = a.H * a.Dv;
  a.doc_start = doc_starts(c, a.B, a.Tq);
  a.out = fresh(c, nq, a.dout.ld);
  a.lse = fresh(c, nq, a.H);
  a.dq = fresh(c, nq, a.q.ld);
  a.dk = fresh(c, nk, a.k.ld);
  a.dv = fresh(c, nk, a.v.ld);
  c->dev->op->attention_forward(c->dev, &a);
  c->dev->op->attention_backward(c->dev, &a);
  Mat lse = fresh(c, nq * a.H, 1);  // the file has [B,H,Tq]
  for (int64_t i = 0; i < nq * a.H; i++)
    put(lse, i / (a.Tq * a.H) * a.Tq * a.H + i % a.H * a.Tq + i / a.H % a.Tq, get(a.lse, i));
  check(c, a.out, "out");
  check_all(c, lse, "lse");
  check_all(c, a.dq, "dq");
  check_all(c, a.dk, "dk");
  check_all(c, a.dv, "dv");
}

static void check_ids(const Case *c, const int32_t *got, const char *tensor) {
  const StTensor *t = find(c, tensor);
  int64_t wrong = 0;
  for (int64_t i = 0; t && i < st_elements(t); i++) wrong += got[i] != (int32_t)element(t, i);
  compare(c, wrong == 0, "%s: %lld of %lld differ", tensor, (long long)wrong, (long long)(t ? st_elements(t) : 0));
}

static void run_router(const Case *c) {
  if (strcmp(c->name, "bias_update") == 0) return;  // training's
  int64_t B = whole(c, "settings", 0), E = whole(c, "settings", 1), k = whole(c, "settings", 2), N = dim(c, "logits", 0);
  RouterArgs r = {.N = N,
                  .T = B ? N / B : 0,
                  .E = E,
                  .k = k,
                  .n_group = whole(c, "settings", 3),
                  .topk_group = whole(c, "settings", 4),
                  .scoring = strncmp(c->name, "softmax", 7) == 0 ? SCORE_SOFTMAX : SCORE_SIGMOID,
                  .normalise = true,
                  .norm_eps = strncmp(c->name, "softmax", 7) == 0 ? 1e-9 : 1e-20,
                  .scaling = real(c, "scaling", 0),
                  .logits = load(c, "logits"),
                  .bias = load_floats(c, "bias", 0, E),
                  .ids = arena_take(c->arena, (size_t)(N * k) * 4),
                  .picks = arena_take(c->arena, (size_t)(B * E) * 4),
                  .weights = fresh(c, N, k),
                  .aux = fresh(c, B, 1),
                  .dweights = load(c, "dweights"),
                  .dlogits = fresh(c, N, E)};
  c->dev->op->router_forward(c->dev, &r);
  int32_t *load_sum = arena_take(c->arena, (size_t)E * 4);
  Mat aux = fresh(c, 1, 1);
  for (int64_t e = 0; e < E; e++) load_sum[e] = 0;
  for (int64_t i = 0; i < B * E; i++) load_sum[i % E] += r.picks[i];
  for (int64_t b = 0; b < B; b++) put(aux, 0, get(aux, 0) + get(r.aux, b) / (double)B);
  check_ids(c, r.ids, "ids");
  check_ids(c, load_sum, "load");
  check(c, r.weights, "weights");
  check_all(c, aux, "aux");
  c->dev->op->router_backward(c->dev, &r);
  check_all(c, r.dlogits, "dlogits_from_weights");
  r.dweights = fresh(c, N, k);
  r.aux_scale = 1 / (double)B;
  c->dev->op->router_backward(c->dev, &r);
  check_all(c, r.dlogits, "dlogits_from_aux");
}

// Parameters and gradients are fp32 at every level: five steps of their rounding.
static void run_adamw(const Case *c) {
  int64_t n = dim(c, "p0", 0), steps = dim(c, "grads", 0);
  float *p = load_floats(c, "p0", 0, n);
  AdamwArgs a = {.n = n,
                 .p = p,
                 .m = fresh(c, 1, n),
                 .v = fresh(c, 1, n),
                 .grad_scale = 1,
                 .decay = real(c, "wd_eps_b1_b2", 0),
                 .eps = real(c, "wd_eps_b1_b2", 1),
                 .beta1 = real(c, "wd_eps_b1_b2", 2),
                 .beta2 = real(c, "wd_eps_b1_b2", 3)};
  for (a.step = 1; a.step <= steps; a.step++) {
    a.g = load_floats(c, "grads", a.step - 1, n);
    a.lr = real(c, "lr", a.step - 1);
    c->dev->op->adamw(c->dev, &a);
    check_at(c, mat_of(p, n, DT_F32), "p", a.step - 1, n, 1, 4e-6);
  }
  check_at(c, a.m, "m5", 0, n, 1, tolerance(c));
  check_at(c, a.v, "v5", 0, n, 1, tolerance(c));
}

static void run_clip(const Case *c) {
  int64_t na = st_elements(find(c, "a")), nb = st_elements(find(c, "b"));
  double sum_a = 0, sum_b = 0;
  float *a = load_floats(c, "a", 0, na), *b = load_floats(c, "b", 0, nb);
  c->dev->op->sum_squares(c->dev, &sum_a, a, na);
  c->dev->op->sum_squares(c->dev, &sum_b, b, nb);
  double norm = sqrt(sum_a + sum_b), coefficient = fmin(1, 1 / (norm + 1e-6));
  compare(c, near(norm, real(c, "norm_coef", 0), 1e-11 * norm), "norm %g", norm);
  compare(c, near(coefficient, real(c, "norm_coef", 1), 1e-11 * coefficient), "coefficient %g", coefficient);
  // The optimiser scales by it: with beta1 = 0 the first moment is the clipped gradient.
  AdamwArgs step = {.n = na,
                    .step = 1,
                    .p = load_floats(c, "a", 0, na),
                    .g = a,
                    .m = fresh(c, 1, na),
                    .v = fresh(c, 1, na),
                    .eps = 1,
                    .beta2 = 0.5,
                    .grad_scale = coefficient};
  c->dev->op->adamw(c->dev, &step);
  check_at(c, step.m, "a_clipped", 0, na, 1, tolerance(c));
}

// ---- the folder

typedef void RunFn(const Case *c);
static const struct {
  const char *file;
  RunFn *run;
} readers[] = {{"rmsnorm.safetensors", run_rmsnorm},
               {"swiglu.safetensors", run_swiglu},
               {"cross_entropy.safetensors", run_cross_entropy},
               {"rotary.safetensors", run_rotary},
               {"attention.safetensors", run_attention},
               {"router.safetensors", run_router},
               {"adamw.safetensors", run_adamw},
               {"clip.safetensors", run_clip}};

static RunFn *reader(const char *file) {
  for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++)
    if (strcmp(file, readers[i].file) == 0) return readers[i].run;
  return NULL;
}

int golden_ops_reads(const char *file) { return reader(file) != NULL; }

// Runs every case of the file on one device: a case is what stands before the first dot of a tensor's name.
static void run_file(Case c, RunFn *run, bool count_cases) {
  char names[TAKEN_MAX][64];
  int n_names = 0;
  for (int64_t i = 0; i < c.file->count; i++) {
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(c.file->tensor[i].name, "."), c.file->tensor[i].name);
    int at = 0;
    while (at < n_names && strcmp(names[at], name) != 0) at++;
    if (at < n_names || n_names == TAKEN_MAX) continue;
    memcpy(names[n_names++], name, sizeof name);
    c.name = name;
    int64_t before = c.count->comparisons;
    arena_rewind(c.arena, 0);
    run(&c);
    c.count->cases += count_cases && c.count->comparisons > before;
  }
}

static void run_level(GoldenCount *count, Isa isa, const SafeTensors *file, const char *file_name, Arena *arena) {
  Dev dev;
  setenv("PLEIAD_ISA", isa_names[isa], 1);
  Err err = dev_open(&dev, 0);
  unsetenv("PLEIAD_ISA");
  if (err) return;  // a level this machine has not
  Case c = {count, file, file_name, "", &dev, isa == ISA_REF ? DT_F64 : DT_F32, arena};
  run_file(c, reader(file_name), isa == ISA_REF);
  dev_close(&dev);
}

GoldenCount golden_ops(const char *ops) {
  GoldenCount count = {.folder = "ops"};
  char **names = NULL, path[PATH_BYTES];
  size_t n = 0;
  Arena arena = {0};
  if (folder_list(ops, &names, &n) != ERR_OK || arena_init(&arena, "golden cases", 64u << 20) != ERR_OK) {
    fprintf(stderr, "  golden ops: %s\n", err_text());
    count.failed++;
    return count;
  }
  for (size_t i = 0; i < n; i++) {
    SafeTensors file;
    if (!golden_ops_reads(names[i])) continue;
    if (path_join(path, ops, names[i]) != ERR_OK || safetensors_open(&file, path) != ERR_OK) {
      fprintf(stderr, "  golden ops: %s\n", err_text());
      count.failed++;
      continue;
    }
    for (Isa isa = ISA_REF; isa < ISA_LEVELS; isa++) run_level(&count, isa, &file, names[i], &arena);
    safetensors_close(&file);
  }
  names_free(names, n);
  arena_free(&arena);
  return count;
}
