#include "train/loop.h"

#include <math.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/median.h"
#include "data/token_bytes.h"
#include "ops/peak.h"
#include "train/run.h"

static const double PEAK_BUDGET_S = 0.05;

// ---- stopping
static volatile sig_atomic_t stop_signal;
static const int stop_signals[] = {SIGTERM, SIGINT, SIGHUP};
enum { N_STOP_SIGNALS = 3 };

static void note_signal(int signal) { stop_signal = signal; }

// The handler serves once: a second signal of the kind does what it does by default, and ends the process.
static void signals_take(struct sigaction old[N_STOP_SIGNALS]) {
  struct sigaction a = {.sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND | SA_RESTART};
  stop_signal = 0;
  for (int i = 0; i < N_STOP_SIGNALS; i++) sigaction(stop_signals[i], &a, &old[i]);
}

static void signals_give_back(const struct sigaction old[N_STOP_SIGNALS]) {
  for (int i = 0; i < N_STOP_SIGNALS; i++) sigaction(stop_signals[i], &old[i], NULL);
}

// ---- opening
static void add_shape(TrainerOptions *o, int64_t micro_batch, int64_t T) {
  for (int i = 0; i < o->n_shapes; i++)
    if (o->shape[i].micro_batch == micro_batch && o->shape[i].T == T) return;
  o->shape[o->n_shapes++] = (TrainerShape){micro_batch, T};
}

static TrainerOptions trainer_options(const TrainRun *r) {
  const RunConfig *c = r->config;
  TrainerOptions o = {.model = &c->model,
                      .type = (Dtype)c->train.dtype,
                      .threads = (int)c->train.threads,
                      .leaves = c->train.leaves,
                      .late_weights = c->train.late_weights,
                      .recompute = c->train.recompute,
                      .optimizer = c->optimizer,
                      .groups = c->groups,
                      .n_groups = c->n_groups,
                      .where = r->where,
                      .one_micro_batch = true,
                      .checkpoints = true};
  for (int64_t i = 0; i < r->plan.n_stages; i++) {
    const Stage *g = &r->plan.stage[i];
    add_shape(&o, g->micro_batch, g->seq_length);
    if (g->batch != g->micro_batch) o.one_micro_batch = false;
    int64_t rows = g->batch * g->seq_length, eval_rows = g->micro_batch * r->feed.valid_T;
    if (r->feed.valid) add_shape(&o, g->micro_batch, r->feed.valid_T);
    if (rows > o.batch_rows) o.batch_rows = rows;
    if (eval_rows > o.batch_rows) o.batch_rows = eval_rows;
  }
  return o;
}

// The first batch and a look at held-out data, so that ids beyond the vocabulary show before step 1.
static Err try_data(TrainRun *r) {
  Batch *b = &r->trainer.batch;
  for (int i = 0; i < r->plan.n_sources; i++) {
    const PlanSource *s = &r->plan.source[i];
    b->B = 1, b->T = s->seq_length;
    enum { LOOKS = 64 };
    for (int64_t k = 0; k < LOOKS; k++) TRY(data_batch(r->feed.source[i], (s->samples - 1) * k / (LOOKS - 1), b));
  }
  return r->feed.valid ? feed_valid(&r->feed, 0, r->plan.stage[0].micro_batch, b) : ERR_OK;
}

static Err open_tokenizer(TrainRun *r) {
  const RunConfig *c = r->config;
  if (!*c->data.tokenizer) return ERR_OK;
  Tokenizer *t;
  TRY(tokenizer_open(&t, c->data.tokenizer));
  Err err = ERR_OK;
  int64_t vocab = c->model.model.vocab;
  CHECK_OUT(tokenizer_vocab(t) <= vocab, ERR_CONFIG, "%s: data.tokenizer %s has %lld tokens, more than model.vocab %lld",
            r->where, c->data.tokenizer, (long long)tokenizer_vocab(t), (long long)vocab);
  r->token_bytes = calloc((size_t)vocab, sizeof *r->token_bytes);
  CHECK_OUT(r->token_bytes, ERR_MEMORY, "no memory for a table of %lld tokens", (long long)vocab);
  TRY_OUT(data_token_bytes(t, r->token_bytes));
out:
  tokenizer_close(t);
  return err;
}

