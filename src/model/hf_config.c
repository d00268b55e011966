#include "model/hf_config.h"

#include <stdlib.h>
#include <string.h>

// Reading is one walk over a table of keys, so that each key has exactly one fate. Writing is in hf_config_make.c.

typedef enum {
  KEY_INT,    // an integer of ModelConfig
  KEY_COUNT,  // the same where null is 0
  KEY_REAL,
  KEY_BOOL,
  KEY_TOKEN,   // a token id; null: none; of a list the first
  KEY_ONLY,    // one of the JSON values in `only`, separated by |
  KEY_ROPE,    // read by read_rope
  KEY_LAYERS,  // read by its own function
  KEY_NOTHING  // no effect on what is computed here
} KeyKind;

enum { IN_DEEPSEEK = 1 << FAMILY_DEEPSEEK_V3, IN_LLAMA = 1 << FAMILY_LLAMA, IN_TELECHAT3 = 1 << FAMILY_TELECHAT3 };
enum { IN_DENSE = IN_LLAMA | IN_TELECHAT3, IN_ALL = IN_DEEPSEEK | IN_DENSE };
#define WANTED (-1e300)  // no default: the key must be there

typedef struct {
  const char *key;
  unsigned families;
  KeyKind kind;
  size_t offset;
  double fallback;   // when the key is absent
  const char *only;  // KEY_ONLY: values; and why others are refused
  const char *why;
} Key;

#define AT(member) offsetof(ModelConfig, member)
#define TAKE(key, families, kind, member, fallback) \
  { key, families, kind, AT(member), fallback, NULL, NULL }
#define ONLY(key, families, values, why) \
  { key, families, KEY_ONLY, 0, 0, values, why }
#define NOTHING(key) \
  { key, IN_ALL, KEY_NOTHING, 0, 0, NULL, NULL }

