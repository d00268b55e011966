// What a run will do at each step, worked out before the first: stages, how much data each reads, the learning rate of every
// step.
//
// Pure functions of the configuration and the step, so a resumed run does what the first would have done.
#ifndef TRAIN_PLAN_H
#define TRAIN_PLAN_H

#include "train/config.h"

typedef struct {
  const StageConfig *config;  // NULL: a run without stages
  char name[32];
  int64_t first, steps;  // steps first + 1 .. first + steps
  int64_t seq_length, batch, micro_batch, batch_from, seq_length_from, grow;
  int64_t batch_grain;  // batches grow in multiples of this
  LrSchedule lr;
  int64_t lr_first;  // the schedule counts from here
  int source;        // of plan->source
} Stage;

// Token data that some stages read one after the other: a stage with the blend and length of an earlier one goes on where that
// stopped.
typedef struct {
  const char *blend;  // borrowed from the configuration
  int64_t seq_length, samples;
} PlanSource;

typedef struct {
  Stage stage[STAGES_MAX];
  int64_t n_stages, steps, tokens;  // totals of the run
  PlanSource source[STAGES_MAX];
  int n_sources;
} Plan;

// The configuration is checked already. ERR_CONFIG for what only the lengths show (a learning rate whose warm-up is longer than
// its stage).
Err plan_make(Plan *p, const RunConfig *c, const char *where);
// The stage of step s (1 .. plan->steps).
const Stage *plan_stage(const Plan *p, int64_t s);
// Sequences of step s, and tokens of each: these grow in a straight line, batches in multiples of the micro-batch (times
// leaves), lengths of 8.
int64_t stage_batch(const Stage *stage, int64_t s);
int64_t stage_length(const Stage *stage, int64_t s);
double stage_lr(const Stage *stage, int64_t s);

#endif
