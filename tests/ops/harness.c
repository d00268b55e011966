#include "ops/harness.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/half.h"
#include "base/rng.h"
#include "ops/amx_trap.h"
#include "test.h"

enum { GUARD_BYTES = 192, GUARD = 0xa5, THREAD_COUNTS = 3 };
static const int thread_counts[THREAD_COUNTS] = {1, 2, 7};

Dev *test_dev(Isa isa, int n_threads) {
  static Dev devs[ISA_LEVELS][8];
  static bool tried[ISA_LEVELS][8];
  Dev *d = &devs[isa][n_threads];
  if (!tried[isa][n_threads]) {
    tried[isa][n_threads] = true;
    (void)amx_emulate();
    setenv("PLEIAD_ISA", isa_names[isa], 1);
    if (dev_open(d, n_threads) != ERR_OK) d->op = NULL;
    unsetenv("PLEIAD_ISA");
  }
  return d->op ? d : NULL;
}

// ---- tensors

static size_t element_bytes(const Trial *t, const Tensor *x) {
  if (x->is_int || x->fixed) return 4;
  return t->reference ? 8 : dtype_bytes(x->type);
}

static double rounded(double v, Dtype type) {
  return type == DT_F64 ? v : type == DT_F32 ? (double)(float)v : (double)bf16_to_f32(bf16_from_f32((float)v));
}

static Mat whole(const Trial *t, const Tensor *x) {
  return mat_of(x->data, x->ld, x->fixed ? DT_F32 : t->reference ? DT_F64 : x->type);
}

static double value_at(Mat m, int64_t i) {
  if (m.type == DT_F64) return ((const double *)m.data)[i];
  return m.type == DT_F32 ? (double)((const float *)m.data)[i] : (double)bf16_to_f32(((const Bf16 *)m.data)[i]);
}

double trial_value(const Trial *t, int slot, int64_t row, int64_t column) {
  const Tensor *x = &t->t[slot];
  if (x->is_int) return ((const int32_t *)x->data)[row * x->ld + column];
  return value_at(whole(t, x), row * x->ld + column);
}

void trial_set(Trial *t, int slot, int64_t row, int64_t column, double value) {
  Tensor *x = &t->t[slot];
  int64_t i = row * x->ld + column;
  double v = rounded(value, x->type);
  if (x->is_int) ((int32_t *)x->data)[i] = (int32_t)value;
  else if (x->type == DT_F64 || (t->reference && !x->fixed)) ((double *)x->data)[i] = v;
  else if (x->type == DT_BF16) ((Bf16 *)x->data)[i] = bf16_from_f32((float)v);
  else ((float *)x->data)[i] = (float)v;
}

double trial_random(int slot, int64_t index) { return rng_uniform(rng_named(7, "trial"), (uint64_t)slot, (uint64_t)index); }

// Normal values: a table, walked from another place for each tensor.
static double normal(int slot, int64_t i) {
  enum { VALUES = 65521 };
  static float table[VALUES];
  static bool made;
  if (!made) rng_fill_normal(rng_named(11, "fill"), 0, 0, table, VALUES, 0, 1);
  made = true;
  return (double)table[(slot * 7919 + i) % VALUES];
}

static void fill(Trial *t, int slot) {
  Tensor *x = &t->t[slot];
  for (int64_t i = 0; i < x->rows; i++)
    for (int64_t j = 0; j < x->cols; j++) {
      double v = x->is_int ? 0 : normal(slot, i * x->cols + j);
      if (x->use == USE_OUT) v = x->is_int ? INT32_MIN : NAN;
      trial_set(t, slot, i, j, v);
    }
}

static Tensor *take(Trial *t, int slot, Tensor x) {
  Tensor *p = &t->t[slot];
  *p = x;
  size_t bytes = element_bytes(t, p), shift = (size_t)t->shift * bytes;
  int64_t elements = x.rows > 0 && x.cols > 0 ? (x.rows - 1) * x.ld + x.cols : 0;
  p->raw_bytes = 2 * GUARD_BYTES + shift + (size_t)elements * bytes;
  p->raw = aligned_alloc(64, (p->raw_bytes + 63) / 64 * 64);
  ASSERT(p->raw);
  memset(p->raw, GUARD, p->raw_bytes);
  p->data = p->raw + GUARD_BYTES + shift;
  fill(t, slot);
  return p;
}

