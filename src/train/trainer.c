#include "train/trainer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "train/config.h"
#include "train/score.h"

const char *const phase_names[PHASES + 1] = {"data", "forward", "backward", "optimizer", "eval", "checkpoint", NULL};
const char *const memory_names[MEMORY_LINES + 1] = {"weights",     "gradients", "moments", "leaf sums",          "tables",
                                                    "activations", "temporary", "batch",   "checkpoint staging", "kernels",
                                                    "program",     NULL};

static void take_leaves(Trainer *t) {
  for (int64_t level = 0; (2ll << level) <= t->option.leaves; level++)
    t->leaf[level] = arena_take(&t->arena[MEMORY_LEAVES], t->arena[MEMORY_GRADS].used);
}

static void add_array(Trainer *t, const char *kind, const Param *p, Mat m) {
  CheckpointArray *a = &t->array[t->n_arrays++];
  *a = (CheckpointArray){.type = m.type == DT_BF16 ? ST_BF16 : ST_F32, .n_dims = p->n_dims, .dim = {p->dim[0], p->dim[1]}};
  if (m.type == DT_SPLIT) a->split = m;
  else a->data = m.data;
  snprintf(a->name, sizeof a->name, "%s/%s", kind, p->name);
}

static Err list_arrays(Trainer *t) {
  const ParamList *list = &t->model.params;
  t->array = calloc((size_t)list->count, 3 * sizeof *t->array);
  CHECK(t->array, ERR_MEMORY, "no memory for the list of %lld arrays", (long long)list->count * 3);
  for (int64_t i = 0; i < list->count; i++) {
    const Param *p = &list->param[i];
    add_array(t, "model", p, p->w);
    if (p->role == PARAM_BALANCE) continue;
    bool muon = optimizer_is_muon(&t->optimizer, p);
    add_array(t, muon ? "muon.m" : "adam.m", p, t->optimizer.m[i]);
    if (!muon) add_array(t, "adam.v", p, t->optimizer.v[i]);
  }
  return ERR_OK;
}

// Takes everything that lives as long as the trainer, from measuring arenas or from real ones.
static Err carve(Trainer *t) {
  const TrainerOptions *o = &t->option;
  int64_t positions = 0;
  for (int i = 0; i < o->n_shapes; i++)
    if (o->shape[i].T > positions) positions = o->shape[i].T;
  TRY(model_init(&t->model, o->model, o->type, positions, &t->arena[MEMORY_WEIGHTS], &t->arena[MEMORY_GRADS],
                 &t->arena[MEMORY_TABLES]));
  t->settings = calloc((size_t)t->model.params.count, sizeof *t->settings);
  t->saved = calloc((size_t)t->model.n_blocks, sizeof *t->saved);
  t->kept_end = calloc((size_t)t->model.n_blocks, sizeof *t->kept_end);
  CHECK(t->settings && t->saved && t->kept_end, ERR_MEMORY, "no memory for the settings of %lld parameters",
        (long long)t->model.params.count);
  TRY(groups_resolve(o->groups, o->n_groups, &t->model.params, o->optimizer.decay, o->optimizer.eps, o->where, t->settings));
  TRY(optimizer_init(&t->optimizer, o->optimizer, &t->model.params, t->settings, &t->arena[MEMORY_MOMENTS]));
  take_leaves(t);
  batch_take(&t->batch, &t->arena[MEMORY_BATCH], 1, o->batch_rows);
  TRY(list_arrays(t));
  if (o->checkpoints) t->staging = arena_take(&t->arena[MEMORY_STAGING], checkpoint_staging_bytes(t->array, t->n_arrays));
  return ERR_OK;
}

static void release(Trainer *t) {
  optimizer_free(&t->optimizer);
  model_free(&t->model);
  schedule_free(&t->schedule);
  free(t->settings);
  free(t->saved);
  free(t->kept_end);
  free(t->array);
}

static Run run_of(Trainer *t, bool training) {
  return (Run){.dev = &t->dev,
               .type = t->option.type,
               .kept = &t->arena[MEMORY_KEPT],
               .temp = &t->arena[MEMORY_TEMP],
               .training = training,
               .recompute = (Recompute)t->option.recompute};
}

// ---- the step

