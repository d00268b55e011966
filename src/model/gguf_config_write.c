// A configuration as key-values, by way of its config.json.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "model/gguf_arch.h"
#include "model/gguf_files.h"
#include "model/hf_config.h"

typedef struct {
  GgufWriter *w;
  const ModelConfig *c;
  GgufArch arch;
  char key[128];
} Writer;

static const char *full_key(Writer *o, const char *key) {
  snprintf(o->key, sizeof o->key, "%s.%s", gguf_arch_names[o->arch], key);
  return o->key;
}

static Err put_int(Writer *o, const char *key, int64_t v) { return gguf_put_u32(o->w, full_key(o, key), (uint32_t)v); }
static Err put_real(Writer *o, const char *key, double v) { return gguf_put_f32(o->w, full_key(o, key), (float)v); }

// llama.cpp's llama takes any bias of attention and feed-forward, its qwen2 those of q, k and v, the others none.
static bool has_biases_of_no_form(const ModelConfig *c) {
  GgufArch arch = gguf_arch_of(c->model.family);
  bool inner = c->model.up_bias || c->model.down_bias || c->attention.out_bias;
  return arch != GGUF_LLAMA && (inner || (c->attention.qkv_bias && arch != GGUF_QWEN2));
}

static bool has_groups_of_no_form(const ModelConfig *c) { return c->moe.experts > 0 && c->moe.groups > 1 && c->moe.group_max; }

static Err check_rope(const ModelConfig *c) {
  int scaling = c->rope.scaling;
  bool mla = config_is_mla(c), dynamic = scaling == ROPE_DYNAMIC_NTK || scaling == ROPE_DYNAMIC;
  bool of_gqa = scaling == ROPE_LINEAR || scaling == ROPE_LLAMA3 || (scaling == ROPE_YARN && c->rope.attention_factor > 0);
  CHECK(!dynamic && !(mla && of_gqa), ERR_CONFIG, "rope.scaling %s%s has no form in GGUF%s; export to hf",
        rope_scaling_names[scaling], scaling == ROPE_YARN ? " with rope.attention_factor" : "",
        dynamic ? "" : " with latent attention");
  CHECK(
      scaling != ROPE_YARN || !mla || (c->rope.mscale == c->rope.mscale_all && c->rope.mscale > 0), ERR_CONFIG,
      "rope.mscale %g and rope.mscale_all %g have no form in GGUF with latent attention; only where they are equal and above 0",
      c->rope.mscale, c->rope.mscale_all);
  CHECK(scaling != ROPE_LLAMA3 || config_head_dim(c) <= 2 * GGUF_ROPE_FACTORS_MAX, ERR_CONFIG,
        "attention.head_dim %lld has no form in GGUF with rope.scaling llama3; at most %d is wanted",
        (long long)config_head_dim(c), 2 * GGUF_ROPE_FACTORS_MAX);
  CHECK(mla || scaling != ROPE_YARN || (c->rope.mscale == 0 && c->rope.mscale_all == 0), ERR_CONFIG,
        "rope.mscale %g and rope.mscale_all %g have no form in GGUF", c->rope.mscale, c->rope.mscale_all);
  return ERR_OK;
}

Err gguf_config_check(const ModelConfig *c) {
  const char *what = c->model.embedding_size         ? "a factorised embedding (model.embedding_size)"
                     : c->attention.layers_group > 1 ? "attention shared by layers (attention.layers_group)"
                     : has_biases_of_no_form(c)      ? "biases of projections"
                     : has_groups_of_no_form(c)      ? "groups of experts by the best of each (moe.group_max)"
                                                     : NULL;
  CHECK(gguf_arch_of(c->model.family) < GGUF_ARCHS && !what, ERR_CONFIG,
        "%s%s has no form in GGUF; llama, telechat3, qwen2, qwen3, deepseek_v2 and deepseek_v3 have; export to hf",
        what ? what : "model.family ", what ? "" : family_names[c->model.family]);
  return check_rope(c);
}

