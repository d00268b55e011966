#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "model/family.h"

static RmsNorm norm_of(const ModelConfig *c) { return (RmsNorm){.D = c->model.width, .eps = c->model.norm_eps}; }

RotarySpec model_rotary_spec(const ModelConfig *c) {
  return (RotarySpec){.d = config_is_mla(c) ? c->mla.rope : config_head_dim(c),
                      .theta = c->rope.theta,
                      .scaling = (RopeScaling)c->rope.scaling,
                      .factor = c->rope.factor,
                      .original_length = c->rope.original_length,
                      .beta_fast = c->rope.beta_fast,
                      .beta_slow = c->rope.beta_slow,
                      .mscale = c->rope.mscale,
                      .mscale_all = c->rope.mscale_all,
                      .attention_factor = c->rope.attention_factor,
                      .length = c->model.max_length,
                      .base_length = c->rope.base_length};
}

static void add_node(Block *b, const Node *node) { b->node[b->n_nodes++] = node; }

static void attention_build(Model *m, Block *b, const char *prefix) {
  const ModelConfig *c = &m->config;
  if (!config_is_mla(c)) {
    int64_t Dh = config_head_dim(c), lender = config_attention_layer(c, b->layer);
    b->attention = (Attention){.H = c->attention.heads,
                               .K = c->attention.kv_heads,
                               .Dh = Dh,
                               .layer = b->layer,
                               .key_value = family_of(c)->key_value,
                               .qkv_bias = c->attention.qkv_bias,
                               .o_bias = c->attention.out_bias,
                               .qk_norm = c->attention.qk_norm,
                               .scale = 1 / sqrt((double)Dh),
                               .norm = norm_of(c),
                               .q_norm = norm_of(c),
                               .k_norm = norm_of(c),
                               .rotary = &m->rotary};
    attention_params(&b->attention, &m->params, b->D, prefix,
                     lender == b->layer ? NULL : &(b - (b->layer - lender))->attention);  // decoders lie in their order
    add_node(b, &node_attention);
    return;
  }
  RotarySpec spec = model_rotary_spec(c);
  b->mla = (Mla){.H = c->attention.heads,
                 .q_rank = c->mla.q_rank,
                 .kv_rank = c->mla.kv_rank,
                 .nope = c->mla.nope,
                 .rope = c->mla.rope,
                 .v = c->mla.v,
                 .layer = b->layer,
                 .a_bias = c->attention.qkv_bias,
                 .o_bias = c->attention.out_bias,
                 .scale = rotary_mla_scale(&spec) / sqrt((double)(c->mla.nope + c->mla.rope)),
                 .norm = norm_of(c),
                 .q_norm = norm_of(c),
                 .kv_norm = norm_of(c),
                 .rotary = &m->rotary};
  mla_params(&b->mla, &m->params, b->D, prefix);
  add_node(b, &node_mla);
}

static void moe_build(Model *m, Block *b, Arena *other, const char *prefix) {
  const ModelConfig *c = &m->config;
  b->moe = (Moe){.E = c->moe.experts,
                 .k = c->moe.top_k,
                 .F = c->moe.ffn,
                 .layer = b->layer,
                 .n_group = c->moe.groups,
                 .topk_group = c->moe.top_groups,
                 .scoring = (Scoring)c->moe.scoring,
                 .normalise = c->moe.normalise,
                 .group_max = c->moe.group_max,
                 .down_bias = c->model.down_bias,
                 .norm_eps = family_of(c)->gate_eps,
                 .scaling = c->moe.scale,
                 .aux_loss = c->moe.aux_loss,
                 .norm = norm_of(c),
                 .shared = {.F = c->moe.shared * c->moe.ffn, .down_bias = c->model.down_bias}};
  moe_params(&b->moe, &m->params, other, b->D, prefix);
  const Node *nodes[] = {&node_route, &node_dispatch, &node_shared, &node_experts, &node_combine};
  for (int i = 0; i < 5; i++) add_node(b, nodes[i]);
}

