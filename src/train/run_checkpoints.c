#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/version.h"
#include "train/checkpoint_convert.h"
#include "train/run.h"

static CheckpointOptions options_of(TrainRun *r, const char *folder, const CheckpointArray *array, int64_t n) {
  const RunConfig *c = r->config;
  return (CheckpointOptions){.folder = folder,
                             .identity = r->identity,
                             .config = r->text,
                             .version = version_text(),
                             .array = array,
                             .n_arrays = n,
                             .staging = r->trainer.staging,
                             .pool = r->trainer.dev.pool,
                             .keep_last = c->checkpoint.keep_last,
                             .keep_every = c->checkpoint.keep_every};
}

Err checkpoints_open(TrainRun *r) {
  TRY(path_join(r->checkpoints, r->folder, "checkpoints"));
  TRY(run_identity(&r->config->model, &r->identity));
  TRY(run_config_text(r->config, r->folder, &r->text));
  CheckpointOptions o = options_of(r, r->checkpoints, r->trainer.array, r->trainer.n_arrays);
  return checkpoint_open(&r->checkpointer, &o);
}

// ---- the small state, exact
static Err put_reals(json_t *state, const char *key, const double *x, int64_t n) {
  json_t *list = json_object();
  CHECK(list && json_object_set_new(state, key, list) == 0, ERR_MEMORY, "no memory for the state of the run");
  for (int64_t i = 0; i < n; i++) {
    char index[24];
    snprintf(index, sizeof index, "%lld", (long long)i);
    TRY(checkpoint_put_real(list, index, x[i]));
  }
  return ERR_OK;
}

static Err get_reals(const json_t *state, const char *key, const char *where, double *x, int64_t n) {
  const json_t *list = json_object_get(state, key);
  CHECK(json_is_object(list), ERR_FORMAT, "%s: its state has no list \"%s\"", where, key);
  for (int64_t i = 0; i < n; i++) {
    char index[24];
    snprintf(index, sizeof index, "%lld", (long long)i);
    TRY(checkpoint_get_real(list, index, where, &x[i]));
  }
  return ERR_OK;
}

// How much each token file holds: {prefix: [sequences, tokens]}. A prefix that is not UTF-8 is left out.
static json_t *data_sizes(const Feed *f, int n_sources) {
  json_t *sizes = json_object();
  for (int i = 0; sizes && i < n_sources; i++)
    for (int64_t k = 0; k < dataset_sources(f->source[i]); k++) {
      const Packed *p = dataset_packed(f->source[i], k);
      const Indexed *x = p ? p->ids : dataset_source(f->source[i], k)->data;
      (void)json_object_set_new(sizes, x->prefix, json_pack("[I, I]", (json_int_t)x->sequences, (json_int_t)x->tokens));
    }
  return sizes;
}

// Other data under the same name come in another order than the cursor stands in. Older checkpoints do not say.
static void compare_data(const TrainRun *r, const json_t *state) {
  json_t *is = data_sizes(&r->feed, r->plan.n_sources), *now, *had;
  const char *prefix;
  json_object_foreach(is, prefix, now) {
    long long sequences, tokens, sequences_had, tokens_had;
    had = json_object_get(json_object_get(state, "data"), prefix);
    if (!had || json_equal(had, now)) continue;
    if (json_unpack(now, "[I, I]", &sequences, &tokens) || json_unpack(had, "[I, I]", &sequences_had, &tokens_had)) continue;
    log_warn(
        "%s: %lld sequences, %lld tokens, but %lld and %lld at the checkpoint: the samples that follow are not those that "
        "would "
        "have followed; for other data begin a run with train.init",
        prefix, sequences, tokens, sequences_had, tokens_had);
  }
  json_decref(is);
}

