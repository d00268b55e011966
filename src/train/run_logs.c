#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/version.h"
#include "train/run.h"

static const double FLUSH_S = 1, WATCH_S = 20;

double load_imbalance(const Trainer *t) {
  double worst = 0;
  const Moe *m;
  for (int64_t i = 0; (m = trainer_moe(t, i)); i++) {
    int64_t total = 0, most = 0;
    for (int64_t e = 0; e < m->E; e++) {
      total += m->load[e];
      if (m->load[e] > most) most = m->load[e];
    }
    double ratio = total ? (double)most * (double)m->E / (double)total : 0;
    if (ratio > worst) worst = ratio;
  }
  return worst;
}

// Who runs this, where: what the metrics are to be read with.
static Err write_run_json(const TrainRun *r) {
  char path[PATH_BYTES], host[128] = "";
  TRY(path_join(path, r->folder, "run.json"));
  gethostname(host, sizeof host - 1);
  const Dev *d = &r->trainer.dev;
  json_t *j =
      json_pack("{s:s, s:s, s:i, s:s, s:s, s:i, s:f, s:I, s:I, s:I, s:f}", "version", version_text(), "host", host, "process",
                (int)getpid(), "instruction_set", isa_names[d->isa], "dtype", train_dtype_names[r->config->train.dtype],
                "threads", pool_threads(d->pool), "peak_flops", r->peak_flops, "parameters",
                (json_int_t)model_counts(&r->config->model).total, "announced_bytes", (json_int_t)r->announced_bytes,
                "first_step", (json_int_t)(r->state.step + 1), "started", floor(clock_wall_s()));
  CHECK(j, ERR_MEMORY, "no memory for %s", path);
  Err err = json_write(j, path);
  json_decref(j);
  return err;
}

static Err open_lines(Metrics *m, char **line, size_t room, const TrainRun *r, const char *name) {
  *line = malloc(room);
  CHECK(*line, ERR_MEMORY, "no memory for the lines of %s", name);
  return metrics_open(m, r->folder, name, r->state.step, *line, room);
}

Err logs_open(TrainRun *r) {
  size_t experts = 0;
  const Moe *m;
  for (int64_t i = 0; (m = trainer_moe(&r->trainer, i)); i++) experts += 32 + 20 * (size_t)m->E;
  TRY(open_lines(&r->metrics, &r->line, 8192, r, "metrics.jsonl"));
  if (experts) TRY(open_lines(&r->experts, &r->experts_line, 256 + experts, r, "experts.jsonl"));
  TRY(write_run_json(r));
  if (!r->config->log.tensorboard) return ERR_OK;
  char folder[PATH_BYTES];
  TRY(path_join(folder, r->folder, "tensorboard"));
  TRY(folder_make(folder));
  return tensorboard_open(&r->tensorboard, folder, r->state.step + 1);
}

void logs_announce(const TrainRun *r, const size_t bytes[MEMORY_LINES]) {
  ModelCounts n = model_counts(&r->config->model);
  log_info("model: %.2f M parameters, %.2f M active for a token%s", (double)n.total * 1e-6, (double)n.active * 1e-6,
           n.mtp ? " (and a multi-token-prediction layer)" : "");
  log_info("plan: %lld steps, %.2f M tokens in %lld stage%s", (long long)r->plan.steps, (double)r->plan.tokens * 1e-6,
           (long long)r->plan.n_stages, r->plan.n_stages == 1 ? "" : "s");
  char list[512];
  size_t used = 0;
  for (int i = 0; i < MEMORY_LINES; i++)
    if (bytes[i] >> 16 && used < sizeof list)
      used += (size_t)snprintf(list + used, sizeof list - used, "%s%s %.1f", used ? ", " : "", memory_names[i],
                               (double)bytes[i] / (1 << 20));
  log_info("memory: %.1f MiB (%s)", (double)r->announced_bytes / (1 << 20), list);
  log_info("processor: %d threads, %s, peak %.1f GFLOP/s in %s (measured)", pool_threads(r->trainer.dev.pool),
           isa_names[r->trainer.dev.isa], r->peak_flops * 1e-9, train_dtype_names[r->config->train.dtype]);
}

static Err line_step(TrainRun *r, const StepRecord *s) {
  Metrics *m = &r->metrics;
  const double *phase = r->trainer.phase_s;
  line_begin(m, s->step);
  line_int(m, "tokens", r->state.tokens);
  line_real(m, "loss", s->total);
  line_real(m, "lm", s->losses.lm);
  if (r->config->model.mtp.layers) line_real(m, "mtp", s->losses.mtp);
  if (s->imbalance > 0) line_real(m, "aux", s->losses.aux);
  if (r->config->model.loss.z > 0) line_real(m, "z", s->losses.z);
  line_real(m, "grad_norm", s->norm);
  line_real(m, "clip", clip_coefficient(s->norm, r->config->optimizer.clip));
  line_real(m, "lr", s->lr);
  line_int(m, "batch", s->batch);
  line_int(m, "seq_length", s->length);
  if (s->imbalance > 0) line_real(m, "load_max_over_mean", s->imbalance);
  line_text(m, "guard", guard_finding_names[s->verdict.finding]);
  if (s->evaluated) line_real(m, "eval_loss", s->eval.loss);
  if (s->evaluated && isfinite(s->eval.bits_per_byte)) line_real(m, "eval_bits_per_byte", s->eval.bits_per_byte);
  line_open(m, "time");
  line_real(m, "step_s", s->seconds);
  line_real(m, "tokens_per_s", s->tokens_per_s);
  line_real(m, "mfu", s->mfu);
  line_real(m, "core_share", s->share);
  for (int i = 0; i < PHASES; i++) {
    char key[32];
    snprintf(key, sizeof key, "%s_s", phase_names[i]);
    line_real(m, key, phase[i]);
  }
  line_int(m, "memory_bytes", (int64_t)memory_process_bytes());
  line_real(m, "since_start_s", clock_s() - r->start_s);
  line_close(m);
  return line_end(m);
}

