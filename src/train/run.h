// The parts of a run that loop.c strings together: its state, its logs, its evaluations, its checkpoints.
#ifndef TRAIN_RUN_H
#define TRAIN_RUN_H

#include "base/progress.h"
#include "train/feed.h"
#include "train/guard.h"
#include "train/loop.h"
#include "train/metrics.h"
#include "train/plan.h"
#include "train/tensorboard.h"
#include "train/trainer.h"

enum { RECENT_STEPS = 512 };

// What a checkpoint keeps besides arrays.
typedef struct {
  int64_t step, tokens;
  GuardState guard;
  double best_loss;  // INFINITY: none yet
  int64_t best_step;
} RunState;

typedef struct {
  double loss, bits_per_byte;  // NaN where not known
} EvalResult;

// One step, as the logs see it.
typedef struct {
  int64_t step, batch, length;
  const Stage *stage;
  Losses losses;
  double total, norm, lr, begin_s, begin_processor_s, seconds;
  double share;                         // of the threads' time that the system gave them
  double imbalance, tokens_per_s, mfu;  // the busiest expert over the mean, 0 without experts; speeds
  GuardVerdict verdict;
  bool evaluated;
  EvalResult eval;
} StepRecord;

typedef struct {
  RunConfig *config;
  const char *where;
  char folder[PATH_BYTES], checkpoints[PATH_BYTES];
  int lock;
  Plan plan;
  Feed feed;
  Trainer trainer;
  RunState state;
  Checkpointer *checkpointer;
  int64_t saved_step;  // of the newest checkpoint asked for or loaded
  int64_t lost_step;   // of the newest one that could not be written, 0: none; and why
  char lost[ERR_TEXT_BYTES];
  char *identity, *text;  // of the checkpoints
  int32_t *token_bytes;   // [vocab] bytes of each token, or NULL without a tokenizer
  // logs
  Metrics metrics, experts;
  char *line, *experts_line;
  TensorBoard tensorboard;
  Progress progress;
  double peak_flops;  // operations a second of the processor, measured: what MFU is against
  double start_s, flushed_s, reported_s;
  double watched_s, had_s;  // of the threads' time lately, and what they had of it; watched_s < 0: said already
  double recent[RECENT_STEPS], recent_mfu[RECENT_STEPS];  // tokens a second
  int64_t n_recent;
  size_t announced_bytes;
} TrainRun;

// ---- run_logs.c
Err logs_open(TrainRun *r);
Err logs_step(TrainRun *r, StepRecord *s);
Err logs_close(TrainRun *r);
void logs_announce(const TrainRun *r, const size_t bytes[MEMORY_LINES]);  // the memory, by line
// Greatest load of an expert over the mean, over all layers; 0 without experts.
double load_imbalance(const Trainer *t);

// ---- run_checkpoints.c
Err checkpoints_open(TrainRun *r);
Err checkpoints_resume(TrainRun *r);  // loads the newest good one; state.step stays 0 if there is none
Err checkpoints_init(TrainRun *r);    // the weights of train.init, or random ones
Err checkpoints_save(TrainRun *r);
void checkpoints_report(TrainRun *r);  // says what was written since
Err checkpoints_close(TrainRun *r);    // ERR_IO: the checkpoint of the last step could not be written
// Writes the mean of the weights of the last `count` checkpoints to FOLDER/averaged/step-N; the trainer then holds that mean.
Err checkpoints_average(TrainRun *r, int64_t count);
size_t checkpoints_average_bytes(const TrainRun *r);  // what that takes from the heap, about; 0: none is wanted
bool checkpoints_averaged(const TrainRun *r);         // whether that of the present step is there

// ---- run_eval.c
// Held-out loss over eval.batches micro-batches.
Err eval_run(TrainRun *r, int64_t micro_batch, EvalResult *result);

#endif
