// How many parameters and operations a configuration has, from its numbers alone.
#include "model/counts.h"

// What a matrix multiplies, and what is added: a layer's attention. All of it works for every token.
typedef struct {
  int64_t matrix, bias;
} Part;

static Part attention_part(const ModelConfig *c) {
  int64_t D = c->model.width, H = c->attention.heads;
  if (!config_is_mla(c)) {
    int64_t q = H * config_head_dim(c), kv = c->attention.kv_heads * config_head_dim(c);
    return (Part){D * q + 2 * D * kv + q * D,
                  (c->attention.qkv_bias ? q + 2 * kv : 0) + (c->attention.out_bias ? c->model.width : 0)};
  }
  int64_t q = H * (c->mla.nope + c->mla.rope), kv = H * (c->mla.nope + c->mla.v);
  int64_t query = c->mla.q_rank ? D * c->mla.q_rank + c->mla.q_rank * q : D * q;
  int64_t bias = (c->attention.qkv_bias ? c->mla.q_rank + c->mla.kv_rank + c->mla.rope : 0) + (c->attention.out_bias ? D : 0);
  return (Part){query + D * (c->mla.kv_rank + c->mla.rope) + c->mla.kv_rank * kv + H * c->mla.v * D, bias};
}

static Part ffn_part(const ModelConfig *c, int64_t F) {
  return (Part){3 * c->model.width * F, (c->model.up_bias ? 2 * F : 0) + (c->model.down_bias ? c->model.width : 0)};
}

static int64_t norm_count(const ModelConfig *c) {
  int64_t heads = c->attention.qk_norm ? 2 * config_head_dim(c) : 0;
  return 2 * c->model.width + (config_is_mla(c) ? c->mla.q_rank + c->mla.kv_rank : heads);
}

static int64_t sum(Part p) { return p.matrix + p.bias; }

// Adds decoder layer l; returns how many of its parameters work for one token and are not another layer's.
static int64_t add_layer(const ModelConfig *c, int64_t l, bool moe, ModelCounts *n) {
  int64_t attention = config_attention_layer(c, l) == l ? sum(attention_part(c)) : 0, norm = norm_count(c);
  n->attention += attention;
  n->norm += norm;
  if (!moe) {
    int64_t dense = sum(ffn_part(c, c->model.ffn));
    n->dense += dense;
    return attention + norm + dense;
  }
  int64_t expert = sum(ffn_part(c, c->moe.ffn)), shared = c->moe.shared ? sum(ffn_part(c, c->moe.shared * c->moe.ffn)) : 0;
  int64_t router = c->moe.experts * c->model.width;
  n->experts += c->moe.experts * expert;
  n->shared += shared;
  n->router += router;
  n->balance += c->moe.scoring == SCORE_SIGMOID ? c->moe.experts : 0;
  return attention + norm + router + shared + c->moe.top_k * expert;
}

// The maps between the table's width and the model's.
static int64_t map_count(const ModelConfig *c) {
  int64_t width = config_embedding_size(c);
  return width == c->model.width ? 0 : 2 * width * c->model.width;
}

ModelCounts model_counts(const ModelConfig *c) {
  ModelCounts n = {0};
  int64_t D = c->model.width, width = config_embedding_size(c);
  n.embedding = c->model.vocab * width * (c->model.tied ? 1 : 2) + map_count(c);
  n.norm = width;
  n.active = n.embedding + n.norm;
  for (int64_t l = 0; l < c->model.layers; l++) n.active += add_layer(c, l, config_is_moe_layer(c, l), &n);
  n.total = n.embedding + n.attention + n.dense + n.experts + n.shared + n.router + n.norm;
  if (c->mtp.layers > 0) {
    ModelCounts m = {0};
    (void)add_layer(c, c->model.layers, c->moe.experts > 0, &m);
    // enorm, hnorm and the norm before the shared head; eh_proj joins two rows of D to one
    n.mtp = c->mtp.layers * (m.attention + m.dense + m.experts + m.shared + m.router + m.norm + 3 * D + 2 * D * D);
    n.balance += c->mtp.layers * m.balance;
  }
  return n;
}

// Two operations a weight and token for what is multiplied by a matrix, and the causal half of attention: on the average (T +
// 1) / 2 keys a query.
double model_flops_token(const ModelConfig *c, int64_t T) {
  double D = (double)c->model.width, layers = (double)(c->model.layers + c->mtp.layers);
  double matrix = layers * (double)attention_part(c).matrix + (double)map_count(c);
  for (int64_t l = 0; l < c->model.layers + c->mtp.layers; l++) {
    bool moe = l < c->model.layers ? config_is_moe_layer(c, l) : c->moe.experts > 0;
    int64_t F = moe ? (c->moe.top_k + c->moe.shared) * c->moe.ffn : c->model.ffn;
    matrix += (double)ffn_part(c, F).matrix + (moe ? (double)c->moe.experts * D : 0);
  }
  double heads = 1 + (double)c->mtp.layers;  // the output head, once for each prediction
  matrix += heads * (double)c->model.vocab * (double)config_embedding_size(c) + 2 * D * D * (double)c->mtp.layers;
  int64_t qk = config_is_mla(c) ? c->mla.nope + c->mla.rope : config_head_dim(c),
          v = config_is_mla(c) ? c->mla.v : config_head_dim(c);
  double attention = layers * (double)c->attention.heads * (double)(qk + v) * ((double)T + 1) / 2;
  return 2 * (matrix + attention);
}
