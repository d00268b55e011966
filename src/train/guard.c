#include "train/guard.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

const char *const policy_names[POLICIES + 1] = {"skip", "stop", "go_on", NULL};
const char *const guard_finding_names[3] = {"ok", "nan", "spike"};

// By insertion: windows are short, and a step is long.
static double median_of(const double *x, int64_t n) {
  double sorted[GUARD_WINDOW_MAX];
  for (int64_t i = 0; i < n; i++) {
    int64_t j = i;
    for (; j > 0 && sorted[j - 1] > x[i]; j--) sorted[j] = sorted[j - 1];
    sorted[j] = x[i];
  }
  return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

GuardVerdict guard_judge(GuardState *s, const GuardConfig *c, double loss, double norm) {
  GuardVerdict v = {GUARD_OK, POLICY_GO_ON, 0};
  if (s->count >= c->window) v.median = median_of(s->norm, c->window);
  if (!isfinite(loss) || !isfinite(norm)) {
    v.finding = GUARD_NAN;
    v.policy = (Policy)c->nan;
    s->nans++;
  } else if (c->factor > 0 && v.median > 0 && norm > c->factor * v.median) {
    v.finding = GUARD_SPIKE;
    v.policy = (Policy)c->spike;
    s->spikes++;
  } else {
    s->norm[s->count++ % c->window] = norm;
  }
  if (v.policy == POLICY_SKIP) s->skipped++;
  return v;
}

void guard_forget(GuardState *s, GuardFinding finding) {
  s->nans -= finding == GUARD_NAN;
  s->spikes -= finding == GUARD_SPIKE;
}