// Sums the gradients of a leaf into the tree: the leaf of number i closes as many levels as i has trailing ones.
static void fold_leaf(Trainer *t, int64_t leaf) {
  if (t->option.leaves == 1) return;
  enum { ROW = ARENA_ALIGN / sizeof(float) };
  const Arena *grads = &t->arena[MEMORY_GRADS];
  int64_t rows = (int64_t)(grads->used / ARENA_ALIGN);
  Mat g = mat_of(grads->base, ROW, DT_F32);
  int level = 0;
  for (; leaf >> level & 1; level++) {
    Mat left = mat_of(t->leaf[level], ROW, DT_F32);
    t->dev.op->add(&t->dev, g, left, g, rows, ROW);
  }
  if (leaf + 1 == t->option.leaves) return;
  t->dev.op->cast(&t->dev, mat_of(t->leaf[level], ROW, DT_F32), g, rows, ROW);
}

static void clear_bytes(Trainer *t, char *first, char *end) {
  const int64_t n = (end - first) / (int64_t)sizeof(float);
  t->dev.op->zero(&t->dev, mat_of(first, n, DT_F32), 1, n);
}

// The gradients of a block's own parameters become 0, but for those of experts' weights (Run.zero_grads).
static void clear_block(Trainer *t, int64_t i) {
  const Arena *grads = &t->arena[MEMORY_GRADS];
  const Block *b = &t->model.block[i];
  const Weight *down = &b->moe.down;
  if (!grads->base) return;
  char *first = grads->base + b->grads, *end = grads->base + (i + 1 < t->model.n_blocks ? b[1].grads : grads->used);
  if (b->moe.E) {
    clear_bytes(t, first, (char *)b->moe.gate_up.g);  // declared side by side
    first = (char *)(down->g + down->out * down->in);
  }
  clear_bytes(t, first, end);
}

// A step (or leaf) begins with gradients of 0. Overlaid ones are cleared when the block is about to add to them: the head,
// which makes its gradients in the forward, before that.
static void clear_before(Trainer *t, Move move, int64_t chunk) {
  const bool head = t->model.block[chunk].kind == BLOCK_HEAD, forward = move == MOVE_FORWARD;
  if (t->overlaid && head == forward) clear_block(t, chunk);
  for (int64_t i = 0; !t->overlaid && forward && chunk == 0 && i < t->model.n_blocks; i++) clear_block(t, i);
}

static MicroBatch micro_batch_of(const Trainer *t, int64_t index) {
  const Batch *b = t->now;
  int64_t at = index * t->micro_batch * b->T;
  MicroBatch mb = t->scales;
  mb.B = t->micro_batch, mb.T = b->T;
  static const int32_t nothing;
  mb.labels = &nothing;  // measuring: a loss is wanted, and nobody reads it
  if (!b->ids) return mb;
  mb.ids = b->ids + at, mb.labels = b->labels + at, mb.mask = b->mask + at;
  mb.position = b->position + at, mb.doc_start = b->doc_start + at;
  return mb;
}

static Err turn(void *context, Move move, int64_t chunk, int64_t micro_batch) {
  Trainer *t = context;
  Arena *kept = &t->arena[MEMORY_KEPT], *temp = &t->arena[MEMORY_TEMP];
  const bool real = !dev_measuring(&t->dev);
  const int64_t each = real ? t->now->B / t->micro_batch / t->option.leaves : 1;
  Run run = run_of(t, true);
  run.zero_grads = micro_batch % each == 0;
  MicroBatch mb = micro_batch_of(t, micro_batch);
  double begin = clock_s();
  if (run.zero_grads) clear_before(t, move, chunk);
  if (move == MOVE_FORWARD) {
    if (chunk == 0) t->kept_mark = arena_mark(kept), t->temp_mark = arena_mark(temp);
    model_forward(&t->model, &run, &mb, chunk, chunk + 1, &t->stream, t->saved, &t->losses);
    if (kept->used > t->kept_end[chunk]) t->kept_end[chunk] = kept->used;
    t->phase_s[PHASE_FORWARD] += clock_s() - begin;
    return ERR_OK;
  }
  model_backward(&t->model, &run, &mb, chunk, chunk + 1, &t->stream, t->saved, move);
  if (chunk == 0 && move != MOVE_BACKWARD_INPUT) {
    arena_rewind(kept, t->kept_mark);
    arena_rewind(temp, t->temp_mark);
    if (real && (micro_batch + 1) % each == 0) fold_leaf(t, micro_batch / each);
  }
  t->phase_s[PHASE_BACKWARD] += clock_s() - begin;
  return ERR_OK;
}

