// How many parameters and operations a configuration has, from its numbers alone.
#include "model/counts.h"

// One layer's attention: all of it works for every token.
static int64_t attention_count(const ModelConfig *c) {
  int64_t D = c->model.width, H = c->attention.heads;
  if (!config_is_mla(c)) {
    int64_t q = H * config_head_dim(c), kv = c->attention.kv_heads * config_head_dim(c);
    return D * q + 2 * D * kv + q * D;
  }
  int64_t q = H * (c->mla.nope + c->mla.rope), kv = H * (c->mla.nope + c->mla.v);
  int64_t query = c->mla.q_rank ? D * c->mla.q_rank + c->mla.q_rank * q : D * q;
  return query + D * (c->mla.kv_rank + c->mla.rope) + c->mla.kv_rank * kv + H * c->mla.v * D;
}

static int64_t norm_count(const ModelConfig *c) {
  return 2 * c->model.width + (config_is_mla(c) ? c->mla.q_rank + c->mla.kv_rank : 0);
}

// Adds a decoder layer; returns how many of its parameters work for one token.
static int64_t add_layer(const ModelConfig *c, bool moe, ModelCounts *n) {
  int64_t D = c->model.width, attention = attention_count(c), norm = norm_count(c);
  n->attention += attention;
  n->norm += norm;
  if (!moe) {
    n->dense += 3 * D * c->model.ffn;
    return attention + norm + 3 * D * c->model.ffn;
  }
  int64_t expert = 3 * D * c->moe.ffn, shared = c->moe.shared * expert, router = c->moe.experts * D;
  n->experts += c->moe.experts * expert;
  n->shared += shared;
  n->router += router;
  return attention + norm + router + shared + c->moe.top_k * expert;
}

ModelCounts model_counts(const ModelConfig *c) {
  ModelCounts n = {0};
  int64_t D = c->model.width;
  n.embedding = c->model.vocab * D * (c->model.tied ? 1 : 2);
  n.norm = D;
  n.active = n.embedding + n.norm;
  for (int64_t l = 0; l < c->model.layers; l++) n.active += add_layer(c, config_is_moe_layer(c, l), &n);
  n.total = n.embedding + n.attention + n.dense + n.experts + n.shared + n.router + n.norm;
  if (c->mtp.layers > 0) {
    ModelCounts m = {0};
    (void)add_layer(c, c->moe.experts > 0, &m);
    // enorm, hnorm and the norm before the shared head; eh_proj joins two rows of D to one
    n.mtp = c->mtp.layers * (m.attention + m.dense + m.experts + m.shared + m.router + m.norm + 3 * D + 2 * D * D);
  }
  return n;
}

// Two operations a weight and token for what is multiplied by a matrix, and the causal half of attention: on the average (T +
// 1) / 2 keys a query.
double model_flops_token(const ModelConfig *c, int64_t T) {
  double D = (double)c->model.width, matrix = 0, layers = (double)c->model.layers;
  for (int64_t l = 0; l < c->model.layers + c->mtp.layers; l++) {
    ModelCounts n = {0};
    bool moe = l < c->model.layers ? config_is_moe_layer(c, l) : c->moe.experts > 0;
    matrix += (double)(add_layer(c, moe, &n) - norm_count(c));
  }
  double heads = 1 + (double)c->mtp.layers;  // the output head, once for each prediction
  matrix += heads * (double)c->model.vocab * D + 2 * D * D * (double)c->mtp.layers;
  int64_t qk = config_is_mla(c) ? c->mla.nope + c->mla.rope : config_head_dim(c),
          v = config_is_mla(c) ? c->mla.v : config_head_dim(c);
  double attention = (layers + (double)c->mtp.layers) * (double)c->attention.heads * (double)(qk + v) * ((double)T + 1) / 2;
  return 2 * (matrix + attention);
}
