#include "train/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "nn/run.h"
#include "ops/ops.h"

const char *const train_dtype_names[3] = {"fp32", "bf16", NULL};
const char *const train_recompute_names[RECOMPUTE_AUTO + 2] = {"none", "rows", "attention", "block", "auto", NULL};
static const char *const stage_lr_names[] = {"inherit", "constant", "linear", "cosine", "wsd", "inverse_sqrt", NULL};

#define STAGE_INT(member, high, help) FIELD_INT(StageConfig, member, 0, 0, high, help)
static const Field stage_fields[] = {
    FIELD_TEXT(StageConfig, name, "", "what to call it in logs"),
    STAGE_INT(steps, 1e12, "length in steps; or give tokens"),
    STAGE_INT(tokens, 1e16, "length in tokens, to the end of the step that reaches it"),
    FIELD_TEXT(StageConfig, blend, "", "its training data, as data.train"),
    STAGE_INT(seq_length, 1 << 24, "its data.seq_length"),
    STAGE_INT(batch, 1 << 24, "its train.batch"),
    STAGE_INT(micro_batch, 1 << 20, "its train.micro_batch"),
    STAGE_INT(batch_from, 1 << 24, "sequences a step at its begin, growing to batch; 0: no growing"),
    STAGE_INT(seq_length_from, 1 << 24,
              "tokens of a sequence at its begin, growing to seq_length; what is cut off is not read again"),
    STAGE_INT(grow, 1e7, "steps in which batch and length grow"),
    FIELD_ENUM(StageConfig, lr.kind, STAGE_LR_INHERIT, stage_lr_names,
               "its own learning-rate schedule, counted from its begin"),
    FIELD_ENUM(StageConfig, lr.decay, DECAY_LINEAR, decay_shape_names, "shape of wsd's decay"),
    FIELD_REAL(StageConfig, lr.peak, 0, 0, 1e3, "highest learning rate; 0: lr.peak"),
    FIELD_REAL(StageConfig, lr.low, 0, 0, 1e3, "lowest learning rate"),
    STAGE_INT(lr.warmup, 1e12, "steps of warm-up"),
    STAGE_INT(lr.decay_start, 1e12, "step at which wsd's decay begins"),
    {0}};

#define INT(member, default_, low, high, help) FIELD_INT(RunConfig, member, default_, low, high, help)
#define REAL(member, default_, low, high, help) FIELD_REAL(RunConfig, member, default_, low, high, help)
#define TEXT(member, default_, help) FIELD_TEXT(RunConfig, member, default_, help)
#define BOOL(member, default_, help) FIELD_BOOL(RunConfig, member, default_, help)
#define ENUM(member, default_, names, help) FIELD_ENUM(RunConfig, member, default_, names, help)

