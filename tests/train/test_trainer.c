#include "train/trainer.h"

#include <stdlib.h>

#include "base/hash.h"
#include "test.h"
#include "train/tiny.h"

typedef struct {
  int threads;
  int64_t leaves, batch, micro_batch;
  bool late_weights;
  Dtype type;
  int moments, optimizer;
  int recompute;
  bool apart, one_micro_batch;  // apart: without MTP
} Shape;

typedef struct {
  double loss[3], norm[3];
  uint64_t weights;
  size_t kept_bytes;
} Outcome;

static void open_trainer(Trainer *t, RunConfig *c, Shape s) {
  c->optimizer.moments = s.moments;
  c->optimizer.kind = s.optimizer;
  if (s.apart) c->model.mtp.layers = 0;
  TrainerOptions o = {.model = &c->model,
                      .type = s.type,
                      .threads = s.threads,
                      .leaves = s.leaves,
                      .late_weights = s.late_weights,
                      .recompute = s.recompute,
                      .optimizer = c->optimizer,
                      .where = "test",
                      .shape = {{s.micro_batch, 16}},
                      .n_shapes = 1,
                      .batch_rows = s.batch * 16,
                      .one_micro_batch = s.one_micro_batch,
                      .checkpoints = true};
  ASSERT_OK(trainer_open(t, &o));
  trainer_reset(t, 3);
}

static void fill(Batch *b, int64_t B, int64_t step) {
  b->B = B, b->T = 16, b->mask_count = 0;
  for (int64_t i = 0; i < B * b->T; i++) {
    b->ids[i] = (int32_t)((7 * i + 13 * step) % 64);
    b->labels[i] = (int32_t)((7 * (i + 1) + 13 * step) % 64);
    b->mask[i] = i % 11 != 5;
    b->position[i] = (int32_t)(i % b->T);
    b->doc_start[i] = 0;
    b->mask_count += b->mask[i] != 0;
  }
}

static Outcome outcome_of(Shape s) {
  RunConfig *c = malloc(sizeof *c);
  Trainer t;
  Outcome r;
  ASSERT(c);
  tiny_config(c, "nowhere");
  open_trainer(&t, c, s);
  for (int64_t step = 0; step < 3; step++) {
    Losses losses;
    fill(&t.batch, s.batch, step);
    ASSERT_OK(trainer_gradients(&t, &t.batch, s.micro_batch, &losses, &r.norm[step]));
    r.loss[step] = trainer_total(&t, &losses);
    trainer_update(&t, 0.01, r.norm[step]);
    t.batch.B = s.micro_batch;
    (void)trainer_score(&t, &t.batch);
  }
  r.weights = hash64(t.arena[MEMORY_WEIGHTS].base, t.arena[MEMORY_WEIGHTS].used, 0);
  for (int i = 0; i < MEMORY_SCRATCH; i++)  // what was measured is what was needed
    ASSERT_MSG(t.arena[i].size - t.arena[i].peak < 4096 || t.arena[i].size == 0 || (i == MEMORY_KEPT && t.overlaid),
               "%s: reserved %zu, used %zu", memory_names[i], t.arena[i].size, t.arena[i].peak);
  ASSERT_INT(t.overlaid, s.apart && s.one_micro_batch);
  size_t bytes[MEMORY_LINES];
  trainer_memory(&t, bytes);
  r.kept_bytes = bytes[MEMORY_KEPT];
  trainer_close(&t);
  free(c);
  return r;
}

static const Shape plain = {.threads = 1, .leaves = 1, .batch = 4, .micro_batch = 2};

TEST(threads_change_no_bit) {
  Shape two = plain;
  two.threads = 2;
  Outcome a = outcome_of(plain), b = outcome_of(two);
  ASSERT(memcmp(&a, &b, sizeof a) == 0);
  ASSERT(a.loss[2] < a.loss[0]);
}

TEST(muon_learns_and_threads_change_no_bit) {
  for (int type = 0; type < 2; type++) {
    Shape one = {.threads = 1,
                 .leaves = 1,
                 .batch = 4,
                 .micro_batch = 2,
                 .type = type ? DT_BF16 : DT_F32,
                 .moments = MOMENTS_BF16,
                 .optimizer = OPTIMIZER_MUON},
          two = one;
    two.threads = 2;
    Outcome a = outcome_of(one), b = outcome_of(two);
    ASSERT(memcmp(&a, &b, sizeof a) == 0);
    ASSERT(a.loss[2] < a.loss[0]);
  }
}

TEST(late_weight_gradients_change_no_bit) {
  Shape late = plain;
  late.late_weights = true;
  Outcome a = outcome_of(plain), b = outcome_of(late);
  ASSERT(memcmp(&a, &b, sizeof a) == 0);
}