static void decoder_build(Model *m, Block *b, Arena *other, const char *prefix) {
  attention_build(m, b, prefix);
  if (config_is_moe_layer(&m->config, b->layer)) {
    moe_build(m, b, other, prefix);
    return;
  }
  const ModelConfig *c = &m->config;
  b->mlp = (Mlp){.norm = norm_of(c), .ffn = {.F = c->model.ffn, .up_bias = c->model.up_bias, .down_bias = c->model.down_bias}};
  mlp_params(&b->mlp, &m->params, b->D, prefix);
  add_node(b, &node_mlp);
}

static Block *add_block(Model *m, BlockKind kind, int64_t layer, const char *format, int64_t number) {
  Block *b = &m->block[m->n_blocks++];
  *b = (Block){.kind = kind, .layer = layer, .D = m->config.model.width, .embedding = &m->embedding, .head = m->head_used};
  if (m->params.grads) b->grads = m->params.grads->used;
  snprintf(b->name, sizeof b->name, format, (int)number);
  return b;
}

static void mtp_build(Model *m, int64_t i, Arena *other) {
  const ModelConfig *c = &m->config;
  int64_t layer = c->model.layers + i, D = c->model.width;
  Block *b = add_block(m, BLOCK_MTP, layer, "mtp %d", i);
  char prefix[PARAM_NAME_BYTES];
  snprintf(prefix, sizeof prefix, "model.layers.%d", (int)layer);
  b->embed_norm = b->hidden_norm = b->norm = norm_of(c);
  b->mtp_loss = c->mtp.loss;
  add_node(b, &node_mtp_input);
  vector_take(&m->params, &b->embed_norm.w, &b->embed_norm.g, D, PARAM_NORM, "%s.enorm.weight", prefix);
  vector_take(&m->params, &b->hidden_norm.w, &b->hidden_norm.g, D, PARAM_NORM, "%s.hnorm.weight", prefix);
  weight_take(&m->params, &b->eh_proj, 1, D, 2 * D, USE_GEMM);
  weight_part(&m->params, &b->eh_proj, 0, D, PARAM_MATRIX, "%s.eh_proj.weight", prefix);
  decoder_build(m, b, other, prefix);
  vector_take(&m->params, &b->norm.w, &b->norm.g, D, PARAM_NORM, "%s.shared_head.norm.weight", prefix);
  add_node(b, &node_mtp_loss);
}

// Between the table's width and the model's, where they differ.
static void map_build(Model *m, Block *b, int64_t out, int64_t in, const char *name) {
  if (out == in) return;
  weight_take(&m->params, &b->map, 1, out, in, USE_GEMM);
  weight_part(&m->params, &b->map, 0, out, PARAM_MATRIX, "model.embedding_hidden_mapping_%s.weight", name);
  add_node(b, &node_map);
}

static void embed_build(Model *m) {
  const ModelConfig *c = &m->config;
  Block *b = add_block(m, BLOCK_EMBED, -1, "embed", 0);
  weight_take(&m->params, &m->embedding, 1, c->model.vocab, config_embedding_size(c),
              c->model.tied ? USE_LOOKUP_GEMM : USE_LOOKUP);
  weight_part(&m->params, &m->embedding, 0, c->model.vocab, PARAM_EMBEDDING, "model.embed_tokens.weight");
  add_node(b, &node_embedding);
  map_build(m, b, c->model.width, config_embedding_size(c), "in");
}

static void head_build(Model *m) {
  const ModelConfig *c = &m->config;
  Block *b = add_block(m, BLOCK_HEAD, -1, "head", 0);
  int64_t width = config_embedding_size(c);
  map_build(m, b, width, c->model.width, "out");
  b->norm = (RmsNorm){.D = width, .eps = c->model.norm_eps};
  b->z_loss = c->loss.z;
  vector_take(&m->params, &b->norm.w, &b->norm.g, width, PARAM_NORM, "model.norm.weight");
  if (!c->model.tied) {
    weight_take(&m->params, &m->head, 1, c->model.vocab, width, USE_GEMM);
    weight_part(&m->params, &m->head, 0, c->model.vocab, PARAM_HEAD, "lm_head.weight");
  }
  add_node(b, &node_final_norm);
  add_node(b, &node_loss);
}