const Field run_fields[] = {
    TEXT(data.train, "", "training data: a prefix of .bin and .idx, or \"weight prefix weight prefix ...\""),
    TEXT(data.valid, "", "held-out data, likewise; empty: the second part of data.split"),
    TEXT(data.split, "99,1,0", "shares of train, valid and test in data.train; not used with data.valid"),
    TEXT(data.tokenizer, "", "tokenizer of the data: gives bits per byte, and goes with exported models"),
    TEXT(data.cache, "", "folder that keeps the orders of samples; empty: OUTPUT/cache"),
    INT(data.seq_length, 512, 2, 1 << 24, "tokens of a sequence"),
    INT(data.seed, 1234, 0, UINT32_MAX, "seed of the order of samples"),
    BOOL(data.eod_mask_loss, false, "no loss where the input is model.eos"),
    BOOL(data.reset_positions, false, "positions count from the begin of each document"),
    BOOL(data.reset_attention, false, "a token sees its own document only"),
    TEXT(train.output, "run", "folder of the run: checkpoints, metrics, logs"),
    TEXT(train.init, "", "weights to begin with: a folder of `pleiad import`, a run, a checkpoint; empty: random ones"),
    INT(train.steps, 0, 0, 1e12, "length of the run in steps (without stages); or give train.tokens"),
    INT(train.tokens, 0, 0, 1e16, "length in tokens (without stages), to the end of the step that reaches it"),
    INT(train.batch, 8, 1, 1 << 24, "sequences a step"),
    INT(train.micro_batch, 8, 1, 1 << 20, "sequences that go through the model at a time"),
    INT(train.leaves, 1, 1, 1 << 16,
        "leaves of the tree that sums gradients, a power of two: as many ranks may share a step without changing a bit"),
    INT(train.seed, 1, 0, INT64_MAX / 4, "seed of the initial weights"),
    INT(train.threads, 0, 0, 4096, "threads; 0: one a core"),
    ENUM(train.dtype, DT_F32, train_dtype_names, "type of GEMMs and kept activations"),
    BOOL(train.late_weights, false, "weight gradients after all input gradients of a micro-batch: needs more memory"),
    ENUM(train.recompute, RECOMPUTE_AUTO, train_recompute_names,
         "what a forward does not keep and the backward makes again, changing no bit: rows (norms, turns of heads, the "
         "stream after attention), attention too, or the whole block; none takes 2 to 4 % less time and up to 10 % more "
         "memory; auto: none if that is at most 1 % more, else rows"),
    ENUM(optimizer.kind, OPTIMIZER_ADAMW, optimizer_names,
         "adamw; or muon for the matrices inside the blocks, with adamw for the rest"),
    REAL(optimizer.momentum, 0.95, 0, 0.999999, "Muon's momentum"),
    REAL(optimizer.beta1, 0.9, 0, 0.999999, "AdamW's decay of the mean"),
    REAL(optimizer.beta2, 0.95, 0, 0.999999, "AdamW's decay of the mean square"),
    REAL(optimizer.eps, 1e-8, 0, 1, "AdamW's epsilon"),
    REAL(optimizer.decay, 0.1, 0, 100, "weight decay of matrices (groups change it)"),
    REAL(optimizer.clip, 1, 0, 1e9, "greatest global norm of the gradients; 0: no clipping"),
    ENUM(optimizer.moments, MOMENTS_F32, moment_names, "type of the moments"),
    ENUM(lr.kind, LR_COSINE, lr_kind_names, "learning-rate schedule"),
    ENUM(lr.decay, DECAY_LINEAR, decay_shape_names, "shape of wsd's decay"),
    REAL(lr.peak, 3e-4, 0, 1e3, "highest learning rate"),
    REAL(lr.low, 3e-5, 0, 1e3, "lowest learning rate after warm-up"),
    INT(lr.warmup, 0, 0, 1e12, "steps of warm-up from 0"),
    INT(lr.decay_start, 0, 0, 1e12, "step at which wsd's decay begins; 0: after nine tenths"),
    INT(lr.steps, 0, 0, 1e12, "step at which the schedule ends; 0: the run's last"),
    INT(checkpoint.every, 0, 0, 1e12, "steps between checkpoints; 0: one at the end"),
    INT(checkpoint.keep_last, 2, 1, 1e6, "newest checkpoints kept"),
    INT(checkpoint.keep_every, 0, 0, 1e12, "checkpoints whose step is a multiple are kept for good; 0: none"),
    INT(checkpoint.average, 0, 0, 1e6, "at the end, write the mean of the weights of this many last checkpoints; 0: no"),
    BOOL(checkpoint.best, false, "keep the checkpoint with the lowest held-out loss"),
    INT(eval.every, 0, 0, 1e12, "steps between evaluations on held-out data; 0: none"),
    INT(eval.batches, 8, 1, 1e9, "micro-batches of an evaluation"),
    ENUM(guard.nan, POLICY_STOP, policy_names, "when the loss or the norm of the gradients is not a number"),
    ENUM(guard.spike, POLICY_GO_ON, policy_names, "when the norm is guard.factor times its median"),
    REAL(guard.factor, 10, 0, 1e9, "of the median norm, above which a step is a spike; 0: never"),
    INT(guard.window, 64, 1, GUARD_WINDOW_MAX, "steps the median is taken over"),
    INT(log.experts, 10, 0, 1e9, "steps between lines of expert load in experts.jsonl; 0: none"),
    BOOL(log.tensorboard, true, "write TensorBoard event files"),
    FIELD_LIST(RunConfig, stages, n_stages, STAGES_MAX, stage_fields, "stages of the run, one after the other"),
    FIELD_LIST(RunConfig, groups, n_groups, GROUP_RULES_MAX, group_fields, "parameter groups"),
    {0}};

