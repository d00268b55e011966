// A model in training: its memory, and the step from a batch to new weights. Knows nothing of files, data sets or logs.
//
// Memory: every arena is measured by running the same code on nothing, then reserved; trainer_memory says how much each
// is before the first step. Nothing is allocated in trainer_gradients and trainer_update. Where every step is one micro-batch,
// what a forward keeps lies where gradients will: a block's are made when what the blocks after it kept is not needed any more,
// so that the blocks before it may keep theirs there (`overlaid`; not with what model_is_apart excludes).
// Determinism: micro-batches go through in their order; gradients of `leaves` equal runs of them are summed in order within a
// run, and over the runs by a binary tree. The bits depend on no thread count.
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "data/batch.h"
#include "model/model.h"
#include "schedule/schedule.h"
#include "train/checkpoint.h"
#include "train/groups.h"
#include "train/optimizer.h"

enum { TRAINER_SHAPES_MAX = 64, TRAINER_LEVELS_MAX = 16 };

typedef struct {
  int64_t micro_batch, T;
} TrainerShape;

// Everything is borrowed until trainer_close.
typedef struct {
  const ModelConfig *model;
  Dtype type;
  int threads;     // 0: one a core
  int64_t leaves;  // a power of two
  bool late_weights;
  int recompute;  // a Recompute, or RECOMPUTE_AUTO (train/config.h); once opened, what was chosen
  OptimizerConfig optimizer;
  const GroupRule *groups;
  int64_t n_groups;
  const char *where;                       // run file, for messages
  TrainerShape shape[TRAINER_SHAPES_MAX];  // every (micro-batch, longest sequence) that will run
  int n_shapes;
  int64_t batch_rows;    // the most B * T of a step's batch
  bool one_micro_batch;  // no step has more
  bool checkpoints;      // reserve staging for them
} TrainerOptions;

typedef enum { PHASE_DATA, PHASE_FORWARD, PHASE_BACKWARD, PHASE_OPTIMIZER, PHASE_EVAL, PHASE_CHECKPOINT, PHASES } Phase;
extern const char *const phase_names[PHASES + 1];

typedef enum {
  MEMORY_WEIGHTS,
  MEMORY_GRADS,
  MEMORY_MOMENTS,
  MEMORY_LEAVES,
  MEMORY_TABLES,
  MEMORY_KEPT,
  MEMORY_TEMP,
  MEMORY_BATCH,
  MEMORY_STAGING,
  MEMORY_SCRATCH,
  MEMORY_PROGRAM,
  MEMORY_LINES
} MemoryLine;
extern const char *const memory_names[MEMORY_LINES + 1];

typedef struct {
  TrainerOptions option;
  Dev dev;
  Arena arena[MEMORY_SCRATCH];  // by MemoryLine; scratch belongs to the device
  Model model;
  ParamSettings *settings;
  Optimizer optimizer;
  BlockSaved *saved;
  size_t *kept_end;  // by block: the most that had been taken of MEMORY_KEPT after its forward
  bool overlaid;     // MEMORY_GRADS is the end of MEMORY_KEPT
  Stream stream;
  float *leaf[TRAINER_LEVELS_MAX];
  CheckpointArray *array;  // weights, moments: the arrays of a checkpoint
  int64_t n_arrays;
  void *staging;
  Batch batch;             // room for batch_rows; set B and T, fill, then step
  Schedule schedule;       // of the step at hand
  size_t program_bytes;    // what the program has besides the arenas (trainer_count_program)
  double phase_s[PHASES];  // summed; the caller sets them to 0
  // of the step at hand
  const Batch *now;
  int64_t micro_batch;
  MicroBatch scales;
  size_t kept_mark, temp_mark;
  Losses losses;
} Trainer;

// Measures, reserves, declares. Weights are not set: trainer_reset, or load t->array.
// ERR_MEMORY names the arena and the way out; ERR_CONFIG from the groups.
Err trainer_open(Trainer *t, const TrainerOptions *option);
void trainer_close(Trainer *t);
// Initial weights from the seed.
void trainer_reset(Trainer *t, uint64_t seed);

// Counts what the process has besides the arenas; when everything is open, before the first step.
void trainer_count_program(Trainer *t);
// Bytes announced, by line; the sum is what the process should need.
void trainer_memory(const Trainer *t, size_t bytes[MEMORY_LINES]);
// Bytes of the process that belong to no file, now (0 where the system does not say). Allocates nothing.
size_t memory_process_bytes(void);
// The most of them that were looked at since trainer_count_program, and now. Whoever takes memory for a while looks before it
// is given back; any thread may.
void memory_look(void);
size_t memory_most_bytes(void);

// Makes the schedule of a step with this many micro-batches, if it is not the one at hand. The only allocation between steps.
Err trainer_plan(Trainer *t, int64_t micro_batches);
// Gradients of the mean loss over the batch; *losses and the global norm. batch->B is a multiple of micro_batch. What was in
// the gradients' memory does not matter.
Err trainer_gradients(Trainer *t, const Batch *batch, int64_t micro_batch, Losses *losses, double *norm);
// Clips, updates, moves the routers' biases by the load of this step. Gradients are lost, loads stay until the next step. A
// step that is not to count is left without it.
void trainer_update(Trainer *t, double lr, double norm);
// Sum of the masked nll over the batch, by the forward alone; adds nothing to loads.
double trainer_score(Trainer *t, const Batch *batch);

// lm + mtp coefficient * mtp + aux + z
double trainer_total(const Trainer *t, const Losses *l);
// Layers with experts, in order, and their load in the step; NULL at the end.
const Moe *trainer_moe(const Trainer *t, int64_t index);
// Floating-point operations of a step of these tokens: three times the forward.
double trainer_flops(const Trainer *t, int64_t tokens, int64_t T);

#endif
