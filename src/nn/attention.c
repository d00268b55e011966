#include "nn/attention.h"

#include <math.h>

void attention_params(Attention *m, ParamList *list, int64_t D, const char *prefix) {
  int64_t q = m->H * m->Dh, kv = m->K * m->Dh;
  m->norm.D = D;
  vector_take(list, &m->norm.w, &m->norm.g, D, PARAM_NORM, "%s.input_layernorm.weight", prefix);
  weight_take(list, &m->qkv, 1, q + 2 * kv, D, USE_GEMM);
  weight_part(list, &m->qkv, 0, q, PARAM_MATRIX, "%s.self_attn.q_proj.weight", prefix);
  weight_part(list, &m->qkv, q, kv, PARAM_MATRIX, "%s.self_attn.k_proj.weight", prefix);
  weight_part(list, &m->qkv, q + kv, kv, PARAM_MATRIX, "%s.self_attn.v_proj.weight", prefix);
  weight_take(list, &m->o, 1, D, q, USE_GEMM);
  weight_part(list, &m->o, 0, D, PARAM_OUTPUT, "%s.self_attn.o_proj.weight", prefix);
}

static AttentionArgs attend_args(const Attention *m, Mat qkv, const AttentionSaved *s) {
  int64_t q = m->H * m->Dh, kv = m->K * m->Dh;
  return (AttentionArgs){.H = m->H,
                         .K = m->K,
                         .Dk_own = m->Dh,
                         .Dv = m->Dh,
                         .scale = m->scale,
                         .q = qkv,
                         .k = mat_at(qkv, 0, q),
                         .v = mat_at(qkv, 0, q + kv),
                         .q_stride = m->Dh,
                         .k_stride = m->Dh,
                         .v_stride = m->Dh,
                         .out = s->out,
                         .lse = s->lse};
}

// Appends this call's keys and values to each sequence's cache and attends over all of it.
static void attend_cached(const Attention *m, const Run *run, const KvBatch *kv, const AttentionSaved *s) {
  int64_t width = m->K * m->Dh;
  AttentionArgs all = attend_args(m, s->qkv, s);
  int64_t row = 0;
  for (int64_t i = 0; i < kv->count; row += kv->rows[i++]) {
    KvSequence *seq = kv->sequence[i];
    KvLayer *cache = &seq->layer[m->layer];
    run->dev->op->cast(run->dev, mat_at(cache->k, seq->length, 0), mat_at(all.k, row, 0), kv->rows[i], width);
    run->dev->op->cast(run->dev, mat_at(cache->v, seq->length, 0), mat_at(all.v, row, 0), kv->rows[i], width);
    AttentionArgs a = all;
    a.B = 1, a.Tq = kv->rows[i], a.Tk = seq->length + kv->rows[i];
    a.q = mat_at(all.q, row, 0), a.out = mat_at(all.out, row, 0), a.lse = mat_at(all.lse, row, 0);
    a.k = cache->k, a.v = cache->v;
    run->dev->op->attention_forward(run->dev, &a);
  }
}

void attention_forward(const Attention *m, const Run *run, const MicroBatch *mb, Mat h_out, Mat h, int64_t N,
                       AttentionSaved *s) {
  const Ops *op = run->dev->op;
  s->x = mat_take(run->kept, N, m->norm.D, run->type);
  s->qkv = mat_take(run->kept, N, m->qkv.out, run->type);
  s->out = mat_take(run->kept, N, m->H * m->Dh, run->type);
  s->lse = mat_take(run->kept, N, m->H, DT_F32);
  rms_norm_forward(&m->norm, run, s->x, h, N, &s->norm);
  linear_forward(&m->qkv, run, s->qkv, mat_none(), s->x, N);
  rotary_turn(m->rotary, run->dev, s->qkv, mb->position, N, m->H + m->K, m->Dh, false);  // q and k lie side by side
  if (mb->kv) {
    attend_cached(m, run, mb->kv, s);
  } else {
    AttentionArgs a = attend_args(m, s->qkv, s);
    a.B = mb->B, a.Tq = a.Tk = mb->T, a.doc_start = mb->doc_start;
    op->attention_forward(run->dev, &a);
  }
  linear_forward(&m->o, run, h_out, h, s->out, N);
}

void attention_backward_input(const Attention *m, const Run *run, const MicroBatch *mb, Mat dh, int64_t N, AttentionSaved *s) {
  const Ops *op = run->dev->op;
  int64_t q = m->H * m->Dh, kv = m->K * m->Dh;
  s->dy = mat_take(run->temp, N, m->norm.D, run->type);
  s->dqkv = mat_take(run->temp, N, m->qkv.out, run->type);
  s->dx = mat_take(run->temp, N, m->norm.D, run->type);
  op->cast(run->dev, s->dy, dh, N, m->norm.D);
  AttentionArgs a = attend_args(m, s->qkv, s);
  a.B = mb->B, a.Tq = a.Tk = mb->T, a.doc_start = mb->doc_start;
  a.dout = mat_take(run->temp, N, q, run->type);
  a.dq = s->dqkv, a.dk = mat_at(s->dqkv, 0, q), a.dv = mat_at(s->dqkv, 0, q + kv);
  linear_backward_input(&m->o, run, a.dout, mat_none(), s->dy, N);
  op->attention_backward(run->dev, &a);
  rotary_turn(m->rotary, run->dev, s->dqkv, mb->position, N, m->H + m->K, m->Dh, true);
  linear_backward_input(&m->qkv, run, s->dx, mat_none(), s->dqkv, N);
  rms_norm_backward_input(&m->norm, run, &s->norm, dh, dh, s->dx, N);
}

void attention_backward_weight(const Attention *m, const Run *run, int64_t N, AttentionSaved *s) {
  linear_backward_weight(&m->o, run, s->dy, s->out, N);
  linear_backward_weight(&m->qkv, run, s->dqkv, s->x, N);
  rms_norm_backward_weight(&m->norm, run, &s->norm, s->dx, N);
}