Options run_options(RunConfig *c) {
  Options o = {0};
  options_bind(&o, model_fields, &c->model);
  options_bind(&o, run_fields, c);
  return o;
}

Err run_config_load(RunConfig *c, const char *path) {
  memset(c, 0, sizeof *c);
  Options o = run_options(c);
  options_defaults(&o);
  return options_load(&o, path);
}

static Err check_lr(const LrSchedule *l, const char *key, const char *where) {
  CHECK(l->low <= l->peak, ERR_CONFIG, "%s: %s.low %g is above %s.peak %g", where, key, l->low, key, l->peak);
  bool ends = l->kind != LR_CONSTANT && l->kind != LR_INVERSE_SQRT;
  CHECK(!ends || l->steps == 0 || l->warmup <= l->steps, ERR_CONFIG,
        "%s: %s.warmup %lld is longer than the schedule of %lld steps", where, key, (long long)l->warmup, (long long)l->steps);
  CHECK(l->kind != LR_WSD || l->steps == 0 || l->decay_start <= l->steps, ERR_CONFIG,
        "%s: %s.decay_start %lld is after the schedule's end, step %lld", where, key, (long long)l->decay_start,
        (long long)l->steps);
  return ERR_OK;
}

static Err check_length(int64_t steps, int64_t tokens, const char *key, const char *where) {
  CHECK(steps || tokens, ERR_CONFIG, "%s: %s has no length; give %s.steps or %s.tokens", where, key, key, key);
  CHECK(!steps || !tokens, ERR_CONFIG, "%s: %s.steps %lld and %s.tokens %lld are both given; keep one", where, key,
        (long long)steps, key, (long long)tokens);
  return ERR_OK;
}

static Err check_batch(int64_t batch, int64_t micro_batch, int64_t leaves, const char *key, const char *where) {
  CHECK(batch % micro_batch == 0, ERR_CONFIG, "%s: %s is %lld sequences, which micro-batches of %lld do not divide", where, key,
        (long long)batch, (long long)micro_batch);
  CHECK(batch / micro_batch % leaves == 0, ERR_CONFIG, "%s: %s has %lld micro-batches, which train.leaves %lld does not divide",
        where, key, (long long)(batch / micro_batch), (long long)leaves);
  return ERR_OK;
}

