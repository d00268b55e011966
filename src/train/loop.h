// A training run: from a checked run file to a folder with checkpoints, metrics and logs.
//
// The folder (train.output) holds config.yaml (resolved), run.json (who and where), metrics.jsonl, experts.jsonl, tensorboard/,
// cache/, checkpoints/step-N, and a lock while it runs. If it holds checkpoints, the run goes on from the newest good one.
// SIGTERM, SIGINT and SIGHUP end it after the step at hand with a checkpoint; a second one at once.
// Determinism: the same run file gives the same weights and the same lines (their "time" aside), whatever the threads, kills
// and resumes.
#ifndef TRAIN_LOOP_H
#define TRAIN_LOOP_H

#include "train/config.h"

typedef struct {
  int64_t step, steps, tokens;  // where it stands, the plan's total, tokens seen
  int64_t parameters;
  bool stopped;                           // by a signal
  double loss;                            // total loss of the last step of this start; NaN if there was none
  double eval_loss, eval_bits_per_byte;   // of the last evaluation; NaN: none
  double best_loss;                       // lowest held-out loss
  int64_t best_step;                      // -1: none
  double averaged_loss;                   // held-out loss of the averaged weights; NaN: none
  double tokens_per_s, mfu;               // median over this start's steps
  double first_step_s;                    // from the call to the begin of the first step
  size_t announced_bytes, process_bytes;  // before the first step; the most there were, see memory_most_bytes
} TrainSummary;

// Runs to the end of the plan. *c is the resolved configuration; `where` names the run file. ERR_STATE: the folder is in use.
// ERR_NUMERIC: the guard's policy stopped it; a
// checkpoint holds the run as it stood before that step. A finished run is left as it is.
Err train_run(RunConfig *c, const char *where, TrainSummary *summary);

#endif