Err model_init(Model *m, const ModelConfig *config, Dtype type, int64_t positions, Arena *weights, Arena *grads, Arena *other) {
  *m = (Model){.config = *config};
  const ModelConfig *c = &m->config;
  params_init(&m->params, type, weights, grads, other);
  m->params.names = family_of(c)->names;
  m->block = calloc((size_t)(c->model.layers + 2 + c->mtp.layers), sizeof *m->block);
  CHECK(m->block, ERR_MEMORY, "no memory for the list of blocks");
  m->head_used = c->model.tied ? &m->embedding : &m->head;
  RotarySpec spec = model_rotary_spec(c);
  rotary_init(&m->rotary, &spec, config_is_mla(c), positions, other);
  embed_build(m);
  for (int64_t l = 0; l < c->model.layers; l++) {
    char prefix[PARAM_NAME_BYTES];
    snprintf(prefix, sizeof prefix, "model.layers.%d", (int)l);
    decoder_build(m, add_block(m, BLOCK_DECODER, l, "layer %d", l), other, prefix);
  }
  head_build(m);
  for (int64_t i = 0; i < c->mtp.layers; i++) mtp_build(m, i, other);
  if (m->params.err) return m->params.err;
  return ERR_OK;
}

void model_free(Model *m) {
  params_free(&m->params);
  free(m->block);
  *m = (Model){0};
}

bool model_is_apart(const Model *m) {
  const ModelConfig *c = &m->config;
  for (int64_t l = 0; l < c->model.layers; l++)
    if (config_attention_layer(c, l) != l) return false;
  return !c->model.tied && c->mtp.layers == 0;
}

double model_init_std(const ModelConfig *c, const Param *p) {
  if (p->role == PARAM_OUTPUT) return c->model.init_std / sqrt(2.0 * (double)c->model.layers);
  return p->role == PARAM_NORM || p->role == PARAM_BIAS || p->role == PARAM_BALANCE ? 0 : c->model.init_std;
}

void model_reset_param(const Param *p, uint64_t seed, double std) {
  enum { RUN = 4096 };
  float x[RUN];
  const Rng rng = rng_named(seed, p->name);
  for (int64_t i = 0; i < p->n; i += RUN) {
    int64_t n = p->n - i < RUN ? p->n - i : RUN;
    rng_fill_normal(rng, 0, (uint64_t)i, x, n, p->role == PARAM_NORM ? 1 : 0, std);
    param_put(p, i, n, x);
  }
}

void model_reset(Model *m, uint64_t seed) {
  for (int64_t i = 0; i < m->params.count; i++)
    model_reset_param(&m->params.param[i], seed, model_init_std(&m->config, &m->params.param[i]));
}

void model_prepare(Model *m, Dev *dev) { params_prepare(&m->params, dev); }

static NodeCall call_of(Model *m, const Run *run, const MicroBatch *mb, int64_t i, Stream *stream, BlockSaved *saved,
                        Losses *losses) {
  int64_t N = mb->B * mb->T;
  if (mb->kv) {
    N = 0;
    for (int64_t k = 0; k < mb->kv->count; k++) N += mb->kv->rows[k];
  }
  return (NodeCall){
      .block = &m->block[i], .run = run, .mb = mb, .N = N, .stream = stream, .saved = &saved[i], .losses = losses};
}

void model_forward(Model *m, const Run *run, const MicroBatch *mb, int64_t first, int64_t last, Stream *stream,
                   BlockSaved *saved, Losses *losses) {
  for (int64_t i = first; i < last; i++) {
    NodeCall c = call_of(m, run, mb, i, stream, saved, losses);
    block_forward(&c);
    if (m->block[i].kind == BLOCK_EMBED || m->block[i].kind == BLOCK_DECODER)
      run_probe(run, "hidden", m->block[i].layer + 1, stream->h, c.N, m->config.model.width);
  }
}

void model_backward(Model *m, const Run *run, const MicroBatch *mb, int64_t first, int64_t last, Stream *stream,
                    BlockSaved *saved, Move move) {
  for (int64_t i = last - 1; i >= first; i--) {
    NodeCall c = call_of(m, run, mb, i, stream, saved, NULL);
    block_backward(&c, move);
  }
}