Tensor *trial_mat(Trial *t, int slot, Use use, int64_t rows, int64_t cols, Dtype type, int64_t per_row) {
  return take(t, slot, (Tensor){.use = use, .rows = rows, .cols = cols, .ld = cols + t->pad, .type = type, .per_row = per_row});
}
Tensor *trial_column(Trial *t, int slot, Use use, int64_t rows, int64_t per_row) {
  return take(t, slot, (Tensor){.use = use, .rows = rows, .cols = 1, .ld = 1, .type = DT_F32, .per_row = per_row});
}
Tensor *trial_floats(Trial *t, int slot, Use use, int64_t count, int64_t per_row) {
  return take(t, slot,
              (Tensor){.use = use, .rows = count, .cols = 1, .ld = 1, .type = DT_F32, .fixed = true, .per_row = per_row});
}
Tensor *trial_ints(Trial *t, int slot, Use use, int64_t count, int64_t per_row) {
  return take(t, slot, (Tensor){.use = use, .rows = count, .cols = 1, .ld = 1, .is_int = true, .per_row = per_row});
}

Mat trial_m(const Trial *t, int slot, int64_t first) {
  const Tensor *x = &t->t[slot];
  return x->use == USE_NONE ? mat_none() : mat_at(whole(t, x), first * x->per_row, 0);
}
float *trial_f(const Trial *t, int slot, int64_t first) {
  const Tensor *x = &t->t[slot];
  return x->use == USE_NONE ? NULL : (float *)x->data + first * x->per_row;
}
int32_t *trial_i(const Trial *t, int slot, int64_t first) {
  const Tensor *x = &t->t[slot];
  return x->use == USE_NONE ? NULL : (int32_t *)x->data + first * x->per_row;
}

// ---- one trial

typedef struct {
  int slot;
  double value;
  int64_t at;  // element, by rows
} Poison;

static void trial_make(Trial *t, const Trial *like, const OpRow *row, const Poison *poison) {
  *t = *like;
  memset(t->t, 0, sizeof t->t);
  t->length = 1;
  row->declare(t);
  if (poison && poison->slot >= 0) {
    Tensor *x = &t->t[poison->slot];
    trial_set(t, poison->slot, poison->at / x->cols, poison->at % x->cols, poison->value);
  }
}

static void trial_free(Trial *t) {
  for (int s = 0; s < TRIAL_TENSORS; s++) free(t->t[s].raw);
}

typedef struct {
  const char *op, *level;
  FromFn *from;
  int threads;
  double tolerance;
  const char *what;  // of the poison
} Place;

static const char *place_text(const Place *p, const Trial *t) {
  static char text[400];
  snprintf(text, sizeof text, "%s by %s, %d threads, shape %lld %lld %lld %lld %lld, %s, variant %d, pad %lld, shift %lld%s",
           p->op, p->level, p->threads, (long long)t->shape[0], (long long)t->shape[1], (long long)t->shape[2],
           (long long)t->shape[3], (long long)t->shape[4], t->type == DT_BF16 ? "bf16" : "f32", t->variant, (long long)t->pad,
           (long long)t->shift, p->what);
  return text;
}

static void check_same(const Place *p, const Trial *t, const Trial *fresh, int s, size_t begin, size_t end, const char *what) {
  const Tensor *x = &t->t[s], *f = &fresh->t[s];
  ASSERT_MSG(end <= begin || memcmp(x->raw + begin, f->raw + begin, end - begin) == 0, "%s: %s of tensor %d was written",
             place_text(p, t), what, s);
}

