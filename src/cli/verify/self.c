#include "cli/verify/self.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "cli/formats.h"
#include "train/config.h"

// ---- trainers

static TrainerOptions options_of(const Self *s, int threads) {
  int64_t longest = s->T + SELF_PAD;
  return (TrainerOptions){.model = &s->config,
                          .type = DT_F32,
                          .threads = threads,
                          .leaves = 1,
                          .where = s->where,
                          .optimizer = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1, .clip = 0, .moments = MOMENTS_F32},
                          .shape = {{SELF_B, longest}, {1, longest}},
                          .n_shapes = 2,
                          .batch_rows = SELF_B * longest};
}

Err self_trainer(const Self *s, Trainer *t, int threads, const char *isa) {
  TrainerOptions o = options_of(s, threads);
  const char *given = getenv("PLEIAD_ISA");
  char *cap = given ? strdup(given) : NULL;
  if (isa) setenv("PLEIAD_ISA", isa, 1);
  Err err = trainer_open(t, &o);
  if (isa && cap) setenv("PLEIAD_ISA", cap, 1);
  else if (isa) unsetenv("PLEIAD_ISA");
  free(cap);
  TRY(err);
  memcpy(t->arena[MEMORY_WEIGHTS].base, s->trainer.arena[MEMORY_WEIGHTS].base, s->trainer.arena[MEMORY_WEIGHTS].used);
  return ERR_OK;
}

static bool is_run_file(const char *path) {
  return (path_ends(path, ".yaml") || path_ends(path, ".yml")) && !file_is_folder(path);
}

static Err check_length(Self *s) {
  int64_t most = s->config.model.max_length - SELF_PAD;
  s->T = most < SELF_T ? most : SELF_T;
  CHECK(s->T >= 4, ERR_CONFIG, "%s: model.max_length %lld is too short to verify with; at least %d is wanted", s->where,
        (long long)s->config.model.max_length, SELF_PAD + 4);
  return ERR_OK;
}

static Err open_run_file(Self *s, const char *path) {
  RunConfig *c = calloc(1, sizeof *c);
  CHECK(c, ERR_MEMORY, "no memory for a run file");
  Err err = run_config_load(c, path);
  if (!err) err = model_config_check(&c->model, path);
  s->config = c->model;
  uint64_t seed = (uint64_t)c->train.seed;
  free(c);
  TRY(err);
  TRY(check_length(s));
  TrainerOptions o = options_of(s, s->threads);
  TRY(trainer_open(&s->trainer, &o));
  trainer_reset(&s->trainer, seed);
  return ERR_OK;
}

static Err open_model(Self *s, const char *path) {
  WeightSource *source;
  TRY(format_open(&source, path));
  s->config = source->config;
  Err err = check_length(s);
  TrainerOptions o = options_of(s, s->threads);
  if (!err) err = trainer_open(&s->trainer, &o);
  if (!err) err = weights_load(source, &s->trainer.model.params, false);
  weights_close(source);
  return err;
}

// ---- batches

void self_batch(const Self *s, SelfBatch *b) {
  *b = (SelfBatch){.B = SELF_B, .T = s->T, .micro_batch = SELF_B};
  for (int64_t i = 0; i < SELF_B; i++)
    for (int64_t t = 0; t < s->T; t++) {
      int64_t from = i * (s->T + SELF_PAD) + t, to = i * s->T + t;
      b->id[to] = s->id[from], b->label[to] = s->id[from + 1];
      b->mask[to] = t + 1 < s->T;
      b->position[to] = (int32_t)t;
    }
}

static void fill(Trainer *t, const SelfBatch *b) {
  Batch *to = &t->batch;
  size_t n = (size_t)(b->B * b->T);
  to->B = b->B, to->T = b->T, to->mask_count = 0;
  memcpy(to->ids, b->id, n * sizeof *b->id);
  memcpy(to->labels, b->label, n * sizeof *b->label);
  memcpy(to->position, b->position, n * sizeof *b->position);
  memcpy(to->doc_start, b->doc_start, n * sizeof *b->doc_start);
  memcpy(to->mask, b->mask, n * sizeof *b->mask);
  for (size_t i = 0; i < n; i++) to->mask_count += b->mask[i] != 0;
}

// ---- computing

// What an operation leaves as it was must not be right by luck: all bits set are no number.
static void poison(Trainer *t) {
  static const MemoryLine lines[] = {MEMORY_KEPT, MEMORY_TEMP};
  for (int i = 0; i < 2; i++) {
    Arena *a = &t->arena[lines[i]];
    memset(a->base + a->used, 0xff, a->size - a->used);
  }
  memset(t->arena[MEMORY_GRADS].base, 0xff, t->arena[MEMORY_GRADS].used);
}

