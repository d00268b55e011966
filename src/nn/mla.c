#include "nn/mla.h"

// Columns of `a` before the latent of keys and values.
static int64_t first_columns(const Mla *m) { return m->q_rank ? m->q_rank : m->H * (m->nope + m->rope); }

// Of queries straight from x the rows stay zero: nothing declares them.
static void latent_biases(Mla *m, ParamList *list, int64_t first, const char *prefix) {
  weight_bias(list, &m->a);
  if (m->q_rank) weight_bias_part(list, &m->a, 0, first, "%s.self_attn.q_a_proj.bias", prefix);
  weight_bias_part(list, &m->a, first, m->kv_rank + m->rope, "%s.self_attn.kv_a_proj_with_mqa.bias", prefix);
}

void mla_params(Mla *m, ParamList *list, int64_t D, const char *prefix) {
  int64_t q = m->H * (m->nope + m->rope), first = first_columns(m);
  m->norm.D = D, m->q_norm.D = m->q_rank, m->kv_norm.D = m->kv_rank;
  vector_take(list, &m->norm.w, &m->norm.g, D, PARAM_NORM, "%s.input_layernorm.weight", prefix);
  weight_take(list, &m->a, 1, first + m->kv_rank + m->rope, D, USE_GEMM);
  weight_part(list, &m->a, 0, first, PARAM_MATRIX, m->q_rank ? "%s.self_attn.q_a_proj.weight" : "%s.self_attn.q_proj.weight",
              prefix);
  weight_part(list, &m->a, first, m->kv_rank + m->rope, PARAM_MATRIX, "%s.self_attn.kv_a_proj_with_mqa.weight", prefix);
  if (m->a_bias) latent_biases(m, list, first, prefix);
  if (m->q_rank) {
    vector_take(list, &m->q_norm.w, &m->q_norm.g, m->q_rank, PARAM_NORM, "%s.self_attn.q_a_layernorm.weight", prefix);
    weight_take(list, &m->q_b, 1, q, m->q_rank, USE_GEMM);
    weight_part(list, &m->q_b, 0, q, PARAM_MATRIX, "%s.self_attn.q_b_proj.weight", prefix);
  }
  vector_take(list, &m->kv_norm.w, &m->kv_norm.g, m->kv_rank, PARAM_NORM, "%s.self_attn.kv_a_layernorm.weight", prefix);
  weight_take(list, &m->kv_b, 1, m->H * (m->nope + m->v), m->kv_rank, USE_GEMM_PARTS);
  weight_part(list, &m->kv_b, 0, m->kv_b.out, PARAM_MATRIX, "%s.self_attn.kv_b_proj.weight", prefix);
  weight_take(list, &m->o, 1, D, m->H * m->v, USE_GEMM);
  weight_part(list, &m->o, 0, D, PARAM_OUTPUT, "%s.self_attn.o_proj.weight", prefix);
  if (!m->o_bias) return;
  weight_bias(list, &m->o);
  weight_bias_part(list, &m->o, 0, D, "%s.self_attn.o_proj.bias", prefix);
}

// The keys and values are read where kv_b left them; nothing is copied.
static AttentionArgs attend_args(const Mla *m, const MlaSaved *s) {
  int64_t head = m->nope + m->v;
  return (AttentionArgs){.H = m->H,
                         .K = m->H,
                         .Dk_own = m->nope,
                         .Dk_shared = m->rope,
                         .Dv = m->v,
                         .scale = m->scale,
                         .q = s->q,
                         .k = s->kv,
                         .k_shared = mat_at(s->a, 0, first_columns(m) + m->kv_rank),
                         .v = mat_at(s->kv, 0, m->nope),
                         .q_stride = m->nope + m->rope,
                         .k_stride = head,
                         .v_stride = head,
                         .out = s->out,
                         .lse = s->lse};
}

static void attend_expanded(const Mla *m, const Run *run, KvSequence *seq, int64_t row, int64_t rows, const MlaSaved *s) {
  KvLayer *cache = &seq->layer[m->layer];
  AttentionArgs a = attend_args(m, s);
  run->dev->op->cast(run->dev, mat_at(cache->k, seq->length, 0), mat_at(s->kv, row, 0), rows, m->kv_b.out);
  run->dev->op->cast(run->dev, mat_at(cache->v, seq->length, 0), mat_at(a.k_shared, row, 0), rows, m->rope);
  a.B = 1, a.Tq = rows, a.Tk = seq->length + rows;
  a.q = mat_at(a.q, row, 0), a.out = mat_at(a.out, row, 0), a.lse = mat_at(a.lse, row, 0);
  a.k = cache->k, a.v = mat_at(cache->k, 0, m->nope), a.k_shared = cache->v;
  run->dev->op->attention_forward(run->dev, &a);
}

