#include "nn/moe.h"

void moe_params(Moe *m, ParamList *list, Arena *other, int64_t D, const char *prefix) {
  char name[PARAM_NAME_BYTES];
  m->norm.D = D;
  vector_take(list, &m->norm.w, &m->norm.g, D, PARAM_NORM, "%s.post_attention_layernorm.weight", prefix);
  weight_take(list, &m->router, 1, m->E, D, USE_GEMM_F32);
  weight_part(list, &m->router, 0, m->E, PARAM_ROUTER, "%s.mlp.gate.weight", prefix);
  if (m->scoring == SCORE_SIGMOID)
    vector_take(list, &m->bias, NULL, m->E, PARAM_BALANCE, "%s.mlp.gate.e_score_correction_bias", prefix);
  weight_take(list, &m->gate_up, m->E, 2 * m->F, D, USE_GEMM);
  weight_take(list, &m->down, m->E, D, m->F, USE_GEMM);
  for (int64_t e = 0; e < m->E; e++) {
    int i = (int)e;
    weight_part(list, &m->gate_up, e * 2 * m->F, m->F, PARAM_MATRIX, "%s.mlp.experts.%d.gate_proj.weight", prefix, i);
    weight_part(list, &m->gate_up, e * 2 * m->F + m->F, m->F, PARAM_MATRIX, "%s.mlp.experts.%d.up_proj.weight", prefix, i);
    weight_part(list, &m->down, e * D, D, PARAM_OUTPUT, "%s.mlp.experts.%d.down_proj.weight", prefix, i);
  }
  if (m->down_bias) weight_bias(list, &m->down);
  for (int64_t e = 0; e < m->E && m->down_bias; e++)
    weight_bias_part(list, &m->down, e * D, D, "%s.mlp.experts.%d.down_proj.bias", prefix, (int)e);
  if (m->shared.F) {
    snprintf(name, sizeof name, "%s.mlp.shared_experts", prefix);
    ffn_params(&m->shared, list, D, name);
  }
  m->load = arena_take(other, (size_t)m->E * sizeof *m->load);
}

static RouterArgs router_args(const Moe *m, const MicroBatch *mb, int64_t N, const MoeSaved *s) {
  return (RouterArgs){.N = N,
                      .T = mb->kv ? N : mb->T,
                      .E = m->E,
                      .k = m->k,
                      .n_group = m->n_group,
                      .topk_group = m->topk_group,
                      .scoring = m->scoring,
                      .normalise = m->normalise,
                      .group_max = m->group_max,
                      .norm_eps = m->norm_eps,
                      .scaling = m->scaling,
                      .logits = s->logits,
                      .bias = m->bias,
                      .ids = s->ids,
                      .weights = s->weights,
                      .picks = s->picks,
                      .aux = s->aux};
}

static void count_load(const Moe *m, const MicroBatch *mb, const MoeSaved *s, double *aux_loss) {
  for (int64_t b = 0; b < mb->B; b++) {
    *aux_loss += m->aux_loss * mb->sequence_scale * (double)((const float *)s->aux.data)[b];
    for (int64_t e = 0; e < m->E; e++) m->load[e] += s->picks[b * m->E + e];
  }
}

static int32_t *take_i32(Arena *a, int64_t n) { return arena_take(a, (size_t)n * sizeof(int32_t)); }

void moe_route_forward(const Moe *m, const Run *run, const MicroBatch *mb, Mat h, int64_t N, MoeSaved *s, double *aux_loss) {
  int64_t sequences = mb->kv ? 1 : mb->B;
  s->x = rms_norm_rows(&m->norm, run, h, N, &s->norm);
  s->logits = mat_take(run->kept, N, m->E, DT_F32);
  s->weights = mat_of(arena_take(run->kept, (size_t)(N * m->k) * sizeof(float)), m->k, DT_F32);
  s->aux = mat_of(arena_take(run->kept, (size_t)sequences * sizeof(float)), 1, DT_F32);
  s->ids = take_i32(run->kept, N * m->k);
  s->picks = take_i32(run->kept, sequences * m->E);
  linear_forward(&m->router, run, s->logits, mat_none(), s->x, N);
  RouterArgs r = router_args(m, mb, N, s);
  const RouteHook *hook = dev_measuring(run->dev) ? NULL : m->hook;
  r.given = hook && hook->given;
  if (r.given) hook->ids(hook->context, m->layer, s->ids, N * m->k);
  run->dev->op->router_forward(run->dev, &r);
  if (hook && !hook->given && !run->again) hook->ids(hook->context, m->layer, s->ids, N * m->k);
  if (run->training && !run->again && !dev_measuring(run->dev)) count_load(m, mb, s, aux_loss);
  run_probe(run, "router_ids", m->layer, mat_of(s->ids, m->k, DT_I32), N, m->k);
  run_probe(run, "router_weights", m->layer, s->weights, N, m->k);
}