static Err state_pack(const TrainRun *r, json_t **out) {
  const RunState *s = &r->state;
  json_t *j =
      json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "step", (json_int_t)s->step, "tokens", (json_int_t)s->tokens,
                "updates", (json_int_t)r->trainer.optimizer.step, "guard_count", (json_int_t)s->guard.count, "guard_nans",
                (json_int_t)s->guard.nans, "guard_spikes", (json_int_t)s->guard.spikes, "guard_skipped",
                (json_int_t)s->guard.skipped, "best_step", (json_int_t)s->best_step);
  CHECK(j, ERR_MEMORY, "no memory for the state of the run");
  *out = j;
  int64_t window = r->config->guard.window;
  TRY(put_reals(j, "guard_norms", s->guard.norm, s->guard.count < window ? s->guard.count : window));
  TRY(checkpoint_put_real(j, "best_loss", s->best_loss));
  json_t *cursors = json_array();
  CHECK(cursors && json_object_set_new(j, "cursors", cursors) == 0, ERR_MEMORY, "no memory for the state of the run");
  for (int i = 0; i < r->plan.n_sources; i++)
    CHECK(json_array_append_new(cursors, json_integer((json_int_t)r->feed.cursor[i])) == 0, ERR_MEMORY,
          "no memory for the state of the run");
  CHECK(json_object_set_new(j, "data", data_sizes(&r->feed, r->plan.n_sources)) == 0, ERR_MEMORY,
        "no memory for the state of the run");
  const Dev *d = &r->trainer.dev;
  CHECK(json_object_set_new(j, "arithmetic", json_pack("[s, s]", isa_names[d->isa], isa_names[d->bf16])) == 0, ERR_MEMORY,
        "no memory for the state of the run");
  return ERR_OK;
}

static Err cursors_unpack(TrainRun *r, const json_t *state, const char *where) {
  const json_t *cursors = json_object_get(state, "cursors");
  CHECK(json_is_array(cursors) && json_array_size(cursors) <= STAGES_MAX, ERR_FORMAT, "%s: its state has no list \"cursors\"",
        where);
  for (size_t i = 0; i < json_array_size(cursors); i++) {
    int64_t cursor = (int64_t)json_integer_value(json_array_get(cursors, i));
    CHECK(cursor >= 0, ERR_FORMAT, "%s: a data cursor is %lld", where, (long long)cursor);
    r->feed.cursor[i] = cursor;
  }
  return ERR_OK;
}

// The same run on other instructions goes on as well, but not to the same bits. Older checkpoints do not say.
static void compare_arithmetic(const Dev *d, const json_t *state, const char *where) {
  const char *isa = NULL, *bf16 = NULL;
  if (json_unpack((json_t *)(uintptr_t)state, "{s:[s, s]}", "arithmetic", &isa, &bf16) != 0) return;
  if (strcmp(isa, isa_names[d->isa]) == 0 && strcmp(bf16, isa_names[d->bf16]) == 0) return;
  log_warn(
      "%s: computed by %s (bf16 products by %s), goes on by %s (%s): numbers will differ in their last bits; "
      "PLEIAD_ISA=%s where the machine has it",
      where, isa, bf16, isa_names[d->isa], isa_names[d->bf16], bf16);
}

static Err state_unpack(TrainRun *r, const json_t *j, const char *where) {
  RunState *s = &r->state;
  TRY(json_int(j, "step", where, &s->step));
  TRY(json_int(j, "tokens", where, &s->tokens));
  TRY(json_int(j, "updates", where, &r->trainer.optimizer.step));
  TRY(json_int(j, "guard_count", where, &s->guard.count));
  TRY(json_int(j, "guard_nans", where, &s->guard.nans));
  TRY(json_int(j, "guard_spikes", where, &s->guard.spikes));
  TRY(json_int(j, "guard_skipped", where, &s->guard.skipped));
  TRY(json_int(j, "best_step", where, &s->best_step));
  TRY(checkpoint_get_real(j, "best_loss", where, &s->best_loss));
  int64_t window = r->config->guard.window, had = (int64_t)json_object_size(json_object_get(j, "guard_norms"));
  compare_arithmetic(&r->trainer.dev, j, where);
  compare_data(r, j);
  bool same = had == (s->guard.count < window ? s->guard.count : window);
  if (!same) s->guard.count = 0;  // another window than the checkpoint's: it fills anew
  else TRY(get_reals(j, "guard_norms", where, s->guard.norm, had));
  return cursors_unpack(r, j, where);
}

// Says in which lines two texts differ.
static void say_changes(const char *what, const char *was, const char *is) {
  while (*was && *is) {
    size_t a = strcspn(was, "\n"), b = strcspn(is, "\n"), indent_a = strspn(was, " "), indent_b = strspn(is, " ");
    if (a != b || memcmp(was, is, a) != 0)
      log_warn("%s: \"%.*s\" is now \"%.*s\"", what, (int)(a - indent_a), was + indent_a, (int)(b - indent_b), is + indent_b);
    was += a + (was[a] == '\n');
    is += b + (is[b] == '\n');
  }
}