static Err line_experts(TrainRun *r, int64_t step) {
  line_begin(&r->experts, step);
  line_open_list(&r->experts, "load");
  const Moe *m;
  for (int64_t i = 0; (m = trainer_moe(&r->trainer, i)); i++) line_ints(&r->experts, NULL, m->load, m->E);
  line_close_list(&r->experts);
  return line_end(&r->experts);
}

static Err tensorboard_step(TrainRun *r, const StepRecord *s) {
  TensorBoard *t = &r->tensorboard;
  double now = clock_wall_s();
  const struct {
    const char *tag;
    double value;
    bool wanted;
  } scalar[] = {{"loss/total", s->total, true},
                {"loss/lm", s->losses.lm, true},
                {"loss/mtp", s->losses.mtp, r->config->model.mtp.layers > 0},
                {"loss/aux", s->losses.aux, s->imbalance > 0},
                {"loss/z", s->losses.z, r->config->model.loss.z > 0},
                {"train/grad_norm", s->norm, true},
                {"train/lr", s->lr, true},
                {"train/batch", (double)s->batch, true},
                {"experts/load_max_over_mean", s->imbalance, s->imbalance > 0},
                {"speed/tokens_per_s", s->tokens_per_s, true},
                {"speed/mfu", s->mfu, true},
                {"eval/loss", s->eval.loss, s->evaluated},
                {"eval/bits_per_byte", s->eval.bits_per_byte, s->evaluated && isfinite(s->eval.bits_per_byte)}};
  for (size_t i = 0; i < sizeof scalar / sizeof *scalar; i++)
    if (scalar[i].wanted) TRY(tensorboard_scalar(t, scalar[i].tag, s->step, now, scalar[i].value));
  if (clock_s() - r->flushed_s < FLUSH_S) return ERR_OK;
  r->flushed_s = clock_s();
  return tensorboard_flush(t);
}

// Threads wait for each other by spinning, so they are on their cores all the time, unless others are: then everything waits
// for the slowest, and the user should know.
static void watch_cores(TrainRun *r, StepRecord *s) {
  double all = (clock_s() - s->begin_s) * pool_threads(r->trainer.dev.pool);
  double had = fmin(clock_processor_s() - s->begin_processor_s, all);
  s->share = had / all;
  if (r->watched_s < 0) return;
  r->watched_s += all;
  r->had_s += had;
  if (r->watched_s < WATCH_S * pool_threads(r->trainer.dev.pool)) return;
  double share = r->had_s / r->watched_s;
  r->watched_s = r->had_s = 0;
  if (share > 0.8) return;
  progress_clear(&r->progress);
  log_warn(
      "the run gets %.0f %% of its %d cores: others work on them (top shows who), or a limit is set; it waits for the slowest "
      "core",
      100 * share, pool_threads(r->trainer.dev.pool));
  r->watched_s = -1;
}

static void say_step(TrainRun *r, const StepRecord *s) {
  progress_note(&r->progress, "loss %.3f, %.1fk tokens/s", s->total, s->tokens_per_s * 1e-3);
  if (s->verdict.finding != GUARD_OK) {
    progress_clear(&r->progress);
    log_warn("step %lld: %s (loss %.4g, gradient norm %.4g, median %.4g): %s", (long long)s->step,
             s->verdict.finding == GUARD_NAN ? "not a number" : "a spike", s->total, s->norm, s->verdict.median,
             s->verdict.policy == POLICY_SKIP   ? "the step is skipped"
             : s->verdict.policy == POLICY_STOP ? "the run stops"
                                                : "going on");
  }
  if (s->evaluated) {
    progress_clear(&r->progress);
    if (isfinite(s->eval.bits_per_byte))
      log_info("step %lld: held-out loss %.4f, %.4f bits per byte", (long long)s->step, s->eval.loss, s->eval.bits_per_byte);
    else log_info("step %lld: held-out loss %.4f", (long long)s->step, s->eval.loss);
  }
  progress_update(&r->progress, (double)s->step);
}

Err logs_step(TrainRun *r, StepRecord *s) {
  watch_cores(r, s);
  s->seconds = clock_s() - s->begin_s - (s->evaluated ? r->trainer.phase_s[PHASE_EVAL] : 0);
  s->imbalance = load_imbalance(&r->trainer);
  s->tokens_per_s = (double)(s->batch * s->length) / s->seconds;
  s->mfu = trainer_flops(&r->trainer, s->batch * s->length, s->length) / s->seconds / r->peak_flops;
  r->recent[r->n_recent % RECENT_STEPS] = s->tokens_per_s;
  r->recent_mfu[r->n_recent++ % RECENT_STEPS] = s->mfu;
  say_step(r, s);
  TRY(line_step(r, s));
  bool experts = r->experts_line && r->config->log.experts && (s->step % r->config->log.experts == 0 || s->step == 1);
  if (experts) TRY(line_experts(r, s->step));
  if (r->config->log.tensorboard) TRY(tensorboard_step(r, s));
  memset(r->trainer.phase_s, 0, sizeof r->trainer.phase_s);
  return ERR_OK;
}

Err logs_close(TrainRun *r) {
  if (r->line) metrics_close(&r->metrics);
  if (r->experts_line) metrics_close(&r->experts);
  free(r->line);
  free(r->experts_line);
  r->line = r->experts_line = NULL;
  return tensorboard_close(&r->tensorboard);
}