// q_h . (Wk_h c) = (Wk_h^T q_h) . c and sum p (Wv_h c) = Wv_h (sum p c): the latent is key and value of one head that all
// queries share.
static void attend_latent(const Mla *m, const Run *run, KvSequence *seq, int64_t row, int64_t rows, const MlaSaved *s) {
  Dev *dev = run->dev;
  KvLayer *cache = &seq->layer[m->layer];
  int64_t width = m->kv_rank + m->rope;
  dev->op->cast(dev, mat_at(cache->k, seq->length, 0), mat_at(s->kv_latent, row, 0), rows, m->kv_rank);
  dev->op->cast(dev, mat_at(cache->k, seq->length, m->kv_rank), mat_at(s->a, row, first_columns(m) + m->kv_rank), rows,
                m->rope);
  size_t mark = arena_mark(run->temp);
  Mat q = mat_take(run->temp, rows, m->H * width, run->type), out = mat_take(run->temp, rows, m->H * m->kv_rank, run->type);
  for (int64_t h = 0; h < m->H; h++) {
    Mat q_h = mat_at(s->q, row, h * (m->nope + m->rope));
    GemmArgs g = {.M = rows,
                  .N = m->kv_rank,
                  .K = m->nope,
                  .c = mat_at(q, 0, h * width),
                  .a = q_h,
                  .b = mat_at(m->kv_b.c, h * (m->nope + m->v), 0)};
    dev->op->gemm(dev, &g);
    dev->op->cast(dev, mat_at(q, 0, h * width + m->kv_rank), mat_at(q_h, 0, m->nope), rows, m->rope);
  }
  AttentionArgs a = {.B = 1,
                     .Tq = rows,
                     .Tk = seq->length + rows,
                     .H = m->H,
                     .K = 1,
                     .Dk_own = width,
                     .Dv = m->kv_rank,
                     .scale = m->scale,
                     .q = q,
                     .k = cache->k,
                     .v = cache->k,
                     .q_stride = width,
                     .k_stride = width,
                     .v_stride = width,
                     .out = out,
                     .lse = mat_at(s->lse, row, 0)};
  dev->op->attention_forward(dev, &a);
  for (int64_t h = 0; h < m->H; h++) {
    GemmArgs g = {.M = rows,
                  .N = m->v,
                  .K = m->kv_rank,
                  .c = mat_at(s->out, row, h * m->v),
                  .a = mat_at(out, 0, h * m->kv_rank),
                  .b = mat_at(m->kv_b.c, h * (m->nope + m->v) + m->nope, 0),
                  .b_t = true};
    dev->op->gemm(dev, &g);
  }
  arena_rewind(run->temp, mark);
}

static void attend(const Mla *m, const Run *run, const MicroBatch *mb, const MlaSaved *s) {
  if (!mb->kv) {
    AttentionArgs a = attend_args(m, s);
    a.B = mb->B, a.Tq = a.Tk = mb->T, a.doc_start = mb->doc_start;
    run->dev->op->attention_forward(run->dev, &a);
    return;
  }
  int64_t row = 0;
  for (int64_t i = 0; i < mb->kv->count; row += mb->kv->rows[i++]) {
    KvSequence *seq = mb->kv->sequence[i];
    if (seq->latent) attend_latent(m, run, seq, row, mb->kv->rows[i], s);
    else attend_expanded(m, run, seq, row, mb->kv->rows[i], s);
  }
}