static Err open_run(TrainRun *r) {
  RunConfig *c = r->config;
  char cache[PATH_BYTES];
  TRY(run_config_check(c, r->where));
  TRY(plan_make(&r->plan, c, r->where));
  snprintf(r->folder, sizeof r->folder, "%s", c->train.output);
  TRY(folder_make(r->folder));
  TRY(folder_lock(&r->lock, r->folder));
  TRY(path_join(cache, r->folder, "cache"));
  TRY(open_tokenizer(r));
  TRY(feed_open(&r->feed, c, &r->plan, *c->data.cache ? c->data.cache : cache, r->where));
  TrainerOptions o = trainer_options(r);
  TRY(trainer_open(&r->trainer, &o));
  TRY(try_data(r));
  TRY(checkpoints_open(r));
  TRY(checkpoints_resume(r));
  if (r->state.step == 0) TRY(checkpoints_init(r));
  r->peak_flops = peak_measure(&r->trainer.dev, (Dtype)c->train.dtype, PEAK_BUDGET_S);
  trainer_count_program(&r->trainer);
  size_t bytes[MEMORY_LINES];
  trainer_memory(&r->trainer, bytes);
  bytes[MEMORY_STAGING] += checkpoints_average_bytes(r);
  for (int i = 0; i < MEMORY_LINES; i++) r->announced_bytes += bytes[i];
  TRY(logs_open(r));
  logs_announce(r, bytes);
  return ERR_OK;
}

static Err close_run(TrainRun *r) {
  Err err = checkpoints_close(r);
  Err logs = logs_close(r);
  trainer_close(&r->trainer);
  feed_close(&r->feed);
  free(r->token_bytes);
  if (r->lock >= 0) folder_unlock(&r->lock);
  return err ? err : logs;
}

// ---- the loop
static bool is_due(int64_t step, int64_t every) { return every > 0 && step % every == 0; }

static Err judge(TrainRun *r, StepRecord *s) {
  s->verdict = guard_judge(&r->state.guard, &r->config->guard, s->total, s->norm);
  if (s->verdict.policy == POLICY_GO_ON) trainer_update(&r->trainer, s->lr, s->norm);
  return ERR_OK;
}

static Err evaluate(TrainRun *r, StepRecord *s, bool *best) {
  TRY(eval_run(r, s->stage->micro_batch, &s->eval));
  s->evaluated = true;
  if (!(s->eval.loss < r->state.best_loss)) return ERR_OK;
  r->state.best_loss = s->eval.loss;
  r->state.best_step = s->step;
  *best = r->config->checkpoint.best;
  return ERR_OK;
}

// The guard stops the run: as it stood before this step it goes into a checkpoint, from which it can go on.
static Err stop_before(TrainRun *r, const StepRecord *s) {
  GuardFinding finding = s->verdict.finding;
  const char *name = guard_finding_names[finding];
  guard_forget(&r->state.guard, finding);
  r->state.step = s->step - 1;
  r->state.tokens -= s->batch * s->length;
  r->feed.cursor[s->stage->source] -= s->batch;
  if (r->state.step > r->saved_step) TRY(checkpoints_save(r));
  checkpoint_wait(r->checkpointer);
  FAIL(
      ERR_NUMERIC,
      "step %lld: %s (loss %g, gradient norm %g); the run stops as guard.%s says. The %lld steps before it are kept in %s; the "
      "same command goes on from there with --guard.%s skip (without this step) or with a lower --lr.peak",
      (long long)s->step,
      finding == GUARD_NAN ? "the loss or the gradient norm is not a number" : "the gradient norm is a spike", s->total,
      s->norm, name, (long long)r->state.step, r->checkpoints, name);
}

static Err run_step(TrainRun *r, StepRecord *s) {
  Trainer *t = &r->trainer;
  s->begin_s = clock_s();
  s->begin_processor_s = clock_processor_s();
  s->stage = plan_stage(&r->plan, s->step);
  s->lr = stage_lr(s->stage, s->step);
  TRY(feed_batch(&r->feed, s->step, &t->batch));
  t->phase_s[PHASE_DATA] += clock_s() - s->begin_s;
  s->batch = t->batch.B, s->length = t->batch.T;
  TRY(trainer_gradients(t, &t->batch, s->stage->micro_batch, &s->losses, &s->norm));
  s->total = trainer_total(t, &s->losses);
  TRY(judge(r, s));
  r->state.step = s->step;
  r->state.tokens += s->batch * s->length;
  bool best = false, last = s->step == r->plan.steps;
  bool stops = s->verdict.policy == POLICY_STOP;
  if (!stops && r->feed.valid && (is_due(s->step, r->config->eval.every) || last)) TRY(evaluate(r, s, &best));
  TRY(logs_step(r, s));
  if (stops) return stop_before(r, s);
  if (best) checkpoint_protect(r->checkpointer, s->step);
  if (best || last || is_due(s->step, r->config->checkpoint.every)) TRY(checkpoints_save(r));
  checkpoints_report(r);
  return ERR_OK;
}

