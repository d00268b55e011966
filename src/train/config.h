// The run file: everything a training run is, in one YAML. Key = YAML key = option = member: `optimizer.lr`, `--train.steps
// 100`, c->train.steps.
//
// RunConfig is large (lists of texts): allocate it. Defaults are a small TeleChat3-shaped run.
#ifndef TRAIN_CONFIG_H
#define TRAIN_CONFIG_H

#include "model/config.h"
#include "train/groups.h"
#include "train/guard.h"
#include "train/lr.h"
#include "train/optimizer.h"

enum { STAGES_MAX = 16 };

// A stage overrides what it sets; 0, "" and "inherit": as the sections below have it.
typedef struct {
  char name[OPTION_TEXT_BYTES];
  int64_t steps, tokens;  // its length: one of the two
  char blend[OPTION_TEXT_BYTES];
  int64_t seq_length, batch, micro_batch;
  int64_t batch_from, seq_length_from, grow;  // both grow in a straight line over the first `grow` steps
  struct {
    int kind;  // StageLr
    int decay;
    double peak, low;
    int64_t warmup, decay_start;
  } lr;
} StageConfig;
typedef enum { STAGE_LR_INHERIT, STAGE_LR_OWN } StageLr;  // own kinds follow: STAGE_LR_OWN + LrKind

typedef struct {
  ModelConfig model;
  struct {
    char train[OPTION_TEXT_BYTES], valid[OPTION_TEXT_BYTES];  // blends: "prefix", or "weight prefix weight prefix ..."
    char split[OPTION_TEXT_BYTES], tokenizer[OPTION_TEXT_BYTES], cache[OPTION_TEXT_BYTES];
    int64_t seq_length, seed;
    bool eod_mask_loss, reset_positions, reset_attention;
  } data;
  struct {
    char output[OPTION_TEXT_BYTES], init[OPTION_TEXT_BYTES];
    int64_t steps, tokens, batch, micro_batch, leaves, seed, threads;
    int dtype;      // 0 fp32, 1 bf16: a Dtype
    int recompute;  // a Recompute, or RECOMPUTE_AUTO
    bool late_weights;
  } train;
  OptimizerConfig optimizer;
  LrSchedule lr;
  struct {
    int64_t every, keep_last, keep_every, average;
    bool best;
  } checkpoint;
  struct {
    int64_t every, batches;
  } eval;
  GuardConfig guard;
  struct {
    int64_t experts;
    bool tensorboard;
  } log;
  StageConfig stages[STAGES_MAX];
  int64_t n_stages;
  GroupRule groups[GROUP_RULES_MAX];
  int64_t n_groups;
} RunConfig;

extern const Field run_fields[];
extern const char *const train_dtype_names[3];  // "fp32", "bf16"
// `none` where it costs at most 1 % more memory than `rows`, as it does where what is kept lies in the gradients' memory; else
// `rows`.
enum { RECOMPUTE_AUTO = RECOMPUTES };
extern const char *const train_recompute_names[RECOMPUTE_AUTO + 2];  // recompute_names, "auto", NULL

// All fields of a run file, bound to *c.
Options run_options(RunConfig *c);
// Defaults, then the file.
Err run_config_load(RunConfig *c, const char *path);
// Refuses what cannot be, before anything is read or taken: model shapes, lengths beyond model.max_length, batches that
// micro-batches do not divide, schedules that do not fit, policies without what they need. Names the keys and the way out.
Err run_config_check(const RunConfig *c, const char *where);
// The whole resolved configuration as YAML; free() it. Made through a file in `folder`.
Err run_config_text(RunConfig *c, const char *folder, char **text);
// Lines "key: value" of what makes a model another one: shapes and arithmetic, not the coefficients of training. free() it.
Err run_identity(const ModelConfig *c, char **text);

// A blend's sources: "prefix" alone, or weights and prefixes in turn. storage: OPTION_TEXT_BYTES, cut up. ERR_CONFIG.
enum { BLEND_SOURCES_MAX = 128 };
typedef struct {
  const char *prefix[BLEND_SOURCES_MAX];
  double weight[BLEND_SOURCES_MAX];
  int64_t count;
  char storage[OPTION_TEXT_BYTES];
} Blend;
Err blend_parse(Blend *b, const char *text, const char *key, const char *where);

#endif
