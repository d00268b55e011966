#include "nn/mlp.h"

void ffn_params(Ffn *m, ParamList *list, int64_t D, const char *prefix) {
  weight_take(list, &m->gate_up, 1, 2 * m->F, D, USE_GEMM);
  weight_part(list, &m->gate_up, 0, m->F, PARAM_MATRIX, "%s.gate_proj.weight", prefix);
  weight_part(list, &m->gate_up, m->F, m->F, PARAM_MATRIX, "%s.up_proj.weight", prefix);
  weight_take(list, &m->down, 1, D, m->F, USE_GEMM);
  weight_part(list, &m->down, 0, D, PARAM_OUTPUT, "%s.down_proj.weight", prefix);
  if (m->up_bias) {
    weight_bias(list, &m->gate_up);
    weight_bias_part(list, &m->gate_up, 0, m->F, "%s.gate_proj.bias", prefix);
    weight_bias_part(list, &m->gate_up, m->F, m->F, "%s.up_proj.bias", prefix);
  }
  if (!m->down_bias) return;
  weight_bias(list, &m->down);
  weight_bias_part(list, &m->down, 0, D, "%s.down_proj.bias", prefix);
}

void ffn_forward(const Ffn *m, const Run *run, Mat y, Mat add, Mat x, int64_t N, FfnSaved *s) {
  s->gate_up = mat_take(run->kept, N, 2 * m->F, run->type);
  linear_forward(&m->gate_up, run, s->gate_up, mat_none(), x, N);
  if (run->again) return;
  Mat act = mat_take(run->temp, N, m->F, run->type);
  run->dev->op->swiglu_forward(run->dev, act, s->gate_up, mat_at(s->gate_up, 0, m->F), mat_none(), N, m->F);
  linear_forward(&m->down, run, y, add, act, N);
}

void ffn_backward_input(const Ffn *m, const Run *run, Mat dx, Mat add, Mat dy, int64_t N, FfnSaved *s) {
  Mat dact = mat_take(run->temp, N, m->F, run->type), up = mat_at(s->gate_up, 0, m->F);
  s->act = dact;  // in its place
  linear_backward_input(&m->down, run, dact, mat_none(), dy, N);
  run->dev->op->swiglu_backward(run->dev, s->gate_up, up, mat_none(), s->act, dact, s->gate_up, up, mat_none(), N, m->F);
  linear_backward_input(&m->gate_up, run, dx, add, s->gate_up, N);
}

void ffn_backward_weight(const Ffn *m, const Run *run, Mat dy, Mat x, int64_t N, FfnSaved *s) {
  linear_backward_weight(&m->down, run, dy, s->act, N);
  linear_backward_weight(&m->gate_up, run, s->gate_up, x, N);
}

void mlp_params(Mlp *m, ParamList *list, int64_t D, const char *prefix) {
  char name[PARAM_NAME_BYTES];
  snprintf(name, sizeof name, "%s.mlp", prefix);
  m->norm.D = D;
  vector_take(list, &m->norm.w, &m->norm.g, D, PARAM_NORM, "%s.post_attention_layernorm.weight", prefix);
  ffn_params(&m->ffn, list, D, name);
}

void mlp_forward(const Mlp *m, const Run *run, Mat h_out, Mat h, int64_t N, MlpSaved *s) {
  s->x = rms_norm_rows(&m->norm, run, h, N, &s->norm);
  ffn_forward(&m->ffn, run, h_out, h, s->x, N, &s->ffn);
}

void mlp_backward_input(const Mlp *m, const Run *run, Mat dh, int64_t N, MlpSaved *s) {
  s->dy = mat_take(run->temp, N, m->norm.D, run->type);
  s->dx = mat_take(run->temp, N, m->norm.D, run->type);
  rms_norm_rows_again(&m->norm, run, &s->x, N, &s->norm);
  run->dev->op->cast(run->dev, s->dy, dh, N, m->norm.D);
  ffn_backward_input(&m->ffn, run, s->dx, mat_none(), s->dy, N, &s->ffn);
  rms_norm_backward_input(&m->norm, run, &s->norm, dh, dh, s->dx, N);
}

void mlp_backward_weight(const Mlp *m, const Run *run, int64_t N, MlpSaved *s) {
  ffn_backward_weight(&m->ffn, run, s->dy, s->x, N, &s->ffn);
  rms_norm_backward_weight(&m->norm, run, &s->norm, s->dx, N);
}