static const Key keys[] = {
    TAKE("vocab_size", IN_ALL, KEY_INT, model.vocab, WANTED),
    TAKE("hidden_size", IN_ALL, KEY_INT, model.width, WANTED),
    TAKE("intermediate_size", IN_ALL, KEY_INT, model.ffn, WANTED),
    TAKE("num_hidden_layers", IN_ALL, KEY_INT, model.layers, WANTED),
    TAKE("num_attention_heads", IN_ALL, KEY_INT, attention.heads, WANTED),
    TAKE("num_key_value_heads", IN_ALL, KEY_COUNT, attention.kv_heads, 0),  // 0 until the heads are known
    TAKE("head_dim", IN_DENSE, KEY_COUNT, attention.head_dim, 0),
    {"head_dim", IN_DEEPSEEK, KEY_NOTHING, 0, 0, NULL, NULL},  // some versions write the rotary width here
    TAKE("max_position_embeddings", IN_DEEPSEEK, KEY_INT, model.max_length, 4096),
    TAKE("max_position_embeddings", IN_DENSE, KEY_INT, model.max_length, 2048),
    TAKE("rms_norm_eps", IN_ALL, KEY_REAL, model.norm_eps, 1e-6),
    TAKE("initializer_range", IN_ALL, KEY_REAL, model.init_std, 0.02),
    TAKE("tie_word_embeddings", IN_ALL, KEY_BOOL, model.tied, 0),
    TAKE("bos_token_id", IN_DEEPSEEK, KEY_TOKEN, model.bos, 0),
    TAKE("bos_token_id", IN_DENSE, KEY_TOKEN, model.bos, 1),
    TAKE("eos_token_id", IN_DEEPSEEK, KEY_TOKEN, model.eos, 1),
    TAKE("eos_token_id", IN_DENSE, KEY_TOKEN, model.eos, 2),
    TAKE("pad_token_id", IN_ALL, KEY_TOKEN, model.pad, -1),
    TAKE("q_lora_rank", IN_DEEPSEEK, KEY_COUNT, mla.q_rank, 1536),
    TAKE("kv_lora_rank", IN_DEEPSEEK, KEY_INT, mla.kv_rank, 512),
    TAKE("qk_nope_head_dim", IN_DEEPSEEK, KEY_INT, mla.nope, 128),
    TAKE("qk_rope_head_dim", IN_DEEPSEEK, KEY_INT, mla.rope, 64),
    TAKE("v_head_dim", IN_DEEPSEEK, KEY_INT, mla.v, 128),
    TAKE("n_routed_experts", IN_DEEPSEEK, KEY_COUNT, moe.experts, 256),
    TAKE("num_experts_per_tok", IN_DEEPSEEK, KEY_COUNT, moe.top_k, 8),
    TAKE("n_shared_experts", IN_DEEPSEEK, KEY_COUNT, moe.shared, 1),
    TAKE("moe_intermediate_size", IN_DEEPSEEK, KEY_COUNT, moe.ffn, 2048),
    TAKE("first_k_dense_replace", IN_DEEPSEEK, KEY_COUNT, moe.first_dense, 3),
    TAKE("n_group", IN_DEEPSEEK, KEY_COUNT, moe.groups, 8),
    TAKE("topk_group", IN_DEEPSEEK, KEY_COUNT, moe.top_groups, 4),
    TAKE("norm_topk_prob", IN_DEEPSEEK, KEY_BOOL, moe.normalise, 1),
    TAKE("routed_scaling_factor", IN_DEEPSEEK, KEY_REAL, moe.scale, 2.5),
    TAKE("num_nextn_predict_layers", IN_DEEPSEEK, KEY_COUNT, mtp.layers, 0),
    {"rope_theta", IN_ALL, KEY_ROPE, 0, 0, NULL, NULL},
    {"rope_scaling", IN_ALL, KEY_ROPE, 0, 0, NULL, NULL},
    {"rope_parameters", IN_ALL, KEY_ROPE, 0, 0, NULL, NULL},
    {"moe_layer_freq", IN_DEEPSEEK, KEY_LAYERS, 0, 0, NULL, NULL},
    {"layer_types", IN_ALL, KEY_LAYERS, 0, 0, NULL, NULL},
    ONLY("model_type", IN_ALL, "\"deepseek_v3\"|\"llama\"|\"telechat3\"", "other kinds are not read"),
    ONLY("hidden_act", IN_ALL, "\"silu\"|\"swish\"", "feed-forwards here are SwiGLU"),
    ONLY("attention_bias", IN_ALL, "false|null", "attention here has no biases"),
    ONLY("mlp_bias", IN_DENSE, "false|null", "feed-forwards here have no biases"),
    ONLY("scoring_func", IN_DEEPSEEK, "\"sigmoid\"|null", "routers of this family score by sigmoid"),
    ONLY("topk_method", IN_DEEPSEEK, "\"noaux_tc\"|null", "experts are chosen with a selection bias"),
    ONLY("seq_aux", IN_DEEPSEEK, "true|null", "the balance loss here is per sequence"),
    ONLY("rope_interleave", IN_DEEPSEEK, "true|null", "latent attention here turns neighbouring pairs"),
    ONLY("partial_rotary_factor", IN_ALL, "1|1.0|null", "the whole rotary width is turned"),
    ONLY("sliding_window", IN_ALL, "null", "attention here is over the whole sequence"),
    ONLY("use_sliding_window", IN_ALL, "false|null", "attention here is over the whole sequence"),
    ONLY("embedding_size", IN_TELECHAT3, "null", "factorised embeddings are not read yet"),
    ONLY("layers_group", IN_TELECHAT3, "0|1|null", "attention shared by layers is not read yet"),
    ONLY("quantization_config", IN_ALL, "null", "weights are read as F32, BF16 or F16; convert them first"),
    ONLY("is_encoder_decoder", IN_ALL, "false|null", "this is a decoder"),
    ONLY("add_cross_attention", IN_ALL, "false|null", "this is a decoder"),
    ONLY("pruned_heads", IN_ALL, "{}|null", "all heads are used"),
    NOTHING("architectures"),
    NOTHING("auto_map"),
    NOTHING("transformers_version"),
    NOTHING("_name_or_path"),
    NOTHING("torch_dtype"),
    NOTHING("dtype"),
    NOTHING("torchscript"),
    NOTHING("use_bfloat16"),
    NOTHING("use_cache"),
    NOTHING("pretraining_tp"),
    NOTHING("ep_size"),
    NOTHING("aux_loss_alpha"),
    NOTHING("router_aux_loss_coef"),
    NOTHING("output_router_logits"),
    NOTHING("attention_dropout"),
    NOTHING("hidden_dropout"),
    NOTHING("qk_head_dim"),
    NOTHING("max_window_layers"),
    NOTHING("attn_implementation"),
    NOTHING("_attn_implementation_autoset"),
    NOTHING("is_decoder"),
    NOTHING("cross_attention_hidden_size"),
    NOTHING("tie_encoder_decoder"),
    NOTHING("chunk_size_feed_forward"),
    NOTHING("return_dict"),
    NOTHING("output_hidden_states"),
    NOTHING("output_attentions"),
    NOTHING("tf_legacy_loss"),
    NOTHING("finetuning_task"),
    NOTHING("id2label"),
    NOTHING("label2id"),
    NOTHING("num_labels"),
    NOTHING("problem_type"),
    NOTHING("task_specific_params"),
    NOTHING("tokenizer_class"),
    NOTHING("prefix"),
    NOTHING("sep_token_id"),
    NOTHING("unk_token_id"),
    NOTHING("decoder_start_token_id"),
    NOTHING("max_length"),
    NOTHING("min_length"),
    NOTHING("do_sample"),
    NOTHING("early_stopping"),
    NOTHING("num_beams"),
    NOTHING("num_beam_groups"),
    NOTHING("diversity_penalty"),
    NOTHING("temperature"),
    NOTHING("top_k"),
    NOTHING("top_p"),
    NOTHING("typical_p"),
    NOTHING("repetition_penalty"),
    NOTHING("length_penalty"),
    NOTHING("no_repeat_ngram_size"),
    NOTHING("encoder_no_repeat_ngram_size"),
    NOTHING("bad_words_ids"),
    NOTHING("num_return_sequences"),
    NOTHING("output_scores"),
    NOTHING("return_dict_in_generate"),
    NOTHING("forced_bos_token_id"),
    NOTHING("forced_eos_token_id"),
    NOTHING("remove_invalid_values"),
    NOTHING("exponential_decay_length_penalty"),
    NOTHING("suppress_tokens"),
    NOTHING("begin_suppress_tokens")};
