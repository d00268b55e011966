#include "golden/golden_tensors.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"

enum { CASE_NAME_BYTES = 96, ARENA_TIMES = 64, ARENA_LEAST = 64 << 20, TENSORS_MAX = 4096 };

// A reader's process is about one file: which of its tensors were asked for, by any of its readers.
static bool asked_for[TENSORS_MAX];

void case_compare(const TensorCase *c, bool ok, const char *format, ...) {
  if (ok) {
    golden_compare(c->count, true, " ");
    return;
  }
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  golden_compare(c->count, false, "%s by %s: %s", c->name, isa_names[c->dev->isa], text);
}

// ---- tensors of the case

const StTensor *case_find(const TensorCase *c, const char *tensor) {
  char full[2 * CASE_NAME_BYTES];
  snprintf(full, sizeof full, "%s.%s", c->name, tensor);
  const StTensor *t = safetensors_find(c->file, *c->name ? full : tensor);
  if (t && t - c->file->tensor < TENSORS_MAX) asked_for[t - c->file->tensor] = true;
  return t;
}

const StTensor *case_want(const TensorCase *c, const char *tensor) {
  const StTensor *t = case_find(c, tensor);
  if (!t) case_compare(c, false, "no tensor %s", tensor);
  return t;
}

// Tensors need not be aligned.
static double element(const StTensor *t, int64_t i) {
  const char *at = (const char *)t->data + (size_t)i * st_type_bytes(t->type);
  double f64;
  float f32;
  int64_t i64;
  int32_t i32;
  switch (t->type) {
    case ST_F64: return memcpy(&f64, at, sizeof f64), f64;
    case ST_F32: return memcpy(&f32, at, sizeof f32), (double)f32;
    case ST_I64: return memcpy(&i64, at, sizeof i64), (double)i64;
    case ST_I32: return memcpy(&i32, at, sizeof i32), (double)i32;
    default: return NAN;
  }
}

int64_t case_dim(const TensorCase *c, const char *tensor, int at) {
  const StTensor *t = case_want(c, tensor);
  return t && at < t->n_dims ? t->dim[at] : 0;
}
int64_t case_elements(const TensorCase *c, const char *tensor) {
  const StTensor *t = case_want(c, tensor);
  return t ? st_elements(t) : 0;
}
double case_real(const TensorCase *c, const char *tensor, int64_t i) {
  const StTensor *t = case_want(c, tensor);
  return t && i < st_elements(t) ? element(t, i) : NAN;
}
int64_t case_whole(const TensorCase *c, const char *tensor, int64_t i) {
  double x = case_real(c, tensor, i);
  return fabs(x) < 0x1p31 ? (int64_t)x : 0;
}

double mat_get(Mat m, int64_t i) { return m.type == DT_F64 ? ((const double *)m.data)[i] : (double)((const float *)m.data)[i]; }
void mat_put(Mat m, int64_t i, double x) {
  if (m.type == DT_F64) ((double *)m.data)[i] = x;
  else ((float *)m.data)[i] = (float)x;
}

static Mat zeros(const TensorCase *c, int64_t rows, int64_t cols, Dtype type) {
  size_t bytes = (size_t)(rows * cols) * dtype_bytes(type);
  Mat m = mat_of(arena_take(c->arena, bytes), cols, type);
  memset(m.data, 0, bytes);
  return m;
}

Mat case_fresh(const TensorCase *c, int64_t rows, int64_t cols) { return zeros(c, rows, cols, c->type); }

// The tensor if it has n elements.
static const StTensor *of_size(const TensorCase *c, const char *tensor, int64_t n) {
  const StTensor *t = case_want(c, tensor);
  if (!t || st_elements(t) == n) return t;
  case_compare(c, false, "%s has %lld numbers, %lld are wanted", tensor, (long long)st_elements(t), (long long)n);
  return NULL;
}

Mat case_load(const TensorCase *c, const char *tensor, int64_t rows, int64_t cols) {
  const StTensor *t = of_size(c, tensor, rows * cols);
  Mat m = case_fresh(c, rows, cols);
  for (int64_t i = 0; t && i < rows * cols; i++) mat_put(m, i, element(t, i));
  return m;
}

float *case_floats(const TensorCase *c, const char *tensor, int64_t n) {
  const StTensor *t = of_size(c, tensor, n);
  float *x = zeros(c, 1, n, DT_F32).data;
  for (int64_t i = 0; t && i < n; i++) x[i] = (float)element(t, i);
  return x;
}

int32_t *case_ints(const TensorCase *c, const char *tensor, int64_t n, int64_t low, int64_t high) {
  const StTensor *t = of_size(c, tensor, n);
  int32_t *x = zeros(c, 1, n, DT_I32).data;
  for (int64_t i = 0; t && i < n; i++) {
    double v = element(t, i);
    bool in_range = v >= (double)low && v <= (double)high;
    if (!in_range)
      case_compare(c, false, "%s[%lld] is %g, outside [%lld, %lld]", tensor, (long long)i, v, (long long)low, (long long)high);
    x[i] = (int32_t)(in_range ? v : (double)low);
  }
  return x;
}

// ---- comparisons

double case_tolerance(const TensorCase *c) { return c->type == DT_F64 ? 1e-11 : 4e-6; }

