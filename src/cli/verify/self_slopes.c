// Gradients against the slopes of the loss, along directions of single parameters.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "cli/verify/self.h"

enum { DIRECTIONS = 12 };

// The loss is known to about 2e-7 of itself; a change of 2^-8 in it, over two step sizes and corrected for curvature, is known
// to a few thousandths.
static const double TOLERANCE = 0.01, CHANGE = 0x1p-8, LEAST_CHANGE = 0x1p-14, LARGEST_STEP = 0x1p-5;

typedef struct {
  Self *s;
  SelfBatch batch;
  RouteTape tape;
  Outcome at;  // gradients where the weights are
} Slopes;

// The gradient in half of its places, by chance: a direction along which the loss falls, and other ones each time.
static double direction_of(const Param *p, const float *g, uint64_t number, float *d) {
  Rng rng = rng_named(number, p->name);
  double slope = 0;
  for (int64_t i = 0; i < p->n; i++) {
    d[i] = rng_uniform(rng, 0, (uint64_t)i) < 0.5 ? g[i] : 0;
    slope += (double)d[i] * (double)d[i];
  }
  return slope;
}

static Err loss_at(Slopes *v, Param *p, const float *w, const float *d, double step, double *loss) {
  for (int64_t i = 0; i < p->n; i++) {
    float moved = (float)((double)w[i] + step * (double)d[i]);
    param_put(p, i, 1, &moved);
  }
  return self_loss(&v->s->trainer, &v->batch, &v->tape, loss);
}

static Err difference(Slopes *v, Param *p, const float *w, const float *d, double step, double *slope) {
  double up, down;
  TRY(loss_at(v, p, w, d, step, &up));
  TRY(loss_at(v, p, w, d, -step, &down));
  *slope = (up - down) / (2 * step);
  return ERR_OK;
}

static double norm_of(const float *x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
  return sqrt(sum);
}

// A step that changes the loss enough to be seen and the weights little enough to be a step; 0: the loss is too flat here.
static double step_of(const Param *p, const float *w, const float *d, double slope) {
  double size = fmax(norm_of(w, p->n), 0.02 * sqrt((double)p->n)), most = LARGEST_STEP * size / norm_of(d, p->n);
  double step = fmin(CHANGE / slope, most);
  return step * slope < LEAST_CHANGE ? 0 : step;
}

static Err compare(Slopes *v, VerifyLine *l, Param *p, const float *g, uint64_t number, bool *compared) {
  float *d = malloc((size_t)p->n * sizeof *d), *w = malloc((size_t)p->n * sizeof *w);
  Err err = ERR_OK;
  double wide = 0, narrow = 0;
  *compared = false;
  CHECK_OUT(d && w, ERR_MEMORY, "no memory for a direction of %s", p->name);
  param_get(p, 0, p->n, w);
  double slope = direction_of(p, g, number, d), step = slope > 0 ? step_of(p, w, d, slope) : 0;
  if (step == 0) goto out;
  err = difference(v, p, w, d, step, &wide);
  if (!err) err = difference(v, p, w, d, step / 2, &narrow);
  param_put(p, 0, p->n, w);
  if (err) goto out;
  double measured = (4 * narrow - wide) / 3;
  verify_note(l, fabs(measured - slope) / slope, "%.80s: slope %.6g, gradient says %.6g", p->name, measured, slope);
  *compared = true;
out:
  free(d);
  free(w);
  return err;
}

// Parameters by chance; none is chosen by hand.
static Err run(Slopes *v) {
  Self *s = v->s;
  Trainer *t = &s->trainer;
  VerifyLine *l = verify_case_line(s->report, "gradients are the slopes of the loss", TOLERANCE);
  const ParamList *list = &t->model.params;
  Rng rng = rng_named(2, "verify");
  int done = 0;
  for (uint64_t tried = 0; tried < 4 * DIRECTIONS && done < DIRECTIONS; tried++) {
    int64_t chosen = (int64_t)(rng_uniform(rng, 0, tried) * (double)list->count), at = 0;
    Param *p = &list->param[chosen];
    if (!p->g) continue;
    for (int64_t i = 0; i < chosen; i++)
      if (list->param[i].g) at += list->param[i].n;
    bool compared;
    TRY(compare(v, l, p, v->at.grads + at, tried, &compared));
    done += compared;
  }
  if (done == 0) verify_note(l, INFINITY, "the loss hardly changes with any parameter that was tried");
  return ERR_OK;
}

Err self_slopes(Self *s) {
  Slopes *v = calloc(1, sizeof *v);
  CHECK(v, ERR_MEMORY, "no memory to measure slopes");
  double loss;
  v->s = s;
  self_batch(s, &v->batch);
  Err err = self_compute(s, &s->trainer, &v->batch, NULL, &v->at);
  if (!err) err = self_loss(&s->trainer, &v->batch, &v->tape, &loss);
  v->tape.replay = true;
  if (!err) err = run(v);
  outcome_free(&v->at);
  tape_free(&v->tape);
  free(v);
  return err;
}