enum { N_KEYS = sizeof keys / sizeof keys[0] };

static const Key *key_find(const char *key, unsigned family) {
  for (int i = 0; i < N_KEYS; i++)
    if ((keys[i].families & family) && strcmp(keys[i].key, key) == 0) return &keys[i];
  return NULL;
}

// The value as short JSON, for messages and comparison.
static void value_text(const json_t *value, char *out, size_t size) {
  char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
  snprintf(out, size, "%.*s", (int)size - 1, text ? text : "?");
  free(text);
}

static Err check_only(const Key *k, const json_t *value, const char *where) {
  char got[64];
  value_text(value, got, sizeof got);
  size_t n = strlen(got);
  for (const char *p = k->only; p; p = strchr(p, '|'), p = p ? p + 1 : NULL)
    if (strncmp(p, got, n) == 0 && (p[n] == '|' || p[n] == '\0')) return ERR_OK;
  FAIL(ERR_CONFIG, "%s: \"%s\" is %s; only %s can be read: %s", where, k->key, got, k->only, k->why);
}

// The range of a member is in the table of fields; the message gives the key of the file.
static Err check_range(const Key *k, double value, const char *where) {
  for (const Field *f = model_fields; f->key; f++) {
    if (f->offset != k->offset || f->type == FIELD_IS_BOOL || (k->kind == KEY_COUNT && value == 0)) continue;
    CHECK(value >= f->low && value <= f->high, ERR_CONFIG, "%s: \"%s\" is %.17g; %g to %g is possible (%s)", where, k->key,
          value, f->low, f->high, f->help);
  }
  return ERR_OK;
}

