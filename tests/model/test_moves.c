// The promises of a step: what was measured is what is taken, late weight gradients and thread counts change no bit, gradients
// accumulate, and they are the slopes of the loss.
#include <math.h>
#include <stdlib.h>

#include "model/small_model.h"
#include "test.h"

typedef struct {
  int threads;
  Move move;
  Recompute recompute;
} Way;

typedef struct {
  float *grads;  // owned
  size_t bytes, kept;
  Losses losses;
  int64_t picks;  // counted by the routers
} Outcome;

static Outcome outcome_of(SmallKind kind, Dtype type, Way way) {
  SmallModel s;
  SmallRun r;
  small_open(&s, kind, type, way.threads, 3, 37);
  s.recompute = way.recompute;
  small_run_open(&r, &s, true, way.move);
  size_t kept = r.kept.size, temp = r.temp.size;
  small_step(&r, &s, way.move);
  ASSERT(r.kept.peak <= kept && r.temp.peak <= temp);
  Outcome o = {.bytes = s.grads.used, .kept = r.kept.peak, .losses = r.losses};
  o.grads = malloc(o.bytes);
  ASSERT(o.grads);
  memcpy(o.grads, s.grads.base, o.bytes);
  for (int64_t i = 0; i < s.model->n_blocks; i++)
    for (int64_t e = 0; e < s.model->block[i].moe.E; e++) o.picks += s.model->block[i].moe.load[e];
  small_run_close(&r);
  small_close(&s);
  return o;
}

static void assert_same(const Outcome *want, const Outcome *got, int kind, int type, Way way) {
  ASSERT_INT(got->bytes, want->bytes);
  ASSERT_MSG(memcmp(got->grads, want->grads, got->bytes) == 0,
             "kind %d type %d, %d threads, move %d, recompute %s: gradients differ", kind, type, way.threads, way.move,
             recompute_names[way.recompute]);
  ASSERT(memcmp(&got->losses, &want->losses, sizeof got->losses) == 0);
  ASSERT_INT(got->picks, want->picks);
}

TEST(late_weights_and_threads_change_no_bit) {
  static const Way ways[] = {
      {1, MOVE_BACKWARD_INPUT, RECOMPUTE_NONE}, {2, MOVE_BACKWARD, RECOMPUTE_NONE}, {7, MOVE_BACKWARD, RECOMPUTE_NONE}};
  for (int kind = 0; kind < SMALL_KINDS; kind++)
    for (int type = DT_F32; type <= DT_BF16; type++) {
      Outcome want = outcome_of((SmallKind)kind, (Dtype)type, (Way){1, MOVE_BACKWARD, RECOMPUTE_NONE});
      for (int i = 0; i < 3; i++) {
        Outcome got = outcome_of((SmallKind)kind, (Dtype)type, ways[i]);
        assert_same(&want, &got, kind, type, ways[i]);
        free(got.grads);
      }
      free(want.grads);
    }
}

// Losses, gradients and the routers' counts; each choice keeps less than the one before it.
TEST(recompute_changes_no_bit) {
  for (int kind = 0; kind < SMALL_KINDS; kind++)
    for (int type = DT_F32; type <= DT_BF16; type++) {
      Outcome want = outcome_of((SmallKind)kind, (Dtype)type, (Way){1, MOVE_BACKWARD, RECOMPUTE_NONE});
      size_t kept = want.kept;
      for (int recompute = RECOMPUTE_ROWS; recompute < RECOMPUTES; recompute++) {
        bool late = (recompute + kind) % 2 == 0;
        Way way = {1, late ? MOVE_BACKWARD_INPUT : MOVE_BACKWARD, (Recompute)recompute};
        Outcome got = outcome_of((SmallKind)kind, (Dtype)type, way);
        assert_same(&want, &got, kind, type, way);
        ASSERT(got.kept < kept);
        kept = got.kept;
        free(got.grads);
      }
      free(want.grads);
    }
}

static double total_loss(SmallModel *s, SmallRun *r) {
  small_step(r, s, MOVE_BACKWARD);
  return r->losses.lm + s->model->config.mtp.loss * r->losses.mtp + r->losses.aux + r->losses.z;
}