static Err run_steps(TrainRun *r, TrainSummary *summary) {
  progress_start(&r->progress, "train", "step", (double)r->plan.steps, (double)r->state.step);
  summary->first_step_s = clock_s() - r->start_s;
  Err err = ERR_OK;
  while (r->state.step < r->plan.steps && !stop_signal && !err) {
    StepRecord s = {.step = r->state.step + 1, .eval = {NAN, NAN}};
    err = run_step(r, &s);
    summary->loss = s.total;
    if (s.evaluated) summary->eval_loss = s.eval.loss, summary->eval_bits_per_byte = s.eval.bits_per_byte;
  }
  progress_end(&r->progress);
  summary->stopped = stop_signal != 0 && r->state.step < r->plan.steps;
  if (!summary->stopped || err) return err;
  if (r->state.step > r->saved_step) TRY(checkpoints_save(r));
  log_info("stopped by signal %d after step %lld; the same command goes on from there", (int)stop_signal,
           (long long)r->state.step);
  return ERR_OK;
}

static void summarise(TrainRun *r, TrainSummary *s) {
  int64_t n = r->n_recent < RECENT_STEPS ? r->n_recent : RECENT_STEPS;
  s->step = r->state.step, s->steps = r->plan.steps, s->tokens = r->state.tokens;
  s->parameters = model_counts(&r->config->model).total;
  s->best_loss = r->state.best_loss, s->best_step = r->state.best_step;
  s->tokens_per_s = median_sort(r->recent, n);
  s->mfu = median_sort(r->recent_mfu, n);
  s->announced_bytes = r->announced_bytes;
  s->process_bytes = memory_most_bytes();
}

static Err finish(TrainRun *r, TrainSummary *summary, bool was_finished) {
  if (summary->stopped || !r->config->checkpoint.average) return ERR_OK;
  if (was_finished && checkpoints_averaged(r)) return ERR_OK;
  TRY(checkpoints_average(r, r->config->checkpoint.average));
  if (!r->feed.valid) return ERR_OK;
  EvalResult e;
  TRY(eval_run(r, r->plan.stage[r->plan.n_stages - 1].micro_batch, &e));
  summary->averaged_loss = e.loss;
  log_info("held-out loss of the averaged weights: %.4f", e.loss);
  return ERR_OK;
}

Err train_run(RunConfig *c, const char *where, TrainSummary *summary) {
  *summary = (TrainSummary){.loss = NAN, .eval_loss = NAN, .eval_bits_per_byte = NAN, .averaged_loss = NAN, .best_step = -1};
  TrainRun *r = calloc(1, sizeof *r);
  CHECK(r, ERR_MEMORY, "no memory for a run");
  *r = (TrainRun){.config = c,
                  .where = where,
                  .lock = -1,
                  .start_s = clock_s(),
                  .tensorboard = {.fd = -1},
                  .metrics = {.fd = -1},
                  .experts = {.fd = -1}};
  r->state = (RunState){.best_loss = INFINITY, .best_step = -1};
  struct sigaction old[N_STOP_SIGNALS];
  signals_take(old);
  Err err = open_run(r);
  bool was_finished = !err && r->state.step >= r->plan.steps;
  if (was_finished)
    log_info("%s is finished: step %lld of %lld; to train on, raise train.steps", r->folder, (long long)r->state.step,
             (long long)r->plan.steps);
  if (!err) err = run_steps(r, summary);
  if (!err) err = finish(r, summary, was_finished);
  if (r->trainer.dev.pool) summarise(r, summary);
  ErrInfo kept;
  if (err) err_take(&kept);
  Err closed = close_run(r);
  if (err) err_give(&kept);
  signals_give_back(old);
  free(r);
  return err ? err : closed;
}