static Err put_table(Writer *o, const json_t *hf) {
  for (const GgufKey *k = gguf_keys; k->gguf; k++) {
    const json_t *v = json_object_get(hf, k->hf);
    if (!(k->archs >> o->arch & 1) || !v || json_is_null(v)) continue;
    if (k->kind == GGUF_KEY_INT) TRY(put_int(o, k->gguf, json_integer_value(v)));
    if (k->kind == GGUF_KEY_REAL) TRY(put_real(o, k->gguf, json_number_value(v)));
    if (k->kind == GGUF_KEY_BOOL) TRY(gguf_put_bool(o->w, full_key(o, k->gguf), json_is_true(v)));
  }
  return ERR_OK;
}

static Err put_heads(Writer *o) {
  const ModelConfig *c = o->c;
  if (!config_is_mla(c)) {
    int64_t dim = config_head_dim(c);
    TRY(put_int(o, "attention.key_length", dim));
    TRY(put_int(o, "attention.value_length", dim));
    return put_int(o, "rope.dimension_count", dim);
  }
  TRY(put_int(o, "attention.head_count_kv", 1));  // the latent is one key for all heads
  TRY(put_int(o, "attention.key_length", c->mla.kv_rank + c->mla.rope));
  TRY(put_int(o, "attention.value_length", c->mla.kv_rank));
  TRY(put_int(o, "attention.key_length_mla", c->mla.nope + c->mla.rope));
  TRY(put_int(o, "attention.value_length_mla", c->mla.v));
  return put_int(o, "expert_gating_func", c->moe.scoring == SCORE_SIGMOID ? 2 : 1);
}

static Err put_yarn(Writer *o) {
  const ModelConfig *c = o->c;
  TRY(put_int(o, "rope.scaling.original_context_length", c->rope.original_length));
  TRY(put_real(o, "rope.scaling.yarn_beta_fast", c->rope.beta_fast));
  TRY(put_real(o, "rope.scaling.yarn_beta_slow", c->rope.beta_slow));
  double by_hand = c->rope.scaling == ROPE_TELECHAT3_YARN ? gguf_telechat3_factor(c->rope.factor)
                                                          : c->rope.attention_factor / gguf_yarn_factor(c->rope.factor);
  if (by_hand > 0) TRY(put_real(o, "rope.scaling.attn_factor", by_hand));
  return config_is_mla(c) ? put_real(o, "rope.scaling.yarn_log_multiplier", 0.1 * c->rope.mscale_all) : ERR_OK;
}

static Err put_rope(Writer *o) {
  const ModelConfig *c = o->c;
  bool linear = c->rope.scaling == ROPE_LINEAR, yarn = c->rope.scaling == ROPE_YARN || c->rope.scaling == ROPE_TELECHAT3_YARN;
  if (!linear && !yarn) return ERR_OK;  // llama3's is a tensor
  const char *type = linear ? "linear" : "yarn";
  TRY(gguf_put_text(o->w, full_key(o, "rope.scaling.type"), type, strlen(type)));
  TRY(put_real(o, "rope.scaling.factor", c->rope.factor));
  return yarn ? put_yarn(o) : ERR_OK;
}

Err gguf_config_put(GgufWriter *w, const ModelConfig *c, const char *name) {
  TRY(gguf_config_check(c));
  Writer o = {.w = w, .c = c, .arch = gguf_arch_of(c->model.family)};
  json_t *hf;
  TRY(hf_config_make(c, DT_F32, &hf));
  Err err = ERR_OK;
  TRY_OUT(gguf_put_text(w, "general.architecture", gguf_arch_names[o.arch], strlen(gguf_arch_names[o.arch])));
  TRY_OUT(gguf_put_text(w, "general.type", "model", 5));
  TRY_OUT(gguf_put_text(w, "general.name", name, strlen(name)));
  TRY_OUT(put_table(&o, hf));
  TRY_OUT(put_int(&o, "vocab_size", c->model.vocab));
  TRY_OUT(put_heads(&o));
  TRY_OUT(put_rope(&o));
out:
  json_decref(hf);
  return err;
}
