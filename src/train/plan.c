#include "train/plan.h"

#include <string.h>

enum { LENGTH_GRAIN = 8 };

static int64_t grown(int64_t from, int64_t to, int64_t grow, int64_t done, int64_t grain) {
  if (from == 0 || done >= grow) return to;
  int64_t value = from + (int64_t)((double)(to - from) * (double)done / (double)grow);
  value = value / grain * grain;
  return value > from ? value : from;
}

int64_t stage_batch(const Stage *g, int64_t s) {
  return grown(g->batch_from, g->batch, g->grow, s - 1 - g->first, g->batch_grain);
}
int64_t stage_length(const Stage *g, int64_t s) {
  return grown(g->seq_length_from, g->seq_length, g->grow, s - 1 - g->first, LENGTH_GRAIN);
}
double stage_lr(const Stage *g, int64_t s) { return lr_at(&g->lr, s - g->lr_first); }

const Stage *plan_stage(const Plan *p, int64_t s) {
  int64_t i = 0;
  while (i + 1 < p->n_stages && s > p->stage[i].first + p->stage[i].steps) i++;
  return &p->stage[i];
}

// Steps until `tokens` are reached.
static int64_t steps_for(const Stage *g, int64_t tokens) {
  int64_t steps = 0, done = 0;
  while (done < tokens && steps < g->grow) {
    steps++;
    done += stage_batch(g, g->first + steps) * stage_length(g, g->first + steps);
  }
  int64_t each = g->batch * g->seq_length;
  return done >= tokens ? steps : steps + (tokens - done + each - 1) / each;
}

static int source_of(Plan *p, const char *blend, int64_t seq_length) {
  for (int i = 0; i < p->n_sources; i++)
    if (p->source[i].seq_length == seq_length && strcmp(p->source[i].blend, blend) == 0) return i;
  p->source[p->n_sources] = (PlanSource){blend, seq_length, 0};
  return p->n_sources++;
}

static void set_stage(Plan *p, Stage *g, const RunConfig *c, const StageConfig *s) {
  *g = (Stage){.config = s,
               .first = p->steps,
               .seq_length = c->data.seq_length,
               .batch = c->train.batch,
               .micro_batch = c->train.micro_batch};
  int64_t steps = c->train.steps, tokens = c->train.tokens;
  const char *blend = c->data.train;
  if (s) {
    snprintf(g->name, sizeof g->name, "%.31s", s->name);
    steps = s->steps, tokens = s->tokens;
    if (s->seq_length) g->seq_length = s->seq_length;
    if (s->batch) g->batch = s->batch;
    if (s->micro_batch) g->micro_batch = s->micro_batch;
    if (*s->blend) blend = s->blend;
    g->batch_from = s->batch_from, g->seq_length_from = s->seq_length_from, g->grow = s->grow;
  }
  g->batch_grain = g->micro_batch * c->train.leaves;
  g->steps = steps ? steps : steps_for(g, tokens);
  g->source = source_of(p, blend, g->seq_length);
  int64_t ramp = g->grow < g->steps ? g->grow : g->steps;
  int64_t sequences = (g->steps - ramp) * g->batch, total = sequences * g->seq_length;
  for (int64_t i = g->first + 1; i <= g->first + ramp; i++) {
    sequences += stage_batch(g, i);
    total += stage_batch(g, i) * stage_length(g, i);
  }
  p->source[g->source].samples += sequences;
  p->tokens += total;
  p->steps += g->steps;
}

static Err set_lr(Stage *g, const RunConfig *c, const Plan *p, const char *where) {
  const StageConfig *s = g->config;
  if (s && s->lr.kind != STAGE_LR_INHERIT) {
    g->lr =
        (LrSchedule){s->lr.kind - STAGE_LR_OWN, s->lr.decay, s->lr.peak > 0 ? s->lr.peak : c->lr.peak, s->lr.low, s->lr.warmup,
                     s->lr.decay_start,         g->steps};
    g->lr_first = g->first;
  } else {
    g->lr = c->lr;
    if (!g->lr.steps) g->lr.steps = p->steps;
  }
  if (g->lr.kind == LR_WSD && !g->lr.decay_start) g->lr.decay_start = g->lr.steps - g->lr.steps / 10;
  bool ends = g->lr.kind != LR_CONSTANT && g->lr.kind != LR_INVERSE_SQRT;
  CHECK(!ends || g->lr.warmup <= g->lr.steps, ERR_CONFIG, "%s: a warm-up of %lld steps is longer than the schedule of %lld",
        where, (long long)g->lr.warmup, (long long)g->lr.steps);
  return ERR_OK;
}

Err plan_make(Plan *p, const RunConfig *c, const char *where) {
  *p = (Plan){.n_stages = c->n_stages ? c->n_stages : 1};
  for (int64_t i = 0; i < p->n_stages; i++) set_stage(p, &p->stage[i], c, c->n_stages ? &c->stages[i] : NULL);
  for (int64_t i = 0; i < p->n_stages; i++) TRY(set_lr(&p->stage[i], c, p, where));
  return ERR_OK;
}