// Along the gradient's own direction the loss must fall at the rate of its norm.
TEST(gradient_is_the_slope_of_the_loss) {
  for (int kind = 0; kind < SMALL_KINDS; kind++) {
    SmallModel s;
    SmallRun r, eval;
    small_open(&s, (SmallKind)kind, DT_F32, 2, 2, 19);
    s.model->block[s.model->config.model.layers + 1].z_loss = 1e-3;
    small_run_open(&r, &s, true, MOVE_BACKWARD);
    small_run_open(&eval, &s, true, MOVE_BACKWARD);
    small_step(&r, &s, MOVE_BACKWARD);
    size_t n = s.grads.used / sizeof(float);
    float *g = malloc(s.grads.used), *w = (float *)(void *)s.weights.base;
    double norm2 = 0;
    memcpy(g, s.grads.base, s.grads.used);
    ASSERT(s.weights.used >= s.grads.used);
    // Weights and gradients lie in the same order but for the balance biases: go by the list.
    for (int64_t i = 0; i < s.model->params.count; i++) {
      const Param *p = &s.model->params.param[i];
      for (int64_t j = 0; p->g && j < p->n; j++) norm2 += (double)p->g[j] * (double)p->g[j];
    }
    double step = 1e-3 / sqrt(norm2), loss[2];
    float *copy = malloc(s.weights.used);
    memcpy(copy, w, s.weights.used);
    for (int side = 0; side < 2; side++) {
      memcpy(w, copy, s.weights.used);
      for (int64_t i = 0; i < s.model->params.count; i++) {
        const Param *p = &s.model->params.param[i];
        const float *p_g = p->g ? g + (p->g - (float *)(void *)s.grads.base) : NULL;
        for (int64_t j = 0; p_g && j < p->n; j++) param_floats(p)[j] += (float)((side ? step : -step) * (double)p_g[j]);
      }
      loss[side] = total_loss(&s, &eval);
    }
    double slope = (loss[1] - loss[0]) / (2 * step);
    ASSERT_MSG(fabs(slope / norm2 - 1) < 5e-3, "kind %d: slope %.6g, gradient %.6g (%zu values)", kind, slope, norm2, n);
    free(copy);
    free(g);
    small_run_close(&r);
    small_run_close(&eval);
    small_close(&s);
  }
}

// ---- the choice of experts

typedef struct {
  int32_t ids[16][SMALL_ROWS_MAX];
  int calls, at;
} Choices;

static void record(void *context, int64_t layer, int32_t *ids, int64_t n) {
  Choices *c = context;
  (void)layer;
  ASSERT(c->calls < 16 && n <= SMALL_ROWS_MAX);
  memcpy(c->ids[c->calls++], ids, (size_t)n * sizeof *ids);
}

static void replay(void *context, int64_t layer, int32_t *ids, int64_t n) {
  Choices *c = context;
  (void)layer;
  memcpy(ids, c->ids[c->at++], (size_t)n * sizeof *ids);
}

static double loss_with(SmallModel *s, RouteHook *hook) {
  SmallRun r;
  for (int64_t i = 0; i < s->model->n_blocks; i++) s->model->block[i].moe.hook = hook;
  small_run_open(&r, s, true, MOVE_BACKWARD);
  small_step(&r, s, MOVE_BACKWARD);
  double loss = r.losses.lm;
  small_run_close(&r);
  return loss;
}

TEST(a_router_can_be_given_its_choice) {
  SmallModel s;
  Choices *c = calloc(1, sizeof *c);
  small_open(&s, SMALL_TELECHAT_MOE, DT_F32, 2, 2, 19);
  RouteHook hook = {c, false, record};
  double free_choice = loss_with(&s, NULL), recorded = loss_with(&s, &hook);
  ASSERT(c->calls == s.model->config.model.layers && free_choice == recorded);
  hook = (RouteHook){c, true, replay};
  ASSERT(loss_with(&s, &hook) == free_choice);
  ASSERT_INT(c->at, c->calls);
  for (int i = 0; i < 2 * 19; i++) c->ids[0][2 * i] = (c->ids[0][2 * i] + 1) % 6;  // another expert for every token
  for (int i = 0; i < 2 * 19; i++)
    if (c->ids[0][2 * i] == c->ids[0][2 * i + 1]) c->ids[0][2 * i] = (c->ids[0][2 * i] + 1) % 6;
  c->at = 0;
  ASSERT(fabs(loss_with(&s, &hook) - free_choice) > 1e-3);
  free(c);
  small_close(&s);
}