static Err check_stage(const RunConfig *c, int64_t i, const char *where) {
  const StageConfig *s = &c->stages[i];
  char key[64];
  snprintf(key, sizeof key, "stages.%lld", (long long)i);
  TRY(check_length(s->steps, s->tokens, key, where));
  int64_t T = s->seq_length ? s->seq_length : c->data.seq_length;
  int64_t batch = s->batch ? s->batch : c->train.batch, micro = s->micro_batch ? s->micro_batch : c->train.micro_batch;
  CHECK(T >= 2 && T <= c->model.model.max_length, ERR_CONFIG,
        "%s: %s has sequences of %lld tokens; 2 to model.max_length %lld is possible", where, key, (long long)T,
        (long long)c->model.model.max_length);
  TRY(check_batch(batch, micro, c->train.leaves, key, where));
  CHECK(s->batch_from <= batch && s->seq_length_from <= T, ERR_CONFIG,
        "%s: %s grows from %lld sequences of %lld tokens, more than the %lld of %lld it grows to", where, key,
        (long long)s->batch_from, (long long)s->seq_length_from, (long long)batch, (long long)T);
  CHECK(s->batch_from % (micro * c->train.leaves) == 0, ERR_CONFIG,
        "%s: %s.batch_from %lld is no multiple of %lld, its micro-batch times train.leaves", where, key,
        (long long)s->batch_from, (long long)(micro * c->train.leaves));
  CHECK(!(s->batch_from || s->seq_length_from) || s->grow > 0, ERR_CONFIG, "%s: %s grows, but over no steps; give %s.grow",
        where, key, key);
  CHECK(s->lr.kind != STAGE_LR_INHERIT || (s->lr.peak <= 0 && s->lr.warmup == 0), ERR_CONFIG,
        "%s: %s sets a learning rate but no %s.lr.kind, so it would not be used", where, key, key);
  if (s->lr.kind == STAGE_LR_INHERIT) return ERR_OK;
  LrSchedule l = {s->lr.kind - STAGE_LR_OWN, s->lr.decay, s->lr.peak > 0 ? s->lr.peak : c->lr.peak, s->lr.low, s->lr.warmup,
                  s->lr.decay_start,         s->steps};
  snprintf(key, sizeof key, "stages.%lld.lr", (long long)i);
  return check_lr(&l, key, where);
}

static Err check_data(const RunConfig *c, const char *where) {
  CHECK(*c->data.train, ERR_CONFIG, "%s: data.train is empty; make token files with `pleiad data build` and name them", where);
  Blend *b = malloc(sizeof *b);
  CHECK(b, ERR_MEMORY, "no memory to check %s", where);
  Err err = blend_parse(b, c->data.train, "data.train", where);
  if (!err && *c->data.valid) err = blend_parse(b, c->data.valid, "data.valid", where);
  for (int64_t i = 0; i < c->n_stages && !err; i++)
    if (*c->stages[i].blend) err = blend_parse(b, c->stages[i].blend, "stages.blend", where);
  free(b);
  TRY(err);
  bool documents = c->data.eod_mask_loss || c->data.reset_positions || c->data.reset_attention;
  CHECK(!documents || c->model.model.eos >= 0, ERR_CONFIG,
        "%s: data.eod_mask_loss, data.reset_positions and data.reset_attention need model.eos, which is %lld", where,
        (long long)c->model.model.eos);
  return ERR_OK;
}

Err run_config_check(const RunConfig *c, const char *where) {
  TRY(model_config_check(&c->model, where));
  TRY(check_data(c, where));
  CHECK(*c->train.output, ERR_CONFIG, "%s: train.output is empty; name a folder for the run", where);
  CHECK((c->train.leaves & (c->train.leaves - 1)) == 0, ERR_CONFIG, "%s: train.leaves is %lld; a power of two is wanted", where,
        (long long)c->train.leaves);
  CHECK(c->data.seq_length <= c->model.model.max_length, ERR_CONFIG,
        "%s: data.seq_length %lld is longer than model.max_length %lld", where, (long long)c->data.seq_length,
        (long long)c->model.model.max_length);
  if (c->n_stages == 0) {
    TRY(check_length(c->train.steps, c->train.tokens, "train", where));
    TRY(check_batch(c->train.batch, c->train.micro_batch, c->train.leaves, "train.batch", where));
  }
  CHECK(c->n_stages == 0 || (!c->train.steps && !c->train.tokens), ERR_CONFIG,
        "%s: train.%s is given and stages as well, which have their own lengths; remove one", where,
        c->train.steps ? "steps" : "tokens");
  for (int64_t i = 0; i < c->n_stages; i++) TRY(check_stage(c, i, where));
  LrSchedule l = c->lr;
  if (!l.steps) l.steps = c->train.steps;
  TRY(check_lr(&l, "lr", where));
  CHECK(!c->checkpoint.best || c->eval.every, ERR_CONFIG, "%s: checkpoint.best needs evaluations; give eval.every", where);
  CHECK(c->checkpoint.average <= c->checkpoint.keep_last, ERR_CONFIG,
        "%s: checkpoint.average %lld needs as many checkpoints, and checkpoint.keep_last keeps %lld", where,
        (long long)c->checkpoint.average, (long long)c->checkpoint.keep_last);
  return ERR_OK;
}