static void forward(const Self *s, Trainer *t, float *logits) {
  const Batch *b = &t->batch;
  Run run = {.dev = &t->dev,
             .type = DT_F32,
             .kept = &t->arena[MEMORY_KEPT],
             .temp = &t->arena[MEMORY_TEMP],
             .training = true,
             .probe = s->probe,
             .probe_context = s->probe_context};
  MicroBatch mb = {
      .B = b->B, .T = b->T, .ids = b->ids, .position = b->position, .doc_start = b->doc_start, .sequence_scale = 1};
  Losses losses = {0};
  size_t kept = arena_mark(run.kept), temp = arena_mark(run.temp);
  int64_t V = s->config.model.vocab;
  model_forward(&t->model, &run, &mb, 0, s->config.model.layers + 2, &t->stream, t->saved, &losses);
  head_logits(t->model.head_used, &run, mat_of(logits, V, DT_F32), t->stream.x, b->B * b->T);
  arena_rewind(run.kept, kept);
  arena_rewind(run.temp, temp);
}

int64_t self_numbers(const Trainer *t) {
  int64_t n = 0;
  for (int64_t i = 0; i < t->model.params.count; i++)
    if (t->model.params.param[i].g) n += t->model.params.param[i].n;
  return n;
}

// Weights or gradients of all parameters, one after the other.
static void gather(const Trainer *t, bool weights, float *out) {
  for (int64_t i = 0; i < t->model.params.count; i++) {
    const Param *p = &t->model.params.param[i];
    if (!p->g) continue;
    if (weights) param_get(p, 0, p->n, out);
    else memcpy(out, p->g, (size_t)p->n * sizeof *out);
    out += p->n;
  }
}

// One update from weights of 0, where it rounds least; then weights and moments are what they were.
static void take_update(Trainer *t, double norm, float *update) {
  Arena *weights = &t->arena[MEMORY_WEIGHTS];
  char *before = malloc(weights->used);
  if (before) {
    memcpy(before, weights->base, weights->used);
    memset(weights->base, 0, weights->used);
    trainer_update(t, 1, norm);
    gather(t, true, update);
    memcpy(weights->base, before, weights->used);
    memset(t->arena[MEMORY_MOMENTS].base, 0, t->arena[MEMORY_MOMENTS].used);
    t->optimizer.step = 0;
  }
  free(before);
}

static void connect(Trainer *t, RouteTape *tape, RouteHook *hook) {
  if (tape) tape->at = 0;
  tape_hook(tape, hook, &t->model);
}

Err self_compute(Self *s, Trainer *t, const SelfBatch *b, RouteTape *tape, Outcome *o) {
  Losses losses;
  RouteHook hook;
  size_t n = (size_t)self_numbers(t);
  *o = (Outcome){.logits = malloc((size_t)(b->B * b->T * s->config.model.vocab) * sizeof(float)),
                 .grads = malloc(n * sizeof(float)),
                 .update = calloc(n, sizeof(float))};
  CHECK(o->logits && o->grads && o->update, ERR_MEMORY, "no memory for the gradients of %zu numbers", n);
  memset(o->logits, 0xff, (size_t)(b->B * b->T * s->config.model.vocab) * sizeof(float));
  connect(t, tape, &hook);
  fill(t, b);
  poison(t);
  forward(s, t, o->logits);
  poison(t);
  TRY(trainer_gradients(t, &t->batch, b->micro_batch, &losses, &o->norm));
  connect(t, NULL, &hook);
  o->loss = trainer_total(t, &losses);
  gather(t, false, o->grads);
  take_update(t, o->norm, o->update);
  return tape ? tape->err : ERR_OK;
}

Err self_loss(Trainer *t, const SelfBatch *b, RouteTape *tape, double *loss) {
  Losses losses;
  RouteHook hook;
  double norm;
  connect(t, tape, &hook);
  fill(t, b);
  TRY(trainer_gradients(t, &t->batch, b->micro_batch, &losses, &norm));
  connect(t, NULL, &hook);
  *loss = trainer_total(t, &losses);
  return tape ? tape->err : ERR_OK;
}

void outcome_free(Outcome *o) {
  free(o->logits);
  free(o->grads);
  free(o->update);
  *o = (Outcome){0};
}

// ---- comparing