Err trainer_plan(Trainer *t, int64_t micro_batches) {
  if (t->schedule.turn && t->schedule.shape.micro_batches == micro_batches) return ERR_OK;
  schedule_free(&t->schedule);
  TRY(schedule_build(&t->schedule, (ScheduleShape){t->model.n_blocks, micro_batches, t->option.late_weights}));
  ScheduleLoad load;
  TRY(schedule_check(&t->schedule, &load));
  assert(load.micro_batches == 1);  // one BlockSaved a block is enough
  return ERR_OK;
}

// Labels count over the whole step; multi-token prediction looks one label further, so a sequence's first does not count.
static MicroBatch scales_of(const Batch *b) {
  int64_t rolled = 0;
  for (int64_t s = 0; b->mask && s < b->B; s++)
    for (int64_t i = 1; i < b->T; i++) rolled += b->mask[s * b->T + i] != 0;
  return (MicroBatch){.loss_scale = b->mask_count ? 1 / (double)b->mask_count : 0,
                      .mtp_scale = rolled ? 1 / (double)rolled : 0,
                      .sequence_scale = 1 / (double)b->B};
}

static void clear_loads(Trainer *t) {
  for (int64_t i = 0; i < t->model.n_blocks; i++) {
    const Block *b = &t->model.block[i];
    if (b->moe.E && b->moe.load) memset(b->moe.load, 0, (size_t)b->moe.E * sizeof *b->moe.load);
  }
}

Err trainer_gradients(Trainer *t, const Batch *batch, int64_t micro_batch, Losses *losses, double *norm) {
  assert(batch->B % (micro_batch * t->option.leaves) == 0 && (!t->overlaid || batch->B == micro_batch));
  TRY(trainer_plan(t, batch->B / micro_batch));
  t->now = batch;
  t->micro_batch = micro_batch;
  t->scales = scales_of(batch);
  t->losses = (Losses){0};
  clear_loads(t);
  TRY(schedule_run(&t->schedule, turn, t, NULL));
  *losses = t->losses;
  double begin = clock_s();
  *norm = optimizer_norm(&t->optimizer, &t->dev);
  t->phase_s[PHASE_OPTIMIZER] += clock_s() - begin;
  return ERR_OK;
}

void trainer_update(Trainer *t, double lr, double norm) {
  double begin = clock_s();
  optimizer_step(&t->optimizer, &t->dev, &t->arena[MEMORY_TEMP], lr, clip_coefficient(norm, t->option.optimizer.clip));
  for (int64_t i = 0; i < t->model.n_blocks; i++) {
    const Block *b = &t->model.block[i];
    if (b->moe.E && b->moe.bias) balance_step(b->moe.bias, b->moe.load, b->moe.E, t->option.model->moe.bias_rate);
  }
  t->phase_s[PHASE_OPTIMIZER] += clock_s() - begin;
}

double trainer_score(Trainer *t, const Batch *batch) {
  Run run = run_of(t, false);
  return score_forward(&t->model, &run, batch, &t->stream, t->saved);
}

double trainer_total(const Trainer *t, const Losses *l) { return l->lm + t->option.model->mtp.loss * l->mtp + l->aux + l->z; }

const Moe *trainer_moe(const Trainer *t, int64_t index) {
  for (int64_t i = 0; i < t->model.n_blocks; i++)
    if (t->model.block[i].moe.E && index-- == 0) return &t->model.block[i].moe;
  return NULL;
}

double trainer_flops(const Trainer *t, int64_t tokens, int64_t T) {
  return 3 * (double)tokens * model_flops_token(t->option.model, T);
}

// ---- opening

static void try_shapes(Trainer *t) {
  for (int i = 0; i < t->option.n_shapes; i++) {
    TrainerShape shape = t->option.shape[i];
    Batch b = {.B = shape.micro_batch, .T = shape.T};
    t->now = &b;
    t->micro_batch = shape.micro_batch;
    (void)schedule_run(&t->schedule, turn, t, NULL);  // turns of a measuring device cannot fail
    (void)trainer_score(t, &b);
  }
  optimizer_measure(&t->optimizer, &t->dev, &t->arena[MEMORY_TEMP]);
}