static Err read_key(const Key *k, const json_t *hf, const char *where, ModelConfig *c) {
  void *at = (char *)c + k->offset;
  const json_t *v = json_object_get(hf, k->key);
  bool absent = !v;
  CHECK(!absent || k->fallback != WANTED, ERR_CONFIG, "%s: \"%s\" is missing; it decides the model's shape", where, k->key);
  if (k->kind == KEY_BOOL) return json_bool_or(hf, k->key, where, k->fallback != 0, at);
  if (k->kind == KEY_REAL) {
    TRY(json_number_or(hf, k->key, where, k->fallback, at));
    return check_range(k, *(double *)at, where);
  }
  int64_t n = absent ? (int64_t)k->fallback : k->kind == KEY_TOKEN ? -1 : 0;
  if (k->kind == KEY_TOKEN && json_is_array(v)) {
    const json_t *first = json_array_get(v, 0);
    CHECK(!first || json_is_integer(first), ERR_FORMAT, "%s: \"%s\" is a list of something other than token ids", where,
          k->key);
    if (first) n = json_integer_value(first);
  } else if (v && !(json_is_null(v) && k->kind != KEY_INT)) {
    TRY(json_int(hf, k->key, where, &n));
  }
  TRY(check_range(k, (double)n, where));
  *(int64_t *)at = n;
  return ERR_OK;
}

// Where layers differ by a list, the list must say what the other keys say.
static Err check_layers(const json_t *hf, const char *where, const ModelConfig *c) {
  const json_t *v = json_object_get(hf, "moe_layer_freq");
  if (json_is_array(v)) {
    CHECK((int64_t)json_array_size(v) == c->model.layers, ERR_CONFIG,
          "%s: \"moe_layer_freq\" lists %zu layers, \"num_hidden_layers\" is %lld", where, json_array_size(v),
          (long long)c->model.layers);
    for (int64_t l = 0; l < c->model.layers; l++)
      CHECK(json_integer_value(json_array_get(v, (size_t)l)) == config_is_moe_layer(c, l), ERR_CONFIG,
            "%s: \"moe_layer_freq\" of layer %lld does not agree with \"first_k_dense_replace\" %lld; only dense layers before "
            "all with experts "
            "can be read",
            where, (long long)l, (long long)c->moe.first_dense);
  } else if (v && !json_is_null(v)) {
    CHECK(json_is_integer(v) && json_integer_value(v) == 1, ERR_CONFIG,
          "%s: \"moe_layer_freq\" is not 1; only experts in every layer after \"first_k_dense_replace\" can be read", where);
  }
  size_t l;
  const json_t *type;
  json_array_foreach(json_object_get(hf, "layer_types"), l, type) {
    const char *name = json_string_value(type);
    CHECK(name && strcmp(name, "full_attention") == 0, ERR_CONFIG,
          "%s: \"layer_types\" of layer %zu is %s; only full_attention can be read", where, l, name ? name : "not a string");
  }
  return ERR_OK;
}

typedef struct {
  const char *key;
  bool yarn;  // has its meaning only with a scaling
} RopeKey;
static const RopeKey rope_keys[] = {{"type", false},
                                    {"rope_type", false},
                                    {"rope_theta", false},
                                    {"partial_rotary_factor", false},
                                    {"factor", true},
                                    {"original_max_position_embeddings", true},
                                    {"beta_fast", true},
                                    {"beta_slow", true},
                                    {"mscale", true},
                                    {"mscale_all_dim", true},
                                    {"attention_factor", true},
                                    {"truncate", true}};

