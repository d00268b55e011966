// Latent attention, by the layer of nn/. The layer has an input norm and a residual, the case has neither: an epsilon of 2^40
// under a weight of 2^20 makes the norm the identity, exactly, and the residual is taken off again.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "golden/golden_tensors.h"
#include "nn/mla.h"

enum { N_DIMS = 9, DIM_MAX = 4096 };

// dims: B T D H q_rank kv_rank nope rope v
typedef struct {
  int64_t B, T, D;
  Mla mla;
  ParamList params;
  Rotary rotary;
  Run run;
  MicroBatch batch;
  MlaSaved saved;
  int32_t *position;
} Layer;

// The layer's names of the case's weights.
static const struct {
  const char *tensor, *param;
} weights[] = {{"q", "q_proj"},
               {"q_a", "q_a_proj"},
               {"q_b", "q_b_proj"},
               {"q_norm", "q_a_layernorm"},
               {"kv_a", "kv_a_proj_with_mqa"},
               {"kv_b", "kv_b_proj"},
               {"kv_norm", "kv_a_layernorm"},
               {"o", "o_proj"}};
enum { N_WEIGHTS = sizeof weights / sizeof weights[0] };

static Param *param_of(const Layer *l, int weight) {
  char name[PARAM_NAME_BYTES];
  snprintf(name, sizeof name, "m.self_attn.%s.weight", weights[weight].param);
  return params_find(&l->params, name);
}

static bool read_dims(const TensorCase *c, Layer *l) {
  int64_t d[N_DIMS];
  bool fits = true;
  for (int i = 0; i < N_DIMS; i++) {
    d[i] = case_whole(c, "dims", i);
    fits = fits && d[i] >= (i == 4 ? 0 : 1) && d[i] <= DIM_MAX;
  }
  fits = fits && d[7] % 2 == 0;
  case_compare(c, fits, "dims that cannot be");
  if (!fits) return false;
  double eps = case_real(c, "eps_theta", 0);
  l->B = d[0], l->T = d[1], l->D = d[2];
  l->mla = (Mla){.H = d[3],
                 .q_rank = d[4],
                 .kv_rank = d[5],
                 .nope = d[6],
                 .rope = d[7],
                 .v = d[8],
                 .scale = 1 / sqrt((double)(d[6] + d[7])),
                 .norm.eps = 0x1p40,
                 .q_norm.eps = eps,
                 .kv_norm.eps = eps,
                 .rotary = &l->rotary};
  return true;
}

static void load_weights(const TensorCase *c, Layer *l) {
  params_init(&l->params, DT_F32, c->arena, c->arena, c->arena);
  mla_params(&l->mla, &l->params, l->D, "m");
  for (int64_t i = 0; i < l->D; i++) l->mla.norm.w[i] = 0x1p20f;
  for (int i = 0; i < N_WEIGHTS; i++) {
    Param *p = param_of(l, i);
    char tensor[16];
    snprintf(tensor, sizeof tensor, "w_%s", weights[i].tensor);
    if (!p) continue;
    memcpy(param_floats(p), case_floats(c, tensor, p->n), (size_t)p->n * sizeof(float));
    memset(p->g, 0, (size_t)p->n * sizeof(float));
  }
  memset(l->mla.norm.g, 0, (size_t)l->D * sizeof(float));
}

static void open_run(const TensorCase *c, Layer *l) {
  RotarySpec spec = {.d = l->mla.rope, .theta = case_real(c, "eps_theta", 1)};
  rotary_init(&l->rotary, &spec, true, l->T, c->arena);
  l->position = arena_take(c->arena, (size_t)(l->B * l->T) * sizeof(int32_t));
  for (int64_t i = 0; i < l->B * l->T; i++) l->position[i] = (int32_t)(i % l->T);
  l->run = (Run){.dev = c->dev, .type = DT_F32, .kept = c->arena, .temp = c->arena, .training = true};
  l->batch = (MicroBatch){.B = l->B, .T = l->T, .position = l->position};
}

// Columns [first, first + n) of a matrix with its rows one after the other.
static Mat columns(const TensorCase *c, Mat m, int64_t rows, int64_t first, int64_t n) {
  Mat out = case_fresh(c, rows, n);
  for (int64_t i = 0; i < rows * n; i++) mat_put(out, i, mat_get(m, i / n * m.ld + first + i % n));
  return out;
}

static double greatest(Mat m, int64_t n) {
  double g = 0;
  for (int64_t i = 0; i < n; i++) g = fmax(g, fabs(mat_get(m, i)));
  return g;
}

// got - taken against the tensor, to the rounding of what was there before the difference.
static void check_less(const TensorCase *c, Mat got, Mat taken, int64_t n, const char *tensor) {
  double terms = greatest(taken, n);
  for (int64_t i = 0; i < n; i++) mat_put(got, i, mat_get(got, i) - mat_get(taken, i));
  case_check(c, got, tensor, 0, n, n, case_tolerance(c), terms);
}

static void mla(const TensorCase *reference) {
  TensorCase case_f32 = *reference, *c = &case_f32;
  c->type = DT_F32;  // layers hold fp32 at every level
  Layer l = {0};
  if (!read_dims(c, &l)) return;
  load_weights(c, &l);
  open_run(c, &l);
  Mla *m = &l.mla;
  int64_t N = l.B * l.T, D = l.D, first = m->q_rank ? m->q_rank : m->H * (m->nope + m->rope);
  Mat x = case_load(c, "x", N, D), y = case_fresh(c, N, D), dy = case_load(c, "dy", N, D), dx = case_load(c, "dy", N, D);
  mla_forward(m, &l.run, &l.batch, y, x, N, &l.saved);
  case_check_all(c, columns(c, l.saved.kv_latent, N, 0, m->kv_rank), "latent");
  case_check_all(c, columns(c, l.saved.a, N, first + m->kv_rank, m->rope), "k_rope");
  case_check_all(c, columns(c, l.saved.out, N, 0, m->H * m->v), "context");
  check_less(c, y, x, N * D, "y");
  mla_backward_input(m, &l.run, &l.batch, dx, N, &l.saved);
  mla_backward_weight(m, &l.run, N, &l.saved);
  check_less(c, dx, dy, N * D, "dx");
  for (int i = 0; i < N_WEIGHTS; i++) {
    const Param *p = param_of(&l, i);
    char tensor[16];
    snprintf(tensor, sizeof tensor, "dw_%s", weights[i].tensor);
    if (p) case_check_all(c, mat_of(p->g, p->n, DT_F32), tensor);
  }
  params_free(&l.params);
}

void golden_mla(GoldenCount *n) { golden_each_case(n, "dims", false, mla); }