// |got - want| and |want|; NaN makes the first infinite.
static void distance(const float *got, const float *want, int64_t n, double *difference, double *size) {
  *difference = *size = 0;
  for (int64_t i = 0; i < n; i++) {
    double d = (double)got[i] - (double)want[i];
    *difference += d * d;
    *size += (double)want[i] * (double)want[i];
  }
  *difference = isnan(*difference) ? INFINITY : sqrt(*difference);
  *size = sqrt(*size);
}

typedef struct {
  double error;
  char *place;
} Worst;

__attribute__((format(printf, 3, 4))) static void worse(Worst *w, double error, const char *format, ...) {
  if (isnan(error)) error = INFINITY;
  if (error <= w->error) return;
  w->error = error;
  va_list args;
  va_start(args, format);
  vsnprintf(w->place, VERIFY_PLACE_BYTES, format, args);
  va_end(args);
}

static void compare_logits(const Self *s, Worst *w, const Outcome *got, const Outcome *want, int64_t rows) {
  double greatest = 0;
  int64_t V = s->config.model.vocab;
  for (int64_t i = 0; i < rows * V; i++) greatest = fmax(greatest, fabs((double)want->logits[i]));
  for (int64_t i = 0; i < rows * V; i++) {
    double d = fabs((double)got->logits[i] - (double)want->logits[i]);
    worse(w, d == 0 ? 0 : d / greatest, "logit %lld of token %lld: %.9g, %.9g", (long long)(i % V), (long long)(i / V),
          (double)got->logits[i], (double)want->logits[i]);
  }
}

// Gradients or updates. A parameter that hardly matters (a thousandth of the average) is measured against that.
static void compare_params(const Self *s, Worst *w, const char *what, const float *got, const float *want) {
  const ParamList *list = &s->trainer.model.params;
  double difference, size, all;
  int64_t at = 0, n = self_numbers(&s->trainer);
  distance(want, want, n, &difference, &all);
  for (int64_t i = 0; i < list->count; i++) {
    const Param *p = &list->param[i];
    if (!p->g) continue;
    distance(got + at, want + at, p->n, &difference, &size);
    size = fmax(size, 1e-3 * all * sqrt((double)p->n / (double)n));
    worse(w, difference == 0 ? 0 : difference / size, "%s of %s, over its norm %.2g", what, p->name, size);
    at += p->n;
  }
}

double outcome_error(const Self *s, const Outcome *got, const Outcome *want, int64_t rows, char place[VERIFY_PLACE_BYTES]) {
  Worst w = {0, place};
  *place = '\0';
  compare_logits(s, &w, got, want, rows);
  compare_params(s, &w, "gradient", got->grads, want->grads);
  compare_params(s, &w, "update", got->update, want->update);
  worse(&w, fabs(got->loss - want->loss) / fabs(want->loss), "loss: %.9g, %.9g", got->loss, want->loss);
  worse(&w, fabs(got->norm - want->norm) / want->norm, "gradient norm: %.9g, %.9g", got->norm, want->norm);
  return w.error;
}

void self_compare(const Self *s, VerifyLine *l, const char *prefix, const Outcome *got, const Outcome *want, int64_t rows) {
  char place[VERIFY_PLACE_BYTES];
  double error = outcome_error(s, got, want, rows, place);
  verify_note(l, error, "%.24s%s%.100s", prefix, *prefix ? ": " : "", place);
  l->compared += rows * s->config.model.vocab + 2 * self_numbers(&s->trainer) + 1;
}

// ---- all

Err self_open(Self *s, const char *path, int threads) {
  s->where = path, s->threads = threads;
  TRY(is_run_file(path) ? open_run_file(s, path) : open_model(s, path));
  Rng rng = rng_named(1, "verify");
  for (int64_t i = 0; i < SELF_B * (s->T + SELF_PAD); i++)
    s->id[i] = (int32_t)(rng_uniform(rng, 0, (uint64_t)i) * (double)s->config.model.vocab);
  return ERR_OK;
}

void self_close(Self *s) { trainer_close(&s->trainer); }

static Err run(Self *s, const char *path, int threads) {
  TRY(self_open(s, path, threads));
  TRY(self_levels(s));
  TRY(self_alike(s));
  return self_slopes(s);
}

Err verify_self(VerifyCase *report, const char *path, int threads) {
  Self *s = calloc(1, sizeof *s);
  CHECK(s, ERR_MEMORY, "no memory to verify %s", path);
  verify_begin(report, path);
  s->report = report;
  Err err = run(s, path, threads);
  self_close(s);
  free(s);
  verify_end(report);
  return err;
}