void moe_dispatch_forward(const Moe *m, const Run *run, int64_t N, MoeSaved *s) {
  int64_t rows = N * m->k;
  s->offset = take_i32(run->kept, m->E + 1);
  s->row_token = take_i32(run->kept, rows);
  s->row_slot = take_i32(run->kept, rows);
  s->slot_row = take_i32(run->kept, rows);
  s->row_weight = mat_of(arena_take(run->kept, (size_t)rows * sizeof(float)), 1, DT_F32);
  run->dev->op->moe_sort(run->dev, s->offset, s->row_token, s->row_slot, s->slot_row, s->ids, N, m->k, m->E);
  run->dev->op->moe_permute(run->dev, s->row_weight.data, s->weights.data, s->row_slot, rows, false);
}

void moe_shared_forward(const Moe *m, const Run *run, Mat h_out, Mat h, int64_t N, MoeSaved *s) {
  if (m->shared.F) ffn_forward(&m->shared, run, h_out, h, s->x, N, &s->shared);
}

// The biases as matrices [1, D], one an expert: a row's is the product of its weight with it.
static void biases_forward(const Moe *m, const Run *run, int64_t rows, MoeSaved *s) {
  int64_t D = m->norm.D;
  s->biases = mat_take(run->temp, rows, D, DT_F32);
  GroupedGemmArgs g = {.groups = m->E,
                       .N = D,
                       .K = 1,
                       .rows_max = rows,
                       .offset = s->offset,
                       .c = s->biases,
                       .a = s->row_weight,
                       .b = mat_of(m->down.bias, D, DT_F32),
                       .b_stride = D};
  run->dev->op->gemm_grouped(run->dev, &g);
}

void moe_experts_forward(const Moe *m, const Run *run, int64_t N, MoeSaved *s) {
  int64_t rows = N * m->k, D = m->norm.D;
  s->gate_up = mat_take(run->kept, rows, 2 * m->F, run->type);
  GroupedGemmArgs up = {.groups = m->E,
                        .N = 2 * m->F,
                        .K = D,
                        .rows_max = rows,
                        .offset = s->offset,
                        .c = s->gate_up,
                        .a = s->x,
                        .a_row = s->row_token,
                        .b = m->gate_up.c,
                        .b_stride = 2 * m->F * m->gate_up.c.ld,
                        .b_t = true,
                        .b_packed = m->gate_up.packed};
  run->dev->op->gemm_grouped(run->dev, &up);
  if (run->again) return;
  Mat act = mat_take(run->temp, rows, m->F, run->type);
  run->dev->op->swiglu_forward(run->dev, act, s->gate_up, mat_at(s->gate_up, 0, m->F), s->row_weight, rows, m->F);
  s->rows = mat_take(run->temp, rows, D, run->type);
  GroupedGemmArgs down = {.groups = m->E,
                          .N = D,
                          .K = m->F,
                          .rows_max = rows,
                          .offset = s->offset,
                          .c = s->rows,
                          .a = act,
                          .b = m->down.c,
                          .b_stride = D * m->down.c.ld,
                          .b_t = true,
                          .b_packed = m->down.packed};
  run->dev->op->gemm_grouped(run->dev, &down);
  if (m->down_bias) biases_forward(m, run, rows, s);
}

void moe_combine_forward(const Moe *m, const Run *run, Mat h_out, Mat h, int64_t N, MoeSaved *s) {
  if (run->again) return;
  run->dev->op->moe_combine(run->dev, h_out, m->shared.F ? h_out : h, s->rows, s->slot_row, N, m->k, m->norm.D);
  if (m->down_bias) run->dev->op->moe_combine(run->dev, h_out, h_out, s->biases, s->slot_row, N, m->k, m->norm.D);
}

void moe_combine_backward_input(const Moe *m, const Run *run, Mat dh, int64_t N, MoeSaved *s) {
  s->dy = mat_take(run->temp, N, m->norm.D, run->type);
  s->dx = mat_take(run->temp, N, m->norm.D, DT_F32);
  rms_norm_rows_again(&m->norm, run, &s->x, N, &s->norm);
  run->dev->op->cast(run->dev, s->dy, dh, N, m->norm.D);
}

// drow_weight += the product of what comes back with the bias.
static void biases_backward_input(const Moe *m, const Run *run, int64_t rows, MoeSaved *s) {
  int64_t D = m->norm.D;
  Mat dweight = mat_of(arena_take(run->temp, (size_t)rows * sizeof(float)), 1, DT_F32);
  GroupedGemmArgs g = {.groups = m->E,
                       .N = 1,
                       .K = D,
                       .rows_max = rows,
                       .offset = s->offset,
                       .c = dweight,
                       .a = s->dy,
                       .a_row = s->row_token,
                       .b = mat_of(m->down.bias, D, DT_F32),
                       .b_stride = D,
                       .b_t = true};
  run->dev->op->gemm_grouped(run->dev, &g);
  run->dev->op->add(run->dev, s->drow_weight, s->drow_weight, dweight, rows, 1);
}

