// The configuration of a model: the same names in C, in a run file and on the command line. A Hugging Face config.json
// is translated from and to it (model/hf_config.h).
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/options.h"
#include "nn/rotary.h"

// The family decides names in files and a few rules (model/family.h); the arithmetic follows from the numbers.
typedef enum {
#define FAMILY(NAME, name) FAMILY_##NAME,
#include "model/families.inc"
#undef FAMILY
  FAMILIES
} FamilyId;
extern const char *const family_names[FAMILIES + 1];  // "deepseek_v3", ...: the model_type of config.json

// RopeScaling is nn/rotary.h's.
extern const char *const rope_scaling_names[ROPE_SCALINGS + 1];  // "none", "yarn", ... as config.json calls them

typedef struct {
  struct {
    int family;
    int64_t layers, width, ffn, vocab, max_length;
    double norm_eps, init_std;
    bool tied;                // the head is the embedding table
    int64_t embedding_size;   // width of that table, mapped to and from `width`; 0: width
    bool up_bias, down_bias;  // of every gate_proj and up_proj; of every down_proj
    int64_t bos, eos, pad;    // token ids, -1: none
  } model;
  struct {
    int64_t heads, kv_heads, head_dim;  // head_dim 0: width / heads. Only heads is used with MLA
    int64_t layers_group;               // runs of so many layers share the projections of their first; 1: each has its own
    bool qkv_bias, out_bias, qk_norm;   // qkv_bias with MLA: of both latents; qk_norm: RMSNorm of each head's query and key
  } attention;
  struct {
    int64_t q_rank, kv_rank, nope, rope, v;  // kv_rank 0: no MLA; q_rank 0: queries without a latent
  } mla;
  struct {
    int64_t experts, top_k, shared, ffn;  // experts 0: dense. shared: experts every token goes to, one FFN of shared * ffn
    int64_t first_dense;                  // layers before the first with experts
    int64_t groups, top_groups;
    int scoring;                // Scoring
    bool normalise, group_max;  // group_max: a group is as good as its best expert
    double scale, bias_rate, aux_loss;
  } moe;
  struct {
    double theta;
    int scaling;  // RopeScaling
    double factor;
    int64_t original_length, base_length;
    double beta_fast, beta_slow, mscale, mscale_all, attention_factor;
  } rope;
  struct {
    int64_t layers;  // 0 or 1
    double loss;
  } mtp;
  struct {
    double z;  // coefficient of lse^2
  } loss;
} ModelConfig;

extern const Field model_fields[];

void model_config_defaults(ModelConfig *c);
// Refuses shapes that cannot be, naming the two keys that disagree and their values.
Err model_config_check(const ModelConfig *c, const char *where);

static inline bool config_is_mla(const ModelConfig *c) { return c->mla.kv_rank > 0; }
static inline bool config_is_moe_layer(const ModelConfig *c, int64_t layer) {
  return c->moe.experts > 0 && layer >= c->moe.first_dense;
}
static inline int64_t config_embedding_size(const ModelConfig *c) {
  return c->model.embedding_size ? c->model.embedding_size : c->model.width;
}
// The layer whose attention projections this one uses; its own, or an earlier one's. MTP layers have their own.
static inline int64_t config_attention_layer(const ModelConfig *c, int64_t layer) {
  return layer < c->model.layers ? layer - layer % c->attention.layers_group : layer;
}
static inline int64_t config_head_dim(const ModelConfig *c) {
  return c->attention.head_dim ? c->attention.head_dim : c->model.width / c->attention.heads;
}

#endif
