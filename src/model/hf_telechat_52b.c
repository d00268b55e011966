#include "model/hf_telechat_52b.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// A key is one of Llama's, has only some value, or says nothing of what is computed.
typedef struct {
  const char *key, *llama;
  const char *only, *why;  // only: JSON
  bool wanted;             // its absence would mean something else
} Key;

static const Key keys[] = {
    {"vocab_size", "vocab_size", NULL, NULL, true},
    {"n_embd", "hidden_size", NULL, NULL, true},
    {"n_layer", "num_hidden_layers", NULL, NULL, true},
    {"n_head", "num_attention_heads", NULL, NULL, true},
    {"n_inner", "intermediate_size", NULL, NULL, true},
    {"n_positions", "max_position_embeddings", NULL, NULL, true},
    {"layer_norm_epsilon", "rms_norm_eps", NULL, NULL, true},
    {"rotary_theta", "rope_theta", NULL, NULL, true},
    {"tie_word_embeddings", "tie_word_embeddings", NULL, NULL, true},
    {"initializer_range", "initializer_range", NULL, NULL, false},
    {"bos_token_id", "bos_token_id", NULL, NULL, false},
    {"eos_token_id", "eos_token_id", NULL, NULL, false},
    {"pad_token_id", "pad_token_id", NULL, NULL, false},
    {"torch_dtype", "torch_dtype", NULL, NULL, false},
    {"activation_function", NULL, "\"silu\"", "feed-forwards here are SwiGLU", true},
    {"relative_encoding", NULL, "\"rotary\"", "positions here are rotary", true},
    {"rotary_use_xpos", NULL, "false", "no released model scales queries and keys by position", true},
    {"use_RMSNorm", NULL, "true", "norms here have no mean", true},
    {"add_bias_linear", NULL, "false", "no released model of this class has biases", true},
    {"scale_attn_weights", NULL, "true", "scores here are divided by the root of a head's width", false},
    {"input_mult", NULL, "1.0", "no released model multiplies its embeddings", false},
    {"use_mup", NULL, NULL, NULL, false},  // with the two after it: hf_logit_factor
    {"mup_scale_factor", NULL, NULL, NULL, false},
    {"output_mult", NULL, NULL, NULL, false},
    {"mup_base_width", NULL, NULL, NULL, false},
    {"model_type", NULL, NULL, NULL, false},
    {"architectures", NULL, NULL, NULL, false},
    {"auto_map", NULL, NULL, NULL, false},
    {"attn_pdrop", NULL, NULL, NULL, false},
    {"embd_pdrop", NULL, NULL, NULL, false},
    {"resid_pdrop", NULL, NULL, NULL, false},
    {"enable_flash_attn", NULL, NULL, NULL, false},
    {"reorder_and_upcast_attn", NULL, NULL, NULL, false},
    {"rotary_xpos_scale_base", NULL, NULL, NULL, false},
    {"scale_attn_by_inverse_layer_idx", NULL, NULL, NULL, false},
    {"sep_token_id", NULL, NULL, NULL, false},
    {"summary_activation", NULL, NULL, NULL, false},
    {"summary_first_dropout", NULL, NULL, NULL, false},
    {"summary_proj_to_labels", NULL, NULL, NULL, false},
    {"summary_type", NULL, NULL, NULL, false},
    {"summary_use_proj", NULL, NULL, NULL, false},
    {"tokenizer_class", NULL, NULL, NULL, false},
    {"transformers_version", NULL, NULL, NULL, false},
    {"unk_token_id", NULL, NULL, NULL, false},
    {"use_cache", NULL, NULL, NULL, false},
};
enum { N_KEYS = sizeof keys / sizeof keys[0] };

bool hf_is_telechat_52b(const json_t *hf) {
  const char *type = json_string_value(json_object_get(hf, "model_type"));
  return type && strcmp(type, "telechat") == 0 && json_object_get(hf, "n_embd");
}

static Err check_only(const Key *k, const json_t *value, const char *where) {
  json_t *only = json_loads(k->only, JSON_DECODE_ANY, NULL);
  bool same = json_equal(only, value) ||
              (json_is_number(only) && json_is_number(value) && fabs(json_number_value(only) - json_number_value(value)) <= 0);
  json_decref(only);
  if (same) return ERR_OK;
  char *got = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
  Err err = ERR_HERE(ERR_CONFIG, "%s: \"%s\" is %.60s; of TeleChat-52B only %s can be read: %s", where, k->key, got ? got : "?",
                     k->only, k->why);
  free(got);
  return err;
}

static Err take_keys(const json_t *hf, const char *where, json_t *llama) {
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)hf, name, value) {
    int i = 0;
    while (i < N_KEYS && strcmp(keys[i].key, name) != 0) i++;
    CHECK(i < N_KEYS, ERR_CONFIG,
          "%s: \"%.60s\" is not a known key of TeleChat-52B, and may change the model; remove it if not", where, name);
    if (keys[i].only) TRY(check_only(&keys[i], value, where));
    if (keys[i].llama) json_object_set(llama, keys[i].llama, value);
  }
  for (int i = 0; i < N_KEYS; i++)
    CHECK(!keys[i].wanted || json_object_get(hf, keys[i].key), ERR_CONFIG,
          "%s: \"%s\" is missing; the class of TeleChat-52B has another model's number for it; add what the weights were made "
          "with",
          where, keys[i].key);
  return ERR_OK;
}

Err hf_telechat_52b_as_llama(const json_t *hf, const char *where, json_t **llama) {
  double factor;
  TRY(hf_logit_factor(hf, where, &factor));
  *llama = json_pack("{s:s}", "model_type", "llama");
  CHECK(*llama, ERR_MEMORY, "%s: no memory", where);
  Err err = take_keys(hf, where, *llama);
  if (err) json_decref(*llama);
  return err;
}

Err hf_logit_factor(const json_t *hf, const char *where, double *factor) {
  bool mup;
  double scale, output;
  *factor = 1;
  if (!hf_is_telechat_52b(hf)) return ERR_OK;
  TRY(json_bool_or(hf, "use_mup", where, false, &mup));
  TRY(json_number_or(hf, "mup_scale_factor", where, 1, &scale));
  TRY(json_number_or(hf, "output_mult", where, 1, &output));
  if (mup) *factor = output / scale;
  CHECK(*factor > 0 && isfinite(*factor), ERR_CONFIG,
        "%s: \"output_mult\" %g and \"mup_scale_factor\" %g; the logits are multiplied with the one over the other, which must "
        "be positive",
        where, output, scale);
  return ERR_OK;
}