static void biases_backward_weight(const Moe *m, const Run *run, int64_t rows, const MoeSaved *s) {
  int64_t D = m->norm.D;
  GroupedWeightArgs g = {.groups = m->E,
                         .M = 1,
                         .N = D,
                         .rows_max = rows,
                         .offset = s->offset,
                         .c = mat_of(m->down.bias_g, D, DT_F32),
                         .c_stride = D,
                         .a = s->row_weight,
                         .b = s->dy,
                         .b_row = s->row_token};
  run->dev->op->gemm_grouped_weight(run->dev, &g);
}

void moe_experts_backward_input(const Moe *m, const Run *run, int64_t N, MoeSaved *s) {
  int64_t rows = N * m->k, D = m->norm.D;
  Mat dact = mat_take(run->temp, rows, m->F, run->type), up = mat_at(s->gate_up, 0, m->F);
  s->drow_weight = mat_of(arena_take(run->temp, (size_t)rows * sizeof(float)), 1, DT_F32);
  s->drows = mat_take(run->temp, rows, D, run->type);
  s->act = dact;  // in its place, as SwiGLU's backward makes it
  GroupedGemmArgs down = {.groups = m->E,
                          .N = m->F,
                          .K = D,
                          .rows_max = rows,
                          .offset = s->offset,
                          .c = dact,
                          .a = s->dy,
                          .a_row = s->row_token,
                          .b = m->down.c,
                          .b_stride = D * m->down.c.ld};
  run->dev->op->gemm_grouped(run->dev, &down);
  run->dev->op->swiglu_backward(run->dev, s->gate_up, up, s->drow_weight, s->act, dact, s->gate_up, up, s->row_weight, rows,
                                m->F);
  if (m->down_bias) biases_backward_input(m, run, rows, s);
  GroupedGemmArgs back = {.groups = m->E,
                          .N = D,
                          .K = 2 * m->F,
                          .rows_max = rows,
                          .offset = s->offset,
                          .c = s->drows,
                          .a = s->gate_up,
                          .b = m->gate_up.c,
                          .b_stride = 2 * m->F * m->gate_up.c.ld};
  run->dev->op->gemm_grouped(run->dev, &back);
}

void moe_shared_backward_input(const Moe *m, const Run *run, int64_t N, MoeSaved *s) {
  if (m->shared.F) ffn_backward_input(&m->shared, run, s->dx, mat_none(), s->dy, N, &s->shared);
}

void moe_dispatch_backward_input(const Moe *m, const Run *run, int64_t N, MoeSaved *s) {
  Mat add = m->shared.F ? s->dx : mat_none();
  run->dev->op->moe_combine(run->dev, s->dx, add, s->drows, s->slot_row, N, m->k, m->norm.D);
}

void moe_route_backward_input(const Moe *m, const Run *run, const MicroBatch *mb, Mat dh, int64_t N, MoeSaved *s) {
  Mat dweights = mat_of(arena_take(run->temp, (size_t)(N * m->k) * sizeof(float)), m->k, DT_F32);
  s->dlogits = mat_take(run->temp, N, m->E, DT_F32);
  run->dev->op->moe_permute(run->dev, dweights.data, s->drow_weight.data, s->row_slot, N * m->k, true);
  RouterArgs r = router_args(m, mb, N, s);
  r.dweights = dweights, r.dlogits = s->dlogits, r.aux_scale = m->aux_loss * mb->sequence_scale;
  run->dev->op->router_backward(run->dev, &r);
  linear_backward_input(&m->router, run, s->dx, s->dx, s->dlogits, N);
  rms_norm_backward_input(&m->norm, run, &s->norm, dh, dh, s->dx, N);
}

void moe_experts_backward_weight(const Moe *m, const Run *run, int64_t N, MoeSaved *s) {
  int64_t rows = N * m->k, D = m->norm.D;
  GroupedWeightArgs down = {.groups = m->E,
                            .M = D,
                            .N = m->F,
                            .rows_max = rows,
                            .offset = s->offset,
                            .c = mat_of(m->down.g, m->F, DT_F32),
                            .c_stride = D * m->F,
                            .zero = run->zero_grads,
                            .a = s->dy,
                            .a_row = s->row_token,
                            .b = s->act};
  run->dev->op->gemm_grouped_weight(run->dev, &down);
  if (m->down_bias) biases_backward_weight(m, run, rows, s);
  GroupedWeightArgs up = {.groups = m->E,
                          .M = 2 * m->F,
                          .N = D,
                          .rows_max = rows,
                          .offset = s->offset,
                          .c = mat_of(m->gate_up.g, D, DT_F32),
                          .c_stride = 2 * m->F * D,
                          .zero = run->zero_grads,
                          .a = s->gate_up,
                          .b = s->x,
                          .b_row = s->row_token};
  run->dev->op->gemm_grouped_weight(run->dev, &up);
}

void moe_shared_backward_weight(const Moe *m, const Run *run, int64_t N, MoeSaved *s) {
  if (m->shared.F) ffn_backward_weight(&m->shared, run, s->dy, s->x, N, &s->shared);
}

void moe_route_backward_weight(const Moe *m, const Run *run, int64_t N, MoeSaved *s) {
  linear_backward_weight(&m->router, run, s->dlogits, s->x, N);
  rms_norm_backward_weight(&m->norm, run, &s->norm, s->dx, N);
}