static Err rope_type(const json_t *rope, const char *where, const ModelConfig *c, int *scaling) {
  const char *old_name, *name;
  TRY(json_text_or(rope, "type", where, NULL, &old_name));
  TRY(json_text_or(rope, "rope_type", where, old_name ? old_name : "default", &name));
  CHECK(!old_name || strcmp(old_name, name) == 0, ERR_CONFIG,
        "%s: \"rope_type\" is \"%s\" and \"type\" is \"%s\"; they must agree", where, name, old_name);
  *scaling = ROPE_PLAIN;
  if (strcmp(name, "default") == 0) return ERR_OK;
  for (*scaling = ROPE_YARN; *scaling < ROPE_SCALINGS; ++*scaling)
    if (strcmp(name, rope_scaling_names[*scaling]) == 0) break;
  bool known = *scaling < ROPE_SCALINGS && (*scaling != ROPE_TELECHAT3_YARN || c->model.family == FAMILY_TELECHAT3);
  CHECK(known, ERR_CONFIG, "%s: rope_type \"%.40s\" cannot be read for model_type %s; it can be default, yarn%s", where, name,
        family_names[c->model.family], c->model.family == FAMILY_TELECHAT3 ? " or telechat3-yarn" : "");
  return ERR_OK;
}

static Err read_rope_object(const json_t *rope, const char *where, ModelConfig *c) {
  CHECK(json_is_object(rope), ERR_FORMAT, "%s: an object is wanted", where);
  TRY(rope_type(rope, where, c, &c->rope.scaling));
  const char *key;
  const json_t *value;
  json_object_foreach((json_t *)(uintptr_t)rope, key, value) {
    size_t i = 0, n = sizeof rope_keys / sizeof rope_keys[0];
    while (i < n && strcmp(rope_keys[i].key, key) != 0) i++;
    CHECK(i < n, ERR_CONFIG, "%s: \"%.60s\" is not known, and may change the rotary embedding; remove it if it does not", where,
          key);
  }
  TRY(json_number_or(rope, "rope_theta", where, c->rope.theta, &c->rope.theta));
  double part;
  TRY(json_number_or(rope, "partial_rotary_factor", where, 1, &part));
  CHECK(part == 1, ERR_CONFIG, "%s: \"partial_rotary_factor\" is %g; only 1 can be read", where, part);
  if (c->rope.scaling == ROPE_PLAIN) return ERR_OK;
  TRY(json_number(rope, "factor", where, &c->rope.factor));
  TRY(json_int_or(rope, "original_max_position_embeddings", where, c->model.max_length, &c->rope.original_length));
  TRY(json_number_or(rope, "beta_fast", where, 32, &c->rope.beta_fast));
  TRY(json_number_or(rope, "beta_slow", where, 1, &c->rope.beta_slow));
  bool truncate;
  TRY(json_bool_or(rope, "truncate", where, true, &truncate));
  CHECK(truncate, ERR_CONFIG, "%s: \"truncate\" is false; only whole borders of the correction range can be read", where);
  CHECK(json_is_null(json_object_get(rope, "attention_factor")) || !json_object_get(rope, "attention_factor"), ERR_CONFIG,
        "%s: \"attention_factor\" is set by hand; only the one that follows from \"factor\" and \"mscale\" can be read", where);
  if (c->rope.scaling == ROPE_TELECHAT3_YARN) return ERR_OK;  // whatever mscale says: 0.07 ln factor + 1
  TRY(json_number_or(rope, "mscale", where, 0, &c->rope.mscale));
  return json_number_or(rope, "mscale_all_dim", where, 0, &c->rope.mscale_all);
}

