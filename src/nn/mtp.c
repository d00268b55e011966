// The two nodes around a decoder layer that make it a multi-token-prediction block (DeepSeek-AI 2024, DeepSeek-V3,
// section 2.2): from the main model's final norm and the embedding of the next token it predicts the token after next.
#include "nn/block.h"

// out[t] = in[t + 1] within each sequence, 0 in the last place.
static void roll(const MicroBatch *mb, const NodeCall *c) {
  BlockSaved *s = c->saved;
  for (int64_t b = 0; b < mb->B; b++)
    for (int64_t t = 0; t < mb->T; t++) {
      int64_t i = b * mb->T + t;
      bool last = t == mb->T - 1;
      s->rolled_ids[i] = last ? 0 : mb->ids[i + 1];
      if (!mb->labels) continue;
      s->rolled_labels[i] = last ? 0 : mb->labels[i + 1];
      s->rolled_mask[i] = last ? 0 : mb->mask[i + 1];
    }
}

static void mtp_input_forward(const NodeCall *c) {
  const Block *b = c->block;
  BlockSaved *s = c->saved;
  Arena *kept = c->run->kept;
  s->rolled_ids = arena_take(kept, (size_t)c->N * sizeof(int32_t));
  s->rolled_labels = arena_take(kept, (size_t)c->N * sizeof(int32_t));
  s->rolled_mask = arena_take(kept, (size_t)c->N * sizeof(float));
  s->embedded = mat_take(kept, c->N, b->D, DT_F32);
  s->joined = mat_take(kept, c->N, 2 * b->D, c->run->type);
  c->stream->h = mat_take(kept, c->N, b->D, DT_F32);
  if (!dev_measuring(c->run->dev)) roll(c->mb, c);
  c->run->dev->op->embedding_forward(c->run->dev, s->embedded, b->embedding->w, s->rolled_ids, c->N, b->D);
  rms_norm_forward(&b->embed_norm, c->run, s->joined, s->embedded, c->N, &s->embed_norm);
  rms_norm_forward(&b->hidden_norm, c->run, mat_at(s->joined, 0, b->D), c->stream->x, c->N, &s->hidden_norm);
  linear_forward(&b->eh_proj, c->run, c->stream->h, mat_none(), s->joined, c->N);
}

static void mtp_input_backward_input(const NodeCall *c) {
  const Block *b = c->block;
  BlockSaved *s = c->saved;
  s->dy = mat_take(c->run->temp, c->N, b->D, c->run->type);
  s->djoined = mat_take(c->run->temp, c->N, 2 * b->D, c->run->type);
  s->dembedded = mat_take(c->run->temp, c->N, b->D, DT_F32);
  c->run->dev->op->cast(c->run->dev, s->dy, c->stream->dh, c->N, b->D);
  linear_backward_input(&b->eh_proj, c->run, s->djoined, mat_none(), s->dy, c->N);
  rms_norm_backward_input(&b->embed_norm, c->run, &s->embed_norm, s->dembedded, mat_none(), s->djoined, c->N);
  rms_norm_backward_input(&b->hidden_norm, c->run, &s->hidden_norm, c->stream->dx, c->stream->dx, mat_at(s->djoined, 0, b->D),
                          c->N);
}

static void mtp_input_backward_weight(const NodeCall *c) {
  Block *b = c->block;
  BlockSaved *s = c->saved;
  linear_backward_weight(&b->eh_proj, c->run, s->dy, s->joined, c->N);
  rms_norm_backward_weight(&b->embed_norm, c->run, &s->embed_norm, s->djoined, c->N);
  rms_norm_backward_weight(&b->hidden_norm, c->run, &s->hidden_norm, mat_at(s->djoined, 0, b->D), c->N);
  c->run->dev->op->embedding_backward(c->run->dev, mat_of(b->embedding->g, b->D, DT_F32), s->dembedded, s->rolled_ids, c->N,
                                      b->D);
}

const Node node_mtp_input = {"mtp_input", mtp_input_forward, mtp_input_backward_input, mtp_input_backward_weight, false};

static void mtp_loss_forward(const NodeCall *c) {
  const Block *b = c->block;
  BlockSaved *s = c->saved;
  run_probe(c->run, "mtp_hidden", b->layer, c->stream->h, c->N, b->D);
  s->norm_out = mat_take(c->run->kept, c->N, b->D, c->run->type);
  if (c->run->training) s->dnorm_out = mat_take(c->run->kept, c->N, b->D, DT_F32);
  rms_norm_forward(&b->norm, c->run, s->norm_out, c->stream->h, c->N, &s->norm);
  if (!c->mb->labels) return;
  double loss = 0, z_loss = 0;
  head_loss(b->head, c->run, s->dnorm_out, mat_none(), s->norm_out, s->rolled_labels, s->rolled_mask, c->N,
            b->mtp_loss * c->mb->mtp_scale, 0, &loss, &z_loss);
  c->losses->mtp += loss / b->mtp_loss;
}

static void mtp_loss_backward_input(const NodeCall *c) {
  rms_norm_backward_input(&c->block->norm, c->run, &c->saved->norm, c->stream->dh, mat_none(), c->saved->dnorm_out, c->N);
}

static void mtp_loss_backward_weight(const NodeCall *c) {
  rms_norm_backward_weight(&c->block->norm, c->run, &c->saved->norm, c->saved->dnorm_out, c->N);
}

const Node node_mtp_loss = {"mtp_loss", mtp_loss_forward, mtp_loss_backward_input, mtp_loss_backward_weight, false};