Err run_config_text(RunConfig *c, const char *folder, char **text) {
  char path[PATH_BYTES];
  TRY(path_join(path, folder, "config.yaml"));
  Options o = run_options(c);
  TRY(options_write(&o, path, false));
  size_t size;
  return file_read(path, 1 << 22, text, &size);
}

// Coefficients and settings that training may change without making another model.
static bool is_of_training(const char *key) {
  static const char *const keys[] = {"model.init_std", "moe.bias_rate", "moe.aux_loss", "mtp.loss", "loss.z", NULL};
  for (int i = 0; keys[i]; i++)
    if (strcmp(key, keys[i]) == 0) return true;
  return false;
}

Err run_identity(const ModelConfig *c, char **text) {
  size_t size;
  FILE *f = open_memstream(text, &size);
  CHECK(f, ERR_MEMORY, "no memory for the identity of a model");
  for (const Field *field = model_fields; field->key; field++) {
    if (is_of_training(field->key)) continue;
    const void *at = (const char *)c + field->offset;
    fprintf(f, "%s: ", field->key);
    switch (field->type) {
      case FIELD_IS_INT: fprintf(f, "%lld\n", (long long)*(const int64_t *)at); break;
      case FIELD_IS_REAL: fprintf(f, "%.17g\n", *(const double *)at); break;
      case FIELD_IS_BOOL: fprintf(f, "%s\n", *(const bool *)at ? "true" : "false"); break;
      case FIELD_IS_ENUM: fprintf(f, "%s\n", field->names[*(const int *)at]); break;
      default: fprintf(f, "%s\n", (const char *)at); break;
    }
  }
  CHECK(fclose(f) == 0, ERR_MEMORY, "no memory for the identity of a model");
  return ERR_OK;
}

static Err blend_add(Blend *b, double weight, const char *prefix, const char *key, const char *where) {
  CHECK(b->count < BLEND_SOURCES_MAX, ERR_CONFIG, "%s: %s has more than %d sources", where, key, BLEND_SOURCES_MAX);
  b->weight[b->count] = weight;
  b->prefix[b->count++] = prefix;
  return ERR_OK;
}

Err blend_parse(Blend *b, const char *text, const char *key, const char *where) {
  b->count = 0;
  snprintf(b->storage, sizeof b->storage, "%s", text);
  char *rest = NULL, *word = strtok_r(b->storage, " \t\n,", &rest);
  CHECK(word, ERR_CONFIG, "%s: %s names no data", where, key);
  char *next = strtok_r(NULL, " \t\n,", &rest);
  if (!next) return blend_add(b, 1, word, key, where);
  while (word) {
    char *end;
    double weight = strtod(word, &end);
    CHECK(*end == '\0' && weight >= 0, ERR_CONFIG,
          "%s: %s: \"%s\" stands where a weight is wanted; a blend is one prefix, or weights and prefixes in turn", where, key,
          word);
    CHECK(next, ERR_CONFIG, "%s: %s: the weight %s has no prefix after it", where, key, word);
    TRY(blend_add(b, weight, next, key, where));
    word = strtok_r(NULL, " \t\n,", &rest);
    next = word ? strtok_r(NULL, " \t\n,", &rest) : NULL;
  }
  return ERR_OK;
}