static Err read_rope(const json_t *hf, const char *where, ModelConfig *c) {
  c->rope.scaling = ROPE_PLAIN;
  TRY(json_number_or(hf, "rope_theta", where, 10000, &c->rope.theta));
  const json_t *scaling = json_object_get(hf, "rope_scaling"), *parameters = json_object_get(hf, "rope_parameters");
  if (json_is_null(scaling)) scaling = NULL;
  if (json_is_null(parameters)) parameters = NULL;
  CHECK(!scaling || !parameters || json_equal(scaling, parameters), ERR_CONFIG,
        "%s: \"rope_scaling\" and \"rope_parameters\" say different things; keep one", where);
  if (!scaling && !parameters) return ERR_OK;
  char place[ERR_TEXT_BYTES];
  snprintf(place, sizeof place, "%.1800s: %s", where, parameters ? "rope_parameters" : "rope_scaling");
  return read_rope_object(parameters ? parameters : scaling, place, c);
}

static bool is_set(const json_t *hf, const char *key) {
  const json_t *v = json_object_get(hf, key);
  return v && !json_is_null(v);
}

const char *hf_config_not_read_yet(const json_t *hf) {
  const char *type = json_string_value(json_object_get(hf, "model_type"));
  if (!type) return NULL;
  if (strcmp(type, "telechat") == 0)
    return is_set(hf, "num_experts") ? "TeleChat2 with experts (model_type telechat, num_experts)"
                                     : "TeleChat2 (model_type telechat)";
  if (strcmp(type, "telechat3") != 0) return NULL;
  if (is_set(hf, "embedding_size")) return "TeleChat3 with a factorised embedding (embedding_size)";
  if (json_integer_value(json_object_get(hf, "layers_group")) > 1)
    return "TeleChat3 with attention shared by layers (layers_group)";
  return NULL;
}

static Err read_family(const json_t *hf, const char *where, int *family) {
  CHECK(json_is_object(hf), ERR_FORMAT, "%s: an object of a model's configuration is wanted", where);
  const char *type, *later = hf_config_not_read_yet(hf);
  CHECK(!later, ERR_CONFIG, "%s: %s is not read yet", where, later);
  TRY(json_text(hf, "model_type", where, &type));
  for (*family = 0; *family < FAMILIES; ++*family)
    if (strcmp(type, family_names[*family]) == 0) return ERR_OK;
  FAIL(ERR_CONFIG, "%s: model_type \"%.60s\" is not known; deepseek_v3, llama and telechat3 can be read", where, type);
}

Err hf_config_read(const json_t *hf, const char *where, ModelConfig *c) {
  model_config_defaults(c);
  TRY(read_family(hf, where, &c->model.family));
  unsigned family = 1u << c->model.family;
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)hf, key, value) {
    const Key *k = key_find(key, family);
    CHECK(k, ERR_CONFIG,
          "%s: \"%.60s\" is not a known key of model_type %s, and may change the model; remove it if it does not", where, key,
          family_names[c->model.family]);
    if (k->kind == KEY_ONLY) TRY(check_only(k, value, where));
  }
  c->mla.kv_rank = c->mla.q_rank = c->moe.experts = c->mtp.layers = 0;  // what a dense family has no key for
  for (int i = 0; i < N_KEYS; i++)
    if ((keys[i].families & family) && keys[i].kind <= KEY_TOKEN) TRY(read_key(&keys[i], hf, where, c));
  if (c->attention.kv_heads == 0) c->attention.kv_heads = c->attention.heads;
  CHECK(!config_is_mla(c) || c->attention.kv_heads == c->attention.heads, ERR_CONFIG,
        "%s: \"num_key_value_heads\" is %lld and \"num_attention_heads\" %lld; with latent attention they must be equal", where,
        (long long)c->attention.kv_heads, (long long)c->attention.heads);
  if (c->moe.groups == 0) c->moe.groups = 1;
  if (c->moe.top_groups == 0) c->moe.top_groups = 1;
  TRY(json_number_or(hf, "aux_loss_alpha", where, c->moe.aux_loss, &c->moe.aux_loss));
  TRY(check_layers(hf, where, c));
  TRY(read_rope(hf, where, c));
  return model_config_check(c, where);
}

Err hf_config_load(const char *path, ModelConfig *c) {
  json_t *hf;
  TRY(json_read(&hf, path, true));
  Err err = hf_config_read(hf, path, c);
  json_decref(hf);
  return err;
}