void mla_forward(const Mla *m, const Run *run, const MicroBatch *mb, Mat h_out, Mat h, int64_t N, MlaSaved *s) {
  int64_t head = m->nope + m->rope, first = first_columns(m);
  s->x = rms_norm_rows(&m->norm, run, h, N, &s->norm);
  s->a = mat_take(run->kept, N, m->a.out, run->type);
  s->kv = mat_take(run->kept, N, m->kv_b.out, run->type);
  s->out = mat_take(run->kept, N, m->H * m->v, run->type);
  s->lse = mat_take(run->kept, N, m->H, DT_F32);
  s->q = s->a;
  linear_forward(&m->a, run, s->a, mat_none(), s->x, N);
  if (m->q_rank) {
    s->q_latent = rms_norm_rows(&m->q_norm, run, s->a, N, &s->q_norm);
    s->q = mat_take(run->kept, N, m->q_b.out, run->type);
    linear_forward(&m->q_b, run, s->q, mat_none(), s->q_latent, N);
  }
  s->kv_latent = rms_norm_rows(&m->kv_norm, run, mat_at(s->a, 0, first), N, &s->kv_norm);
  linear_forward(&m->kv_b, run, s->kv, mat_none(), s->kv_latent, N);
  rotary_turn(m->rotary, run->dev, mat_at(s->q, 0, m->nope), mb->position, N, m->H, head, false);
  rotary_turn(m->rotary, run->dev, mat_at(s->a, 0, first + m->kv_rank), mb->position, N, 1, m->rope, false);
  attend(m, run, mb, s);
  if (h_out.data) linear_forward(&m->o, run, h_out, h, s->out, N);
}

void mla_backward_input(const Mla *m, const Run *run, const MicroBatch *mb, Mat dh, int64_t N, MlaSaved *s) {
  const Ops *op = run->dev->op;
  int64_t D = m->norm.D, head = m->nope + m->rope, first = first_columns(m);
  s->dy = mat_take(run->temp, N, D, run->type);
  s->da = mat_take(run->temp, N, m->a.out, run->type);
  s->dq = m->q_rank ? mat_take(run->temp, N, m->q_b.out, run->type) : s->da;
  s->dkv = mat_take(run->temp, N, m->kv_b.out, run->type);
  s->dkv_latent = mat_take(run->temp, N, m->kv_rank, run->type);
  s->dx = mat_take(run->temp, N, D, run->type);
  op->cast(run->dev, s->dy, dh, N, D);
  rms_norm_rows_again(&m->norm, run, &s->x, N, &s->norm);
  rms_norm_rows_again(&m->kv_norm, run, &s->kv_latent, N, &s->kv_norm);
  if (m->q_rank) rms_norm_rows_again(&m->q_norm, run, &s->q_latent, N, &s->q_norm);
  AttentionArgs a = attend_args(m, s);
  a.B = mb->B, a.Tq = a.Tk = mb->T, a.doc_start = mb->doc_start;
  a.dout = mat_take(run->temp, N, m->H * m->v, run->type);
  a.dq = s->dq, a.dk = s->dkv, a.dv = mat_at(s->dkv, 0, m->nope);
  a.dk_shared = mat_at(s->da, 0, first + m->kv_rank);
  linear_backward_input(&m->o, run, a.dout, mat_none(), s->dy, N);
  op->attention_backward(run->dev, &a);
  rotary_turn(m->rotary, run->dev, mat_at(s->dq, 0, m->nope), mb->position, N, m->H, head, true);
  rotary_turn(m->rotary, run->dev, a.dk_shared, mb->position, N, 1, m->rope, true);
  if (m->q_rank) {
    s->dq_latent = mat_take(run->temp, N, m->q_rank, run->type);
    linear_backward_input(&m->q_b, run, s->dq_latent, mat_none(), s->dq, N);
    rms_norm_backward_input(&m->q_norm, run, &s->q_norm, s->da, mat_none(), s->dq_latent, N);
  }
  linear_backward_input(&m->kv_b, run, s->dkv_latent, mat_none(), s->dkv, N);
  rms_norm_backward_input(&m->kv_norm, run, &s->kv_norm, mat_at(s->da, 0, first), mat_none(), s->dkv_latent, N);
  linear_backward_input(&m->a, run, s->dx, mat_none(), s->da, N);
  rms_norm_backward_input(&m->norm, run, &s->norm, dh, dh, s->dx, N);
}

void mla_backward_weight(const Mla *m, const Run *run, int64_t N, MlaSaved *s) {
  linear_backward_weight(&m->o, run, s->dy, s->out, N);
  if (m->q_rank) {
    linear_backward_weight(&m->q_b, run, s->dq, s->q_latent, N);
    rms_norm_backward_weight(&m->q_norm, run, &s->q_norm, s->dq_latent, N);
  }
  linear_backward_weight(&m->kv_b, run, s->dkv, s->kv_latent, N);
  rms_norm_backward_weight(&m->kv_norm, run, &s->kv_norm, s->dkv_latent, N);
  linear_backward_weight(&m->a, run, s->da, s->x, N);
  rms_norm_backward_weight(&m->norm, run, &s->norm, s->dx, N);
}
