#include "nn/attention.h"

#include <math.h>

static void qkv_params(Attention *m, ParamList *list, int64_t D, const char *prefix) {
  int64_t q = m->H * m->Dh, kv = m->K * m->Dh;
  Weight *w = &m->own_qkv;
  weight_take(list, w, 1, q + 2 * kv, D, USE_GEMM);
  weight_part(list, w, 0, q, PARAM_MATRIX, "%s.self_attn.q_proj.weight", prefix);
  if (m->key_value) {
    weight_part(list, w, q, 2 * kv, PARAM_MATRIX, "%s.self_attn.key_value.weight", prefix);
  } else {
    weight_part(list, w, q, kv, PARAM_MATRIX, "%s.self_attn.k_proj.weight", prefix);
    weight_part(list, w, q + kv, kv, PARAM_MATRIX, "%s.self_attn.v_proj.weight", prefix);
  }
  if (!m->qkv_bias) return;
  weight_bias(list, w);
  weight_bias_part(list, w, 0, q, "%s.self_attn.q_proj.bias", prefix);
  weight_bias_part(list, w, q, kv, "%s.self_attn.k_proj.bias", prefix);
  weight_bias_part(list, w, q + kv, kv, "%s.self_attn.v_proj.bias", prefix);
}

void attention_params(Attention *m, ParamList *list, int64_t D, const char *prefix, const Attention *lender) {
  m->norm.D = D, m->q_norm.D = m->k_norm.D = m->Dh;
  vector_take(list, &m->norm.w, &m->norm.g, D, PARAM_NORM, "%s.input_layernorm.weight", prefix);
  m->qkv = lender ? lender->qkv : &m->own_qkv;
  m->o = lender ? lender->o : &m->own_o;
  if (!lender) {
    qkv_params(m, list, D, prefix);
    weight_take(list, &m->own_o, 1, D, m->H * m->Dh, USE_GEMM);
    weight_part(list, &m->own_o, 0, D, PARAM_OUTPUT, "%s.self_attn.o_proj.weight", prefix);
    if (m->o_bias) {
      weight_bias(list, &m->own_o);
      weight_bias_part(list, &m->own_o, 0, D, "%s.self_attn.o_proj.bias", prefix);
    }
  }
  if (!m->qk_norm) return;
  vector_take(list, &m->q_norm.w, &m->q_norm.g, m->Dh, PARAM_NORM, "%s.self_attn.q_norm.weight", prefix);
  vector_take(list, &m->k_norm.w, &m->k_norm.g, m->Dh, PARAM_NORM, "%s.self_attn.k_norm.weight", prefix);
}

// Where keys and values begin in a row of qkv or of the cache, after `first` columns; and how far apart heads are.
static int64_t kv_stride(const Attention *m) { return m->key_value ? 2 * m->Dh : m->Dh; }
static Mat keys_of(Mat qkv, int64_t first) { return mat_at(qkv, 0, first); }
static Mat values_of(const Attention *m, Mat qkv, int64_t first) {
  return mat_at(qkv, 0, first + (m->key_value ? m->Dh : m->K * m->Dh));
}

static AttentionArgs attend_args(const Attention *m, const AttentionSaved *s) {
  int64_t q = m->H * m->Dh;
  return (AttentionArgs){.H = m->H,
                         .K = m->K,
                         .Dk_own = m->Dh,
                         .Dv = m->Dh,
                         .scale = m->scale,
                         .q = s->qkv,
                         .k = keys_of(s->qkv, q),
                         .v = values_of(m, s->qkv, q),
                         .q_stride = m->Dh,
                         .k_stride = kv_stride(m),
                         .v_stride = kv_stride(m),
                         .out = s->out,
                         .lse = s->lse};
}

// Appends this call's keys and values, which lie side by side, to each sequence's cache and attends over all of it.
static void attend_cached(const Attention *m, const Run *run, const KvBatch *kv, const AttentionSaved *s) {
  AttentionArgs all = attend_args(m, s);
  int64_t row = 0;
  for (int64_t i = 0; i < kv->count; row += kv->rows[i++]) {
    KvSequence *seq = kv->sequence[i];
    Mat cache = seq->layer[m->layer].k;
    run->dev->op->cast(run->dev, mat_at(cache, seq->length, 0), mat_at(all.k, row, 0), kv->rows[i], 2 * m->K * m->Dh);
    AttentionArgs a = all;
    a.B = 1, a.Tq = kv->rows[i], a.Tk = seq->length + kv->rows[i];
    a.q = mat_at(all.q, row, 0), a.out = mat_at(all.out, row, 0), a.lse = mat_at(all.lse, row, 0);
    a.k = keys_of(cache, 0), a.v = values_of(m, cache, 0);
    run->dev->op->attention_forward(run->dev, &a);
  }
}

// Turns the heads of q and k, side by side unless keys and values alternate.
static void turn(const Attention *m, const Run *run, const MicroBatch *mb, Mat qkv, int64_t N, bool inverse) {
  rotary_turn(m->rotary, run->dev, qkv, mb->position, N, m->key_value ? m->H : m->H + m->K, m->Dh, inverse);
  if (m->key_value) rotary_turn(m->rotary, run->dev, keys_of(qkv, m->H * m->Dh), mb->position, N, m->K, kv_stride(m), inverse);
}