void case_check(const TensorCase *c, Mat got, const char *tensor, int64_t part, int64_t n, int64_t run, double allowed,
                double terms) {
  const StTensor *t = case_want(c, tensor);
  if (!t) return;
  if (st_elements(t) < (part + 1) * n) {
    case_compare(c, false, "%s has %lld numbers, %lld are wanted", tensor, (long long)st_elements(t),
                 (long long)((part + 1) * n));
    return;
  }
  for (int64_t i = 0; i < n; i += run) {
    double greatest = terms, worst = 0;
    int64_t end = i + run < n ? i + run : n;
    for (int64_t j = i; j < end; j++) greatest = fmax(greatest, fabs(element(t, part * n + j)));
    bool good = true;
    for (int64_t j = i; j < end; j++) {
      double want = element(t, part * n + j), difference = fabs(mat_get(got, j) - want);
      good = good && (mat_get(got, j) == want || difference <= allowed * greatest + 1e-37);
      worst = fmax(worst, difference);
    }
    case_compare(c, good, "%s, row %lld: off by %g of %g, allowed %g", tensor, (long long)(i / run), worst, greatest,
                 allowed * greatest);
  }
}

void case_check_rows(const TensorCase *c, Mat got, const char *tensor) {
  const StTensor *t = case_want(c, tensor);
  int64_t row = t && t->n_dims ? t->dim[t->n_dims - 1] : 1;
  if (t) case_check(c, got, tensor, 0, st_elements(t), row > 0 ? row : 1, case_tolerance(c), 0);
}

void case_check_all(const TensorCase *c, Mat got, const char *tensor) {
  const StTensor *t = case_want(c, tensor);
  if (t) case_check(c, got, tensor, 0, st_elements(t), st_elements(t) + 1, case_tolerance(c), 0);
}

// ---- cases of a file

// Whether tensor t is CASE.`key`; its case into name.
static bool case_of(const StTensor *t, const char *key, char name[CASE_NAME_BYTES]) {
  const char *dot = strchr(t->name, '.');
  if (!dot || strcmp(dot + 1, key) != 0) return false;
  snprintf(name, CASE_NAME_BYTES, "%.*s", (int)(dot - t->name), t->name);
  return true;
}

static void run_cases(TensorCase c, const char *key, bool count, TensorCaseFn *fn) {
  char name[CASE_NAME_BYTES] = "";
  c.name = name;
  for (int64_t i = 0; i < (*key ? c.file->count : 1); i++) {
    if (*key && !case_of(&c.file->tensor[i], key, name)) continue;
    arena_rewind(c.arena, 0);
    c.count->cases += count;
    fn(&c);
  }
}

static void run_level(GoldenCount *n, const SafeTensors *file, Arena *arena, Isa isa, const char *key, bool once,
                      TensorCaseFn *fn) {
  Dev dev;
  if (!once) setenv("PLEIAD_ISA", isa_names[isa], 1);
  Err err = dev_open(&dev, 1);
  if (!once) unsetenv("PLEIAD_ISA");
  if (err && !once && isa != ISA_REF) return;  // a level this machine has not
  if (!golden_ok(n, err)) return;
  bool reference = isa == ISA_REF && !once;
  TensorCase c = {n, file, "", &dev, reference ? DT_F64 : DT_F32, arena};
  run_cases(c, key, isa == ISA_REF, fn);
  dev_close(&dev);
}

void golden_each_case(GoldenCount *n, const char *key, bool once, TensorCaseFn *fn) {
  char path[PATH_BYTES];
  SafeTensors file;
  Arena arena = {0};
  if (!golden_ok(n, safetensors_open(&file, golden_path(n, path, "%s", n->folder)))) return;
  size_t bytes = file.map.size * ARENA_TIMES + ARENA_LEAST;
  if (golden_ok(n, arena_init(&arena, "golden cases", bytes)))
    for (Isa isa = ISA_REF; isa < (once ? 1 : ISA_LEVELS); isa++) run_level(n, &file, &arena, isa, key, once, fn);
  arena_free(&arena);
  safetensors_close(&file);
}

// What a tensor is in its case: "probs" of "softmax.probs".
static const char *kind_of(const StTensor *t) {
  const char *dot = strchr(t->name, '.');
  return dot ? dot + 1 : t->name;
}

void golden_unread_tensors(GoldenCount *n) {
  char path[PATH_BYTES], part[CASE_NAME_BYTES];
  SafeTensors file;
  snprintf(path, sizeof path, "%.3800s/%s", golden_tree(n), n->folder);
  if (safetensors_open(&file, path) != ERR_OK) return;  // the readers said so
  for (int64_t i = 0; i < file.count && i < TENSORS_MAX; i++) {
    if (asked_for[i]) continue;
    int64_t count = 0;
    for (int64_t j = i; j < file.count && j < TENSORS_MAX; j++) {
      if (asked_for[j] || strcmp(kind_of(&file.tensor[j]), kind_of(&file.tensor[i])) != 0) continue;
      asked_for[j] = true;  // said with this one
      count++;
    }
    snprintf(part, sizeof part, "%.60s%s", count > 1 ? kind_of(&file.tensor[i]) : file.tensor[i].name,
             count > 1 ? " of its cases" : "");
    golden_not_read(n, part, "a comparison: nothing here gives this tensor");
  }
  golden_compare(n, file.count <= TENSORS_MAX, "%lld tensors; at most %d are looked at", (long long)file.count, TENSORS_MAX);
  safetensors_close(&file);
}
