#include "cli/verify/activations.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verify/self.h"

enum { PLACES_MAX = 192, GRADIENTS_SHOWN = 24 };

// What went by in A.
typedef struct {
  char name[VERIFY_NAME_BYTES];
  int64_t rows, cols;
  double *x;  // owned
} Place;

typedef struct {
  VerifyCase *report;
  Self *side;  // at hand
  Place place[PLACES_MAX];
  int n_places, at;
  bool second;  // of the two
  Err err;
} Pass;

static double number(Mat m, int64_t i, int64_t j) {
  const void *at = mat_at(m, i, j).data;
  assert(at);
  return m.type == DT_I32 ? (double)*(const int32_t *)at : (double)*(const float *)at;
}

static void keep(Pass *p, const char *name, Mat m, int64_t rows, int64_t cols) {
  if (p->n_places == PLACES_MAX) return;
  Place *to = &p->place[p->n_places++];
  *to = (Place){.rows = rows, .cols = cols, .x = malloc((size_t)(rows * cols) * sizeof *to->x)};
  snprintf(to->name, sizeof to->name, "%s", name);
  if (!to->x) p->err = ERR_HERE(ERR_MEMORY, "no memory for %s", name);
  for (int64_t i = 0; i < rows * cols && to->x; i++) to->x[i] = number(m, i / cols, i % cols);
}

static void compare(Pass *p, const char *name, Mat m, int64_t rows, int64_t cols) {
  if (p->at == p->n_places) return;
  const Place *want = &p->place[p->at++];
  if (strcmp(want->name, name) != 0 || want->rows != rows || want->cols != cols) {
    p->err = ERR_HERE(ERR_SHAPE, "%s [%lld, %lld] here is %s [%lld, %lld] there", name, (long long)rows, (long long)cols,
                      want->name, (long long)want->rows, (long long)want->cols);
    return;
  }
  double greatest = 0;
  for (int64_t i = 0; i < rows * cols; i++) greatest = fmax(greatest, fabs(want->x[i]));
  VerifyLine *l = verify_case_line(p->report, name, 0);
  for (int64_t i = 0; i < rows * cols; i++) {
    double got = number(m, i / cols, i % cols), d = fabs(got - want->x[i]);
    verify_note(l, d == 0 ? 0 : d / greatest, "token %lld, number %lld: %.9g in A, %.9g in B", (long long)(i / cols),
                (long long)(i % cols), want->x[i], got);
  }
}

static void probe(void *context, const char *what, int64_t layer, Mat m, int64_t rows, int64_t cols) {
  Pass *p = context;
  char name[VERIFY_NAME_BYTES];
  if (p->err || (m.type != DT_F32 && m.type != DT_I32)) return;
  if (layer >= 0) snprintf(name, sizeof name, "%.40s.%lld", what, (long long)layer);
  else snprintf(name, sizeof name, "%.40s", what);
  (p->second ? compare : keep)(p, name, m, rows, cols);
}

// ---- gradients

typedef struct {
  const Param *param;
  double error, norm;
} Gradient;

static int worst_first(const void *a, const void *b) {
  const Gradient *x = a, *y = b;
  return (x->error < y->error) - (x->error > y->error);
}

static void compare_gradients(Pass *p, const Gradient *sorted, int64_t n) {
  for (int64_t i = 0; i < n && i < GRADIENTS_SHOWN && p->report->n_lines < VERIFY_LINES_MAX; i++) {
    char what[VERIFY_NAME_BYTES];
    if (i > 0 && sorted[i].error == 0) break;
    snprintf(what, sizeof what, "gradient %lld of %lld", (long long)i + 1, (long long)n);
    verify_note(verify_case_line(p->report, what, 0), sorted[i].error, "%s, norm %.3g", sorted[i].param->name, sorted[i].norm);
  }
}

static Err gradients(Pass *p, const Outcome *a, const Outcome *b) {
  const ParamList *list = &p->side->trainer.model.params;
  Gradient *all = calloc((size_t)list->count + 1, sizeof *all);
  CHECK(all, ERR_MEMORY, "no memory for a list of %lld gradients", (long long)list->count);
  int64_t n = 0, at = 0;
  for (int64_t i = 0; i < list->count; i++) {
    const Param *q = &list->param[i];
    if (!q->g) continue;
    double difference = 0, size = 0;
    for (int64_t j = 0; j < q->n; j++) {
      double x = (double)a->grads[at + j], d = (double)b->grads[at + j] - x;
      difference += d * d, size += x * x;
    }
    at += q->n;
    all[n++] = (Gradient){q, difference == 0 ? 0 : sqrt(difference / size), sqrt(size)};
  }
  qsort(all, (size_t)n, sizeof *all, worst_first);
  compare_gradients(p, all, n);
  free(all);
  return ERR_OK;
}

// ---- both

static Err compute(Pass *p, Self *s, Outcome *o) {
  SelfBatch b;
  p->side = s;
  s->probe = probe, s->probe_context = p;
  self_batch(s, &b);
  TRY(self_compute(s, &s->trainer, &b, NULL, o));
  probe(p, "logits", -1, mat_of(o->logits, s->config.model.vocab, DT_F32), b.B * b.T, s->config.model.vocab);
  return p->err;
}

static Err same_shapes(const Self *a, const Self *b) {
  const ParamList *x = &a->trainer.model.params, *y = &b->trainer.model.params;
  CHECK(a->T == b->T, ERR_SHAPE, "%s and %s are announced for other lengths", a->where, b->where);
  for (int64_t i = 0; i < x->count && i < y->count; i++)
    CHECK(strcmp(x->param[i].name, y->param[i].name) == 0 && x->param[i].n == y->param[i].n, ERR_SHAPE,
          "two models: %s has %s with %lld numbers where %s has %s with %lld", a->where, x->param[i].name,
          (long long)x->param[i].n, b->where, y->param[i].name, (long long)y->param[i].n);
  CHECK(x->count == y->count, ERR_SHAPE, "two models: %s has %lld parameters, %s %lld", a->where, (long long)x->count, b->where,
        (long long)y->count);
  return ERR_OK;
}

static Err run(Pass *p, Self *side, const char *a, const char *b, int threads, Outcome *o) {
  TRY(self_open(&side[0], a, threads));
  TRY(self_open(&side[1], b, threads));
  TRY(same_shapes(&side[0], &side[1]));
  TRY(compute(p, &side[0], &o[0]));
  p->second = true;
  TRY(compute(p, &side[1], &o[1]));
  verify_note(verify_case_line(p->report, "loss", 0), fabs(o[0].loss - o[1].loss) / fabs(o[0].loss), "%.9g in A, %.9g in B",
              o[0].loss, o[1].loss);
  return gradients(p, &o[0], &o[1]);
}

Err verify_activations(VerifyCase *report, const char *a, const char *b, int threads) {
  Pass *p = calloc(1, sizeof *p);
  Self *side = calloc(2, sizeof *side);
  Outcome o[2] = {{0}};
  Err err = ERR_OK;
  verify_begin(report, b);
  CHECK_OUT(p && side, ERR_MEMORY, "no memory to compare %s", a);
  p->report = report;
  err = run(p, side, a, b, threads, o);
out:
  for (int i = 0; i < 2 && side; i++) self_close(&side[i]), outcome_free(&o[i]);
  for (int i = 0; p && i < p->n_places; i++) free(p->place[i].x);
  free(p);
  free(side);
  verify_end(report);
  return err;
}
