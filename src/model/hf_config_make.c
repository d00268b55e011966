// Writing config.json.
#include <stdlib.h>

#include "model/hf_config.h"

static const char *const architectures[FAMILIES] = {"DeepseekV3ForCausalLM", "LlamaForCausalLM", "Telechat3ForCausalLM"};

// A family's name promises a structure; what it does not have cannot be written under it.
static Err check_family(const ModelConfig *c) {
  const char *name = family_names[c->model.family];
  if (c->model.family == FAMILY_DEEPSEEK_V3) {
    CHECK(config_is_mla(c), ERR_CONFIG,
          "a model_type %s has latent attention, and mla.kv_rank is 0; only model.family llama or telechat3 has grouped-query "
          "attention",
          name);
    CHECK(c->moe.experts == 0 || c->moe.scoring == SCORE_SIGMOID, ERR_CONFIG, "a model_type %s has moe.scoring sigmoid", name);
    CHECK(c->rope.scaling != ROPE_TELECHAT3_YARN, ERR_CONFIG, "a model_type %s has no rope.scaling telechat3-yarn", name);
    return ERR_OK;
  }
  CHECK(!config_is_mla(c), ERR_CONFIG,
        "a model_type %s has no latent attention (mla.kv_rank is %lld); model.family deepseek_v3 has", name,
        (long long)c->mla.kv_rank);
  CHECK(c->moe.experts == 0, ERR_CONFIG, "a model_type %s has no experts (moe.experts is %lld); model.family deepseek_v3 has",
        name, (long long)c->moe.experts);
  CHECK(c->rope.scaling != ROPE_TELECHAT3_YARN || c->model.family == FAMILY_TELECHAT3, ERR_CONFIG,
        "a model_type %s has no rope.scaling telechat3-yarn; model.family telechat3 has", name);
  return ERR_OK;
}

static json_t *token(int64_t id) { return id < 0 ? json_null() : json_integer(id); }

static json_t *rope_scaling(const ModelConfig *c) {
  if (c->rope.scaling == ROPE_PLAIN) return json_null();
  const char *name = rope_scaling_names[c->rope.scaling];
  json_t *rope = json_pack("{s:s, s:s, s:f, s:I, s:f, s:f}", "type", name, "rope_type", name, "factor", c->rope.factor,
                           "original_max_position_embeddings", (json_int_t)c->rope.original_length, "beta_fast",
                           c->rope.beta_fast, "beta_slow", c->rope.beta_slow);
  int bad = 0;
  if (rope && c->rope.mscale > 0) bad |= json_object_set_new(rope, "mscale", json_real(c->rope.mscale));
  if (rope && c->rope.mscale_all > 0) bad |= json_object_set_new(rope, "mscale_all_dim", json_real(c->rope.mscale_all));
  if (!bad) return rope;
  json_decref(rope);
  return NULL;
}

static json_t *mla_keys(const ModelConfig *c) {
  return json_pack("{s:o, s:I, s:I, s:I, s:I}", "q_lora_rank", c->mla.q_rank ? json_integer(c->mla.q_rank) : json_null(),
                   "kv_lora_rank", (json_int_t)c->mla.kv_rank, "qk_nope_head_dim", (json_int_t)c->mla.nope, "qk_rope_head_dim",
                   (json_int_t)c->mla.rope, "v_head_dim", (json_int_t)c->mla.v);
}

static json_t *moe_keys(const ModelConfig *c) {
  // Without experts every layer comes before the first with experts, and no class ever makes one.
  int64_t first = c->moe.experts ? c->moe.first_dense : c->model.layers;
  return json_pack("{s:i, s:I, s:i, s:I, s:I, s:I, s:I, s:b, s:I, s:f, s:s, s:I, s:s, s:I}", "ep_size", 1,
                   "first_k_dense_replace", (json_int_t)first, "moe_layer_freq", 1, "moe_intermediate_size",
                   (json_int_t)c->moe.ffn, "n_group", (json_int_t)c->moe.groups, "n_routed_experts", (json_int_t)c->moe.experts,
                   "n_shared_experts", (json_int_t)c->moe.shared, "norm_topk_prob", c->moe.normalise, "num_experts_per_tok",
                   (json_int_t)c->moe.top_k, "routed_scaling_factor", c->moe.scale, "scoring_func", "sigmoid", "topk_group",
                   (json_int_t)c->moe.top_groups, "topk_method", "noaux_tc", "num_nextn_predict_layers",
                   (json_int_t)c->mtp.layers);
}

static json_t *common_keys(const ModelConfig *c, Dtype type) {
  return json_pack(
      "{s:[s], s:b, s:f, s:o, s:o, s:o, s:s, s:I, s:f, s:I, s:I, s:s, s:I, s:I, s:I, s:f, s:o, s:f, s:b, s:s, s:b, s:I}",
      "architectures", architectures[c->model.family], "attention_bias", 0, "attention_dropout", 0.0, "bos_token_id",
      token(c->model.bos), "eos_token_id", token(c->model.eos), "pad_token_id", token(c->model.pad), "hidden_act", "silu",
      "hidden_size", (json_int_t)c->model.width, "initializer_range", c->model.init_std, "intermediate_size",
      (json_int_t)c->model.ffn, "max_position_embeddings", (json_int_t)c->model.max_length, "model_type",
      family_names[c->model.family], "num_attention_heads", (json_int_t)c->attention.heads, "num_hidden_layers",
      (json_int_t)c->model.layers, "num_key_value_heads",
      (json_int_t)(config_is_mla(c) ? c->attention.heads : c->attention.kv_heads), "rms_norm_eps", c->model.norm_eps,
      "rope_scaling", rope_scaling(c), "rope_theta", c->rope.theta, "tie_word_embeddings", c->model.tied, "torch_dtype",
      type == DT_BF16 ? "bfloat16" : "float32", "use_cache", 1, "vocab_size", (json_int_t)c->model.vocab);
}

static Err sorted(json_t *from, json_t **out) {
  char *text = from ? json_dumps(from, JSON_SORT_KEYS) : NULL;
  *out = text ? json_loads(text, 0, NULL) : NULL;
  free(text);
  json_decref(from);
  CHECK(*out, ERR_MEMORY, "no memory for a config.json");
  return ERR_OK;
}

Err hf_config_make(const ModelConfig *c, Dtype type, json_t **hf) {
  *hf = NULL;
  TRY(model_config_check(c, "config.json"));
  TRY(check_family(c));
  json_t *all = common_keys(c, type);
  bool bad = !all;
  if (all && c->model.family == FAMILY_DEEPSEEK_V3) {
    bad |= json_object_update_new(all, mla_keys(c)) != 0;
    bad |= json_object_update_new(all, moe_keys(c)) != 0;
  } else if (all) {
    bad |= json_object_set_new(all, "head_dim", json_integer(config_head_dim(c))) != 0;
    bad |= json_object_set_new(all, "mlp_bias", json_false()) != 0;
  }
  if (bad) {
    json_decref(all);
    all = NULL;
  }
  return sorted(all, hf);
}