static void compare_config(const TrainRun *r, int64_t step) {
  char path[PATH_BYTES];
  CheckpointInfo info = {0};
  if (checkpoint_path(path, r->checkpoints, step) || checkpoint_info(path, &info)) return;
  if (info.config && strcmp(info.config, r->text) != 0)
    say_changes("the run file changed since the checkpoint", info.config, r->text);
  checkpoint_info_free(&info);
}

Err checkpoints_resume(TrainRun *r) {
  Trainer *t = &r->trainer;
  int64_t step = -1;
  json_t *state = NULL;
  TRY(checkpoint_load_latest(r->checkpoints, r->identity, t->array, t->n_arrays, &step, &state));
  if (step < 0) return ERR_OK;
  Err err = state_unpack(r, state, r->checkpoints);
  json_decref(state);
  TRY(err);
  r->saved_step = r->state.step;
  compare_config(r, step);
  if (r->config->checkpoint.best && r->state.best_step >= 0) checkpoint_protect(r->checkpointer, r->state.best_step);
  checkpoint_tidy(r->checkpointer, step);
  log_info("going on from %s/step-%lld", r->checkpoints, (long long)step);
  return ERR_OK;
}

// The arrays of the weights among those of a checkpoint.
static Err weight_arrays(const TrainRun *r, CheckpointArray **out, int64_t *n) {
  CheckpointArray *array = *out = calloc((size_t)r->trainer.n_arrays, sizeof *array);
  *n = 0;
  CHECK(array, ERR_MEMORY, "no memory for a list of arrays");
  for (int64_t i = 0; i < r->trainer.n_arrays; i++)
    if (strncmp(r->trainer.array[i].name, "model/", 6) == 0) array[(*n)++] = r->trainer.array[i];
  return ERR_OK;
}

Err checkpoints_init(TrainRun *r) {
  trainer_reset(&r->trainer, (uint64_t)r->config->train.seed);
  const char *init = r->config->train.init;
  if (!*init) return ERR_OK;
  char path[PATH_BYTES];
  CheckpointInfo info = {0};
  CheckpointArray *array = NULL;
  int64_t n;
  CHECK(file_is_folder(init), ERR_CONFIG,
        "%s: train.init %s is not there; a folder of `pleiad import`, a run or a checkpoint is wanted", r->where, init);
  TRY(checkpoint_find(path, init));
  TRY(checkpoint_info(path, &info));
  say_changes("the model is not quite that of train.init", info.identity, r->identity);
  checkpoint_info_free(&info);
  TRY(weight_arrays(r, &array, &n));
  Err err = checkpoint_load(path, NULL, array, n, false, NULL);
  free(array);
  TRY(err);
  log_info("beginning with the weights of %s", path);
  return ERR_OK;
}

static void lost(TrainRun *r, int64_t step, const char *why) {
  r->lost_step = step;
  snprintf(r->lost, sizeof r->lost, "%s", why);
}

Err checkpoints_save(TrainRun *r) {
  double begin = clock_s();
  json_t *state = NULL;
  TRY(tensorboard_flush(&r->tensorboard));  // its steps are not made again after a kill
  Err err = state_pack(r, &state);
  if (!err) err = checkpoint_save(r->checkpointer, r->state.step, state);
  r->saved_step = r->state.step;
  json_decref(state);
  r->trainer.phase_s[PHASE_CHECKPOINT] += clock_s() - begin;
  if (err != ERR_IO) return err;
  lost(r, r->state.step, err_text());
  progress_clear(&r->progress);
  log_warn("%s; the run goes on", err_text());  // a full disk costs checkpoints, not the run
  return ERR_OK;
}

void checkpoints_report(TrainRun *r) {
  static const double GAP_S = 10;
  CheckpointReport report;
  while (checkpoint_finished(r->checkpointer, &report)) {
    bool failed = report.error.kind != ERR_OK;
    if (failed) lost(r, report.step, report.error.text);
    if (!failed && clock_s() - r->reported_s < GAP_S) continue;  // short runs write many
    progress_clear(&r->progress);
    r->reported_s = clock_s();
    if (failed) log_warn("checkpoint of step %lld: %s; the run goes on", (long long)report.step, report.error.text);
    else
      log_info("checkpoint of step %lld: %.1f MB, written in %.2f s, held up training %.0f ms", (long long)report.step,
               (double)report.bytes * 1e-6, report.write_s, report.stall_s * 1e3);
  }
}