static void norm_heads(const Attention *m, const Run *run, int64_t N, AttentionSaved *s) {
  s->qkv = mat_take(run_rows_arena(run), N, m->qkv->out, run->type);
  int64_t q = m->H * m->Dh, kv = m->K * m->Dh;
  rms_norm_heads_forward(&m->q_norm, run, s->qkv, s->raw, N, m->H, m->Dh, &s->q_norm);
  rms_norm_heads_forward(&m->k_norm, run, keys_of(s->qkv, q), keys_of(s->raw, q), N, m->K, m->Dh, &s->k_norm);
  run->dev->op->cast(run->dev, values_of(m, s->qkv, q), values_of(m, s->raw, q), N, kv);
}

static void norm_and_turn(const Attention *m, const Run *run, const MicroBatch *mb, int64_t N, AttentionSaved *s) {
  if (m->qk_norm) norm_heads(m, run, N, s);
  else s->qkv = s->raw;
  turn(m, run, mb, s->qkv, N, false);
}

static void rows_again(const Attention *m, const Run *run, const MicroBatch *mb, int64_t N, AttentionSaved *s) {
  Run again = run_again(run);
  rms_norm_rows_again(&m->norm, run, &s->x, N, &s->norm);
  if (m->qk_norm && run_recomputes(run, RECOMPUTE_ROWS)) norm_and_turn(m, &again, mb, N, s);
}

void attention_forward(const Attention *m, const Run *run, const MicroBatch *mb, Mat h_out, Mat h, int64_t N,
                       AttentionSaved *s) {
  s->raw = mat_take(run->kept, N, m->qkv->out, run->type);
  s->out = mat_take(run->kept, N, m->H * m->Dh, run->type);
  s->lse = mat_take(run->kept, N, m->H, DT_F32);
  s->x = rms_norm_rows(&m->norm, run, h, N, &s->norm);
  linear_forward(m->qkv, run, s->raw, mat_none(), s->x, N);
  norm_and_turn(m, run, mb, N, s);
  if (mb->kv) {
    attend_cached(m, run, mb->kv, s);
  } else {
    AttentionArgs a = attend_args(m, s);
    a.B = mb->B, a.Tq = a.Tk = mb->T, a.doc_start = mb->doc_start;
    run->dev->op->attention_forward(run->dev, &a);
  }
  if (h_out.data) linear_forward(m->o, run, h_out, h, s->out, N);
}

void attention_backward_input(const Attention *m, const Run *run, const MicroBatch *mb, Mat dh, int64_t N, AttentionSaved *s) {
  const Ops *op = run->dev->op;
  int64_t q = m->H * m->Dh;
  s->dy = mat_take(run->temp, N, m->norm.D, run->type);
  s->dqkv = mat_take(run->temp, N, m->qkv->out, run->type);
  s->dturned = m->qk_norm ? mat_take(run->temp, N, m->qkv->out, run->type) : s->dqkv;
  s->dx = mat_take(run->temp, N, m->norm.D, run->type);
  op->cast(run->dev, s->dy, dh, N, m->norm.D);
  rows_again(m, run, mb, N, s);
  AttentionArgs a = attend_args(m, s);
  a.B = mb->B, a.Tq = a.Tk = mb->T, a.doc_start = mb->doc_start;
  a.dout = mat_take(run->temp, N, q, run->type);
  a.dq = s->dturned, a.dk = keys_of(s->dturned, q), a.dv = values_of(m, s->dqkv, q);
  linear_backward_input(m->o, run, a.dout, mat_none(), s->dy, N);
  op->attention_backward(run->dev, &a);
  turn(m, run, mb, s->dturned, N, true);
  if (m->qk_norm) {
    rms_norm_heads_backward_input(&m->q_norm, run, &s->q_norm, s->dqkv, s->dturned, N, m->H, m->Dh);
    rms_norm_heads_backward_input(&m->k_norm, run, &s->k_norm, keys_of(s->dqkv, q), keys_of(s->dturned, q), N, m->K, m->Dh);
  }
  linear_backward_input(m->qkv, run, s->dx, mat_none(), s->dqkv, N);
  rms_norm_backward_input(&m->norm, run, &s->norm, dh, dh, s->dx, N);
}

void attention_backward_weight(const Attention *m, const Run *run, int64_t N, AttentionSaved *s) {
  linear_backward_weight(m->o, run, s->dy, s->out, N);
  linear_backward_weight(m->qkv, run, s->dqkv, s->x, N);
  if (m->qk_norm) {
    rms_norm_heads_backward_weight(&m->q_norm, run, &s->q_norm, s->dturned, N, m->H, m->Dh);
    rms_norm_heads_backward_weight(&m->k_norm, run, &s->k_norm, keys_of(s->dturned, m->H * m->Dh), N, m->K, m->Dh);
  }
  rms_norm_backward_weight(&m->norm, run, &s->norm, s->dx, N);
}