// Everything but what the call may write must be as `fresh` (the same trial before the call).
static void check_untouched(const Place *p, const Trial *t, const Trial *fresh) {
  for (int s = 0; s < TRIAL_TENSORS; s++) {
    const Tensor *x = &t->t[s];
    if (x->use == USE_IN) check_same(p, t, fresh, s, 0, x->raw_bytes, "an input, or what lies around it");
    if (x->use != USE_OUT && x->use != USE_INOUT) continue;
    size_t bytes = element_bytes(t, x), begin = (size_t)((char *)x->data - x->raw), end = begin,
           row_bytes = (size_t)x->cols * bytes;
    check_same(p, t, fresh, s, 0, begin, "what lies before the first row");
    for (int64_t i = 0; i < x->rows && x->cols; i++) {
      check_same(p, t, fresh, s, end, begin + (size_t)(i * x->ld) * bytes, "what lies between the rows");
      end = begin + (size_t)(i * x->ld) * bytes + row_bytes;
    }
    check_same(p, t, fresh, s, end, x->raw_bytes, "what lies after the last row");
  }
}

static bool same_kind(double got, double want) {
  if (isnan(want)) return isnan(got);
  return isinf(want) ? got == want : isfinite(got);
}

// |got - want| <= one rounding of the result + tolerance * rounding of fp32 (bf16 if computed so inside) * sqrt(length) * size
// of the terms
static void check_row(const Place *p, const Trial *t, const Trial *reference, int s, int64_t i) {
  const Tensor *x = &t->t[s];
  double greatest = x->magnitude;
  for (int64_t j = 0; j < x->cols; j++) {
    double want = fabs(trial_value(reference, s, i, j));
    if (isfinite(want)) greatest = fmax(greatest, want);
  }
  double sum_unit = t->bf16_inside ? 0x1p-8 : x->type == DT_F64 ? 0x1p-53 : 0x1p-24;
  double out_unit = x->type == DT_BF16 ? 0x1p-8 : x->type == DT_F64 ? 0x1p-53 : 0x1p-24;
  for (int64_t j = 0; j < x->cols; j++) {
    double got = trial_value(t, s, i, j), want = trial_value(reference, s, i, j);
    double size = x->one_rounding ? fabs(want) : greatest;
    double allowed =
        out_unit * fabs(want) + p->tolerance * sum_unit * sqrt(t->length) * size + p->tolerance * t->length * FLT_MIN;
    if (x->type != DT_F64 && fabs(want) > FLT_MAX) want = copysign(INFINITY, want);
    bool good = x->is_int ? got == want : isfinite(want) ? fabs(got - want) <= allowed : same_kind(got, want);
    ASSERT_MSG(good, "%s: tensor %d at [%lld, %lld] is %.9g, want %.9g within %.3g", place_text(p, t), s, (long long)i,
               (long long)j, got, want, allowed);
  }
}

static void check_values(const Place *p, const Trial *t, const Trial *reference) {
  for (int s = 0; s < TRIAL_TENSORS; s++) {
    const Tensor *x = &t->t[s];
    if (x->use != USE_OUT && x->use != USE_INOUT) continue;
    for (int64_t i = 0; i < x->rows && !x->not_compared; i++) check_row(p, t, reference, s, i);
  }
}

static void check_bits(const Place *p, const Trial *t, const Trial *other, int64_t first, int64_t count, const char *what) {
  for (int s = 0; s < TRIAL_TENSORS; s++) {
    const Tensor *x = &t->t[s], *y = &other->t[s];
    if (x->use != USE_OUT && x->use != USE_INOUT) continue;
    if (count >= 0 && (!x->per_row || x->not_compared)) continue;
    int64_t begin = count >= 0 ? first * x->per_row : 0, end = count >= 0 ? (first + count) * x->per_row : x->rows;
    size_t bytes = element_bytes(t, x);
    for (int64_t i = begin; i < end; i++) {
      const char *a = (const char *)x->data + (size_t)(i * x->ld) * bytes,
                 *b = (const char *)y->data + (size_t)(i * x->ld) * bytes;
      ASSERT_MSG(memcmp(a, b, (size_t)x->cols * bytes) == 0, "%s: row %lld of tensor %d has other bits %s", place_text(p, t),
                 (long long)i, s, what);
    }
  }
}