Err checkpoints_close(TrainRun *r) {
  Err err = ERR_OK;
  if (r->checkpointer) {
    checkpoint_wait(r->checkpointer);
    checkpoints_report(r);
    err = checkpoint_close(r->checkpointer);
  }
  r->checkpointer = NULL;
  free(r->identity);
  free(r->text);
  r->identity = r->text = NULL;
  if (err) return err;
  CHECK(r->lost_step == 0 || r->lost_step != r->state.step, ERR_IO,
        "the checkpoint of the last step, %lld, is not written: %s. The same command goes on from the one before, if there is "
        "one",
        (long long)r->lost_step, r->lost);
  return ERR_OK;
}

// ---- the mean of the last checkpoints

// g = w, or g + w
static void add_weights(const Param *p, bool first) {
  enum { RUN = 4096 };
  float w[RUN];
  for (int64_t i = 0; i < p->n; i += RUN) {
    int64_t n = p->n - i < RUN ? p->n - i : RUN;
    param_get(p, i, n, w);
    for (int64_t e = 0; e < n; e++) p->g[i + e] = (first ? 0 : p->g[i + e]) + w[e];
  }
}

// Sums the weights of the checkpoints in the gradients' memory, which is idle at the end, then divides.
static Err average_weights(TrainRun *r, const CheckpointArray *array, int64_t n, const int64_t *steps, int64_t count) {
  const ParamList *list = &r->trainer.model.params;
  for (int64_t k = 0; k < count; k++) {
    char path[PATH_BYTES];
    TRY(checkpoint_path(path, r->checkpoints, steps[k]));
    TRY(checkpoint_load(path, r->identity, array, n, false, NULL));
    for (int64_t i = 0; i < list->count; i++) {
      if (list->param[i].g) add_weights(&list->param[i], k == 0);
    }
  }
  for (int64_t i = 0; i < list->count; i++) {  // the routers' biases stay the newest's
    const Param *p = &list->param[i];
    if (!p->g) continue;
    for (int64_t e = 0; e < p->n; e++) p->g[e] /= (float)count;
    param_put(p, 0, p->n, p->g);
  }
  return ERR_OK;
}

static Err write_average(TrainRun *r, const CheckpointArray *array, int64_t n) {
  char folder[PATH_BYTES];
  TRY(path_join(folder, r->folder, "averaged"));
  CheckpointOptions o = options_of(r, folder, array, n);
  o.keep_last = 1;
  Checkpointer *c;
  json_t *state = json_object();
  CHECK(state, ERR_MEMORY, "no memory for the averaged checkpoint");
  Err err = checkpoint_open(&c, &o);
  if (!err) {
    err = checkpoint_save(c, r->state.step, state);
    Err closed = checkpoint_close(c);
    if (!err) err = closed;
  }
  json_decref(state);
  return err;
}

// A thread's heap is its own and stays: what the second writer takes comes beside it, but for a file's buffer, which was given
// back.
size_t checkpoints_average_bytes(const TrainRun *r) {
  if (!r->config->checkpoint.average) return 0;
  return checkpoint_reading_bytes(r->trainer.n_arrays) + checkpoint_writing_bytes(r->trainer.model.params.count) -
         FILE_BUFFER_BYTES;
}

Err checkpoints_average(TrainRun *r, int64_t count) {
  int64_t *steps = NULL, found = 0, n = 0;
  CheckpointArray *array;
  Err err = ERR_OK;
  TRY(weight_arrays(r, &array, &n));
  checkpoint_wait(r->checkpointer);
  TRY_OUT(checkpoint_steps(r->checkpoints, &steps, &found));
  if (count > found) log_warn("only %lld checkpoints are there to average, not %lld", (long long)found, (long long)count);
  if (count > found) count = found;
  if (count == 0) goto out;
  TRY_OUT(average_weights(r, array, n, steps + found - count, count));
  TRY_OUT(write_average(r, array, n));
  log_info("averaged the weights of the last %lld checkpoints into %s/averaged", (long long)count, r->folder);
out:
  free(steps);
  free(array);
  return err;
}

bool checkpoints_averaged(const TrainRun *r) {
  char folder[PATH_BYTES], path[PATH_BYTES];
  CheckpointInfo info = {0};
  bool is = !path_join(folder, r->folder, "averaged") && !checkpoint_path(path, folder, r->state.step) &&
            !checkpoint_info(path, &info);
  checkpoint_info_free(&info);
  return is;
}