// How far before the gradients that which is kept begins where they are overlaid: a block's gradients come after what it and
// the blocks before it kept.
static size_t overlay_before(const Trainer *t) {
  size_t before = 0;
  for (int64_t i = 0; i < t->model.n_blocks; i++) {
    const size_t end = t->kept_end[i], first = t->model.block[i].grads;
    if (end > first + before) before = end - first;
  }
  return before;
}

// What a run needs: of each arena, and where they are overlaid how far before the gradients the other begins, else 0.
typedef struct {
  size_t bytes[MEMORY_SCRATCH], before;
} Needs;

static Err measure_now(Trainer *t, Needs *n) {
  const TrainerOptions *o = &t->option;
  dev_measure(&t->dev);
  for (int i = 0; i < MEMORY_SCRATCH; i++) arena_measure(&t->arena[i], memory_names[i]);
  TRY(carve(t));
  TRY(trainer_plan(t, 1));
  try_shapes(t);
  for (int i = 0; i < MEMORY_SCRATCH; i++) n->bytes[i] = t->arena[i].peak;
  const bool overlays = o->one_micro_batch && o->leaves == 1 && !o->late_weights && model_is_apart(&t->model);
  n->before = overlays ? overlay_before(t) : 0;
  return ERR_OK;
}

static Err measure(Trainer *t, const TrainerOptions *o, int recompute, Needs *n) {
  *t = (Trainer){.option = *o};
  t->option.recompute = recompute;
  Err err = measure_now(t, n);
  release(t);
  *t = (Trainer){.option = t->option};
  return err;
}

// Of the two that may be one.
static size_t kept_and_grads(const Needs *n) {
  const size_t kept = n->bytes[MEMORY_KEPT], grads = n->bytes[MEMORY_GRADS];
  if (!n->before) return kept + grads;
  return n->before + grads > kept ? n->before + grads : kept;
}

static size_t all_bytes(const Needs *n) {
  size_t all = kept_and_grads(n);
  for (int i = 0; i < MEMORY_SCRATCH; i++)
    if (i != MEMORY_KEPT && i != MEMORY_GRADS) all += n->bytes[i];
  return all;
}

static Err choose(Trainer *t, const TrainerOptions *o, Needs *n) {
  if (o->recompute != RECOMPUTE_AUTO) return measure(t, o, o->recompute, n);
  Needs rows;
  TRY(measure(t, o, RECOMPUTE_ROWS, &rows));
  TRY(measure(t, o, RECOMPUTE_NONE, n));
  if (all_bytes(n) <= all_bytes(&rows) + all_bytes(&rows) / 100) return ERR_OK;
  *n = rows;
  t->option.recompute = RECOMPUTE_ROWS;
  return ERR_OK;
}

// The gradients' arena as the end of the other's.
static Err reserve_overlaid(Trainer *t, const Needs *n) {
  Arena *kept = &t->arena[MEMORY_KEPT], *grads = &t->arena[MEMORY_GRADS];
  TRY(arena_init(kept, memory_names[MEMORY_KEPT], kept_and_grads(n)));
  *grads = (Arena){.base = kept->base + n->before, .size = n->bytes[MEMORY_GRADS], .name = memory_names[MEMORY_GRADS]};
  t->overlaid = true;
  return ERR_OK;
}

Err trainer_open(Trainer *t, const TrainerOptions *option) {
  Needs n = {0};
  TRY(choose(t, option, &n));
  Err err = ERR_OK;
  TRY_OUT(dev_open(&t->dev, option->threads));
  if (n.before) TRY_OUT(reserve_overlaid(t, &n));
  for (int i = 0; i < MEMORY_SCRATCH; i++)
    if (n.bytes[i] && !t->arena[i].base) TRY_OUT(arena_init(&t->arena[i], memory_names[i], n.bytes[i]));
  for (int i = 0; i < MEMORY_SCRATCH; i++) arena_touch(&t->arena[i]);
  arena_touch(&t->dev.scratch);
  TRY_OUT(carve(t));
  return ERR_OK;
out:
  trainer_close(t);
  return err;
}

void trainer_close(Trainer *t) {
  release(t);
  if (t->overlaid) t->arena[MEMORY_GRADS] = (Arena){0};  // not its own
  for (int i = 0; i < MEMORY_SCRATCH; i++) arena_free(&t->arena[i]);
  if (t->dev.pool) dev_close(&t->dev);
  *t = (Trainer){0};
}

void trainer_reset(Trainer *t, uint64_t seed) {
  model_reset(&t->model, seed);
  groups_reset(&t->model.params, t->settings, seed);
}