// ---- a case: shape, type, variant

static void check_rows_alone(const Place *p, const OpRow *row, Isa isa, const Trial *full, const Trial *like) {
  int64_t N = like->shape[0], picks[3] = {0, N / 2, N - 1};
  for (int i = 0; i < 3 && N > 1; i++) {
    Trial alone;
    trial_make(&alone, like, row, NULL);
    row->call(test_dev(isa, 1), &alone, picks[i], 1);
    check_bits(p, &alone, full, picks[i], 1, "when computed alone");
    trial_free(&alone);
  }
}

static void check_level(Place p, const OpRow *row, Isa isa, const Trial *like, const Trial *reference, const Poison *poison) {
  Trial fresh, first;
  trial_make(&fresh, like, row, poison);
  int counts = poison ? 1 : like->pad ? THREAD_COUNTS : 2;  // more threads than cores are slow: not for every shape
  for (int i = 0; i < counts; i++) {
    Trial t;
    trial_make(&t, like, row, poison);
    p.threads = thread_counts[i];
    row->call(test_dev(isa, p.threads), &t, 0, t.shape[0]);
    check_untouched(&p, &t, &fresh);
    if (i == 0) {
      check_values(&p, &t, reference);
      first = t;
    } else {
      check_bits(&p, &t, &first, 0, -1, "than with one thread");
      trial_free(&t);
    }
  }
  if (row->rows && !poison) check_rows_alone(&p, row, isa, &first, like);
  trial_free(&first);
  trial_free(&fresh);
}

// Runs the levels that have a version of their own.
static void check_case(Place p, const OpRow *row, Trial like, const Poison *poison) {
  Trial reference;
  like.reference = true;
  trial_make(&reference, &like, row, poison);
  row->call(test_dev(ISA_REF, 1), &reference, 0, like.shape[0]);
  like.reference = false;
  for (Isa isa = ISA_REF; isa < ISA_LEVELS; isa++) {
    const Dev *d = test_dev(isa, 1);
    if (!d || strcmp(p.from(d->op), isa_names[isa]) != 0) continue;
    p.level = isa_names[isa];
    check_level(p, row, isa, &like, &reference, poison);
  }
  trial_free(&reference);
}

// A NaN and both infinities in one element of each float input of this case.
static void check_nonfinite(Place p, const OpRow *row, Trial like) {
  static const double values[3] = {NAN, INFINITY, -INFINITY};
  static const char *const names[3] = {", a NaN put in", ", +Inf put in", ", -Inf put in"};
  Trial probe;
  trial_make(&probe, &like, row, NULL);
  for (int s = 0; s < TRIAL_TENSORS; s++) {
    const Tensor *x = &probe.t[s];
    if ((x->use != USE_IN && x->use != USE_INOUT) || x->is_int || x->stays_finite || x->rows * x->cols == 0) continue;
    for (int v = 0; v < 3; v++) {
      p.what = names[v];
      check_case(p, row, like, &(Poison){s, values[v], x->rows * x->cols / 2});
    }
  }
  trial_free(&probe);
}

void check_op(const char *name, double tolerance, FromFn *from, const OpRow *row) {
  Place p = {.op = name, .from = from, .tolerance = tolerance, .what = ""};
  int64_t count = 0;
  for (const int64_t(*shape)[TRIAL_DIMS] = row->shapes; (*shape)[0] >= 0; shape++, count++)
    for (int variant = 0; variant < row->variants; variant++)
      for (int type = 0; type < 2; type++) {
        Trial like = {.variant = variant, .type = type ? DT_BF16 : DT_F32, .pad = count % 3 == 1 ? 3 : 0, .shift = count % 2};
        memcpy(like.shape, *shape, sizeof like.shape);
        check_case(p, row, like, NULL);
        if (!row->no_nonfinite && count % row->variants == variant) check_nonfinite(p, row, like);
      }
}
