#include "model/gguf_arch.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "model/model.h"

const char *const gguf_arch_names[GGUF_ARCHS + 1] = {"llama", "qwen2", "qwen3", "deepseek2", NULL};

GgufArch gguf_arch_of(int family) {
  switch (family) {
    case FAMILY_LLAMA:
    case FAMILY_TELECHAT3: return GGUF_LLAMA;
    case FAMILY_QWEN2: return GGUF_QWEN2;
    case FAMILY_QWEN3: return GGUF_QWEN3;
    case FAMILY_DEEPSEEK_V2:
    case FAMILY_DEEPSEEK_V3: return GGUF_DEEPSEEK2;
    default: return GGUF_ARCHS;
  }
}

// ---- keys

enum { MLA = 1u << GGUF_DEEPSEEK2, GQA = (1u << GGUF_ARCHS) - 1 - MLA, ALL = GQA | MLA };
#define NEEDED NAN

const GgufKey gguf_keys[] = {
    {"block_count", "num_hidden_layers", GGUF_KEY_INT, ALL, NEEDED},
    {"context_length", "max_position_embeddings", GGUF_KEY_INT, ALL, NEEDED},
    {"embedding_length", "hidden_size", GGUF_KEY_INT, ALL, NEEDED},
    {"feed_forward_length", "intermediate_size", GGUF_KEY_INT, ALL, NEEDED},
    {"attention.head_count", "num_attention_heads", GGUF_KEY_INT, ALL, NEEDED},
    {"attention.head_count_kv", "num_key_value_heads", GGUF_KEY_INT, GQA, 0},
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps", GGUF_KEY_REAL, ALL, NEEDED},
    {"rope.freq_base", "rope_theta", GGUF_KEY_REAL, ALL, 10000},
    {"attention.q_lora_rank", "q_lora_rank", GGUF_KEY_INT, MLA, 0},
    {"attention.kv_lora_rank", "kv_lora_rank", GGUF_KEY_INT, MLA, NEEDED},
    {"rope.dimension_count", "qk_rope_head_dim", GGUF_KEY_INT, MLA, NEEDED},
    {"leading_dense_block_count", "first_k_dense_replace", GGUF_KEY_INT, MLA, 0},
    {"expert_count", "n_routed_experts", GGUF_KEY_INT, MLA, 0},
    {"expert_used_count", "num_experts_per_tok", GGUF_KEY_INT, MLA, 0},
    {"expert_shared_count", "n_shared_experts", GGUF_KEY_INT, MLA, 0},
    {"expert_feed_forward_length", "moe_intermediate_size", GGUF_KEY_INT, MLA, 0},
    {"expert_group_count", "n_group", GGUF_KEY_INT, MLA, 1},
    {"expert_group_used_count", "topk_group", GGUF_KEY_INT, MLA, 1},
    {"expert_weights_scale", "routed_scaling_factor", GGUF_KEY_REAL, MLA, 1},
    {"expert_weights_norm", "norm_topk_prob", GGUF_KEY_BOOL, MLA, 0},
    {NULL, NULL, GGUF_KEY_INT, 0, 0},
};

// ---- tensors

typedef struct {
  const char *hf, *gguf;  // without ".weight" or ".bias"
  GgufHow how;
} Stem;

static const Stem outside[] = {
    {"model.embed_tokens", "token_embd", GGUF_WHOLE},
    {"model.norm", "output_norm", GGUF_WHOLE},
    {"lm_head", "output", GGUF_WHOLE},
    {NULL, NULL, GGUF_WHOLE},
};

static const Stem of_layers[] = {
    {"input_layernorm", "attn_norm", GGUF_WHOLE},
    {"self_attn.q_proj", "attn_q", GGUF_TURNED},
    {"self_attn.k_proj", "attn_k", GGUF_TURNED},
    {"self_attn.v_proj", "attn_v", GGUF_WHOLE},
    {"self_attn.o_proj", "attn_output", GGUF_WHOLE},
    {"self_attn.q_norm", "attn_q_norm", GGUF_WHOLE},
    {"self_attn.k_norm", "attn_k_norm", GGUF_WHOLE},
    {"self_attn.q_a_proj", "attn_q_a", GGUF_WHOLE},
    {"self_attn.q_a_layernorm", "attn_q_a_norm", GGUF_WHOLE},
    {"self_attn.q_b_proj", "attn_q_b", GGUF_WHOLE},
    {"self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa", GGUF_WHOLE},
    {"self_attn.kv_a_layernorm", "attn_kv_a_norm", GGUF_WHOLE},
    {"self_attn.kv_b_proj", "attn_kv_b", GGUF_HEADS},
    {"post_attention_layernorm", "ffn_norm", GGUF_WHOLE},
    {"mlp.gate_proj", "ffn_gate", GGUF_WHOLE},
    {"mlp.up_proj", "ffn_up", GGUF_WHOLE},
    {"mlp.down_proj", "ffn_down", GGUF_WHOLE},
    {"mlp.gate", "ffn_gate_inp", GGUF_WHOLE},
    {"mlp.shared_experts.gate_proj", "ffn_gate_shexp", GGUF_WHOLE},
    {"mlp.shared_experts.up_proj", "ffn_up_shexp", GGUF_WHOLE},
    {"mlp.shared_experts.down_proj", "ffn_down_shexp", GGUF_WHOLE},
    {NULL, NULL, GGUF_WHOLE},
};