// What is kept lies where gradients will, and evaluations between steps run there too.
TEST(gradients_over_what_was_kept_change_no_bit) {
  for (int type = 0; type < 2; type++)
    for (int recompute = RECOMPUTE_NONE; recompute < RECOMPUTES; recompute++) {
      Shape own = {.threads = 1,
                   .leaves = 1,
                   .batch = 4,
                   .micro_batch = 4,
                   .type = type ? DT_BF16 : DT_F32,
                   .recompute = recompute,
                   .apart = true};
      Shape over = own;
      over.one_micro_batch = true;
      Outcome a = outcome_of(own), b = outcome_of(over);
      ASSERT(b.kept_bytes < a.kept_bytes);
      b.kept_bytes = a.kept_bytes;
      ASSERT(memcmp(&a, &b, sizeof a) == 0);
    }
  Shape shared = plain;
  shared.micro_batch = 4, shared.one_micro_batch = true;  // MTP adds to others' gradients: each has its own memory
  (void)outcome_of(shared);
}

// The same mean over the batch, summed in another order.
TEST(leaves_and_micro_batches_change_roundings_only) {
  Outcome a = outcome_of(plain);
  for (int64_t leaves = 1; leaves <= 4; leaves *= 2) {
    Outcome b = outcome_of((Shape){.threads = 1, .leaves = leaves, .batch = 4, .micro_batch = 1});
    for (int i = 0; i < 3; i++) {
      ASSERT_NEAR(b.loss[i], a.loss[i], 1e-5);
      ASSERT_NEAR(b.norm[i], a.norm[i], 1e-4);
    }
  }
}

TEST(bf16_follows_fp32) {
  Outcome a = outcome_of(plain),
          b = outcome_of(
              (Shape){.threads = 1, .leaves = 1, .batch = 4, .micro_batch = 2, .type = DT_BF16, .moments = MOMENTS_BF16});
  for (int i = 0; i < 3; i++) ASSERT_NEAR(b.loss[i], a.loss[i], 0.02);
}

// The gradients of a batch, with only row `only` counted (-1: all) but the scale of all: what one micro-batch of one sequence
// gives.
static float *gradients_of(int64_t leaves, int64_t only, size_t *n) {
  RunConfig *c = malloc(sizeof *c);
  Trainer t;
  ASSERT(c);
  tiny_config(c, "nowhere");
  c->model.mtp.layers = 0;  // its scale and the balance loss do not follow the mask
  c->model.moe.aux_loss = 0;
  open_trainer(&t, c, (Shape){.threads = 1, .leaves = leaves, .batch = 4, .micro_batch = 1});
  fill(&t.batch, 4, 0);
  for (int64_t i = 0; i < 4 * 16; i++)
    if (only >= 0 && i / 16 != only) t.batch.mask[i] = 0;
  Losses losses;
  double norm;
  ASSERT_OK(trainer_gradients(&t, &t.batch, 1, &losses, &norm));
  *n = t.arena[MEMORY_GRADS].used / sizeof(float);
  float *g = malloc(*n * sizeof *g);
  ASSERT(g);
  memcpy(g, t.arena[MEMORY_GRADS].base, *n * sizeof *g);
  trainer_close(&t);
  free(c);
  return g;
}

TEST(the_tree_of_leaves_is_what_it_says) {
  size_t n;
  float *leaf[4], *tree = gradients_of(4, -1, &n);
  for (int k = 0; k < 4; k++) leaf[k] = gradients_of(1, k, &n);
  for (size_t i = 0; i < n; i++) ASSERT(tree[i] == (leaf[0][i] + leaf[1][i]) + (leaf[2][i] + leaf[3][i]));
  for (int k = 0; k < 4; k++) free(leaf[k]);
  free(tree);
}

TEST(a_skipped_step_leaves_the_weights) {
  RunConfig *c = malloc(sizeof *c);
  Trainer t;
  ASSERT(c);
  tiny_config(c, "nowhere");
  open_trainer(&t, c, plain);
  uint64_t before = hash64(t.arena[MEMORY_WEIGHTS].base, t.arena[MEMORY_WEIGHTS].used, 0);
  Losses losses;
  double first, again;
  fill(&t.batch, 4, 0);
  ASSERT_OK(trainer_gradients(&t, &t.batch, 2, &losses, &first));
  ASSERT(hash64(t.arena[MEMORY_WEIGHTS].base, t.arena[MEMORY_WEIGHTS].used, 0) == before);
  ASSERT_OK(trainer_gradients(&t, &t.batch, 2, &losses, &again));
  ASSERT_NEAR(again, first, 0);
  trainer_close(&t);
  free(c);
}

// Where gradients have room for all that is kept nothing is made again.
TEST(recompute_is_chosen_by_what_it_needs) {
  for (int roomy = 0; roomy < 2; roomy++) {
    RunConfig *c = malloc(sizeof *c);
    Trainer t;
    ASSERT(c);
    tiny_config(c, "nowhere");
    if (roomy) c->model.moe.experts = 512;
    c->model.model.layers = roomy ? 8 : 2;
    open_trainer(&t, c,
                 (Shape){.threads = 1,
                         .leaves = 1,
                         .batch = 4,
                         .micro_batch = 4,
                         .recompute = RECOMPUTE_AUTO,
                         .apart = true,
                         .one_micro_batch = true});
    ASSERT_INT(t.option.recompute, roomy ? RECOMPUTE_NONE : RECOMPUTE_ROWS);
    trainer_close(&t);
    free(c);
  }
}