static const Stem of_experts[] = {
    {"gate_proj", "ffn_gate_exps", GGUF_EXPERT},
    {"up_proj", "ffn_up_exps", GGUF_EXPERT},
    {"down_proj", "ffn_down_exps", GGUF_EXPERT},
    {NULL, NULL, GGUF_WHOLE},
};

// name is "STEM.weight" or "STEM.bias"; *end is what follows the stem.
static const Stem *find_stem(const Stem *table, const char *name, const char **end) {
  const char *dot = strrchr(name, '.');
  if (!dot || (strcmp(dot, ".weight") != 0 && strcmp(dot, ".bias") != 0)) return NULL;
  *end = dot;
  for (; table->hf; table++)
    if (strlen(table->hf) == (size_t)(dot - name) && strncmp(table->hf, name, (size_t)(dot - name)) == 0) return table;
  return NULL;
}

// Passes "PREFIX7." and gives the 7.
static bool take_index(const char **name, const char *prefix, int64_t *out) {
  const char *at = *name;
  if (!number_take(&at, prefix, out) || *at != '.') return false;
  *name = at + 1;
  return true;
}

static bool place_expert(int64_t layer, const char *name, GgufPlace *out) {
  int64_t expert;
  const char *end;
  if (!take_index(&name, "mlp.experts.", &expert)) return false;
  const Stem *s = find_stem(of_experts, name, &end);
  if (!s) return false;
  out->how = s->how;
  out->expert = expert;
  snprintf(out->name, sizeof out->name, "blk.%lld.%s%s", (long long)layer, s->gguf, end);
  return true;
}

bool gguf_place(GgufArch arch, const ModelConfig *c, const char *param, GgufPlace *out) {
  int64_t layer;
  const char *name = param, *end;
  *out = (GgufPlace){.how = GGUF_WHOLE};
  if (!take_index(&name, "model.layers.", &layer)) {
    const Stem *s = find_stem(outside, param, &end);
    if (s) snprintf(out->name, sizeof out->name, "%s%s", s->gguf, end);
    return s != NULL;
  }
  if (layer >= c->model.layers) return false;  // multi-token prediction
  if (strcmp(name, "mlp.gate.e_score_correction_bias") == 0) {
    snprintf(out->name, sizeof out->name, "blk.%lld.exp_probs_b.bias", (long long)layer);
    return true;
  }
  const Stem *s = find_stem(of_layers, name, &end);
  if (!s) return place_expert(layer, name, out);
  out->how = s->how == GGUF_TURNED && arch != GGUF_LLAMA ? GGUF_WHOLE : s->how;
  out->heads = strcmp(s->gguf, "attn_k") == 0 ? c->attention.kv_heads : c->attention.heads;
  snprintf(out->name, sizeof out->name, "blk.%lld.%s%s", (long long)layer, s->gguf, end);
  if (out->how == GGUF_HEADS) {
    snprintf(out->key, sizeof out->key, "blk.%lld.attn_k_b%s", (long long)layer, end);
    snprintf(out->value, sizeof out->value, "blk.%lld.attn_v_b%s", (long long)layer, end);
  }
  return true;
}

int64_t gguf_turned_row(int64_t row, int64_t per_head) {
  int64_t half = per_head / 2, within = row % per_head;
  return row - within + 2 * (within % half) + within / half;
}

void gguf_rope_factors(const ModelConfig *c, float *factor) {
  double plain[GGUF_ROPE_FACTORS_MAX], stretched[GGUF_ROPE_FACTORS_MAX], ignored;
  RotarySpec spec = model_rotary_spec(c);
  assert(spec.d / 2 <= GGUF_ROPE_FACTORS_MAX);
  rotary_frequencies(&spec, stretched, &ignored);
  spec.scaling = ROPE_PLAIN;
  rotary_frequencies(&spec, plain, &ignored);
  for (int64_t i = 0; i < spec.d / 2; i++) factor[i] = (float)(plain[i] / stretched[i]);
}

double gguf_yarn_factor(double factor) { return 0.1 * log(factor) + 1; }

double gguf_telechat3_factor(double factor) { return (0.07 * log(factor) + 1) / gguf_yarn_factor(factor); }
