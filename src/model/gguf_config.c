// Key-values to a configuration, by way of the config.json that they stand for: each key has one meaning, there.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "model/gguf_arch.h"
#include "model/gguf_files.h"
#include "model/hf_config.h"

enum { KEY_BYTES = 128 };

typedef struct {
  const Gguf *g;
  GgufArch arch;
  json_t *hf;
} Reader;

static const char *full_key(const Reader *r, const char *key, char out[KEY_BYTES]) {
  snprintf(out, KEY_BYTES, "%s.%s", gguf_arch_names[r->arch], key);
  return out;
}

// Keys that other functions here read, or that say nothing about the arithmetic.
static const char *const other_keys[] = {"vocab_size",
                                         "rope.dimension_count",
                                         "attention.head_count_kv",
                                         "attention.key_length",
                                         "attention.value_length",
                                         "attention.key_length_mla",
                                         "attention.value_length_mla",
                                         "expert_gating_func",
                                         "rope.scaling.type",
                                         "rope.scaling.factor",
                                         "rope.scale_linear",
                                         "rope.scaling.original_context_length",
                                         "rope.scaling.finetuned",
                                         "rope.scaling.attn_factor",
                                         "rope.scaling.yarn_log_multiplier",
                                         "rope.scaling.yarn_beta_fast",
                                         "rope.scaling.yarn_beta_slow",
                                         "tensor_data_layout",
                                         NULL};

static bool is_known(const Reader *r, const char *key) {
  for (const GgufKey *k = gguf_keys; k->gguf; k++)
    if (k->archs >> r->arch & 1 && strcmp(k->gguf, key) == 0) return true;
  for (const char *const *k = other_keys; *k; k++)
    if (strcmp(*k, key) == 0) return true;
  return false;
}

static Err check_keys(const Reader *r) {
  const char *name = gguf_arch_names[r->arch];
  size_t n = strlen(name);
  for (int64_t i = 0; i < r->g->n_values; i++) {
    GgufText key = r->g->value[i].key;
    char rest[KEY_BYTES];
    if (key.size <= n || memcmp(key.data, name, n) != 0 || key.data[n] != '.') continue;
    snprintf(rest, sizeof rest, "%.*s", (int)(key.size - n - 1 < 100 ? key.size - n - 1 : 100), key.data + n + 1);
    CHECK(is_known(r, rest), ERR_CONFIG, "%s: the key \"%s.%s\" is not known, and may change the model", r->g->map.path, name,
          rest);
  }
  return ERR_OK;
}

// The shortest decimal that is this single: 1e-05, not 9.9999997e-06, since that is what was meant.
static double shortest(double x) {
  char text[40];
  double y = x;
  for (int digits = 6; digits < 10; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, x);
    y = strtod(text, NULL);
    if ((float)y == (float)x) break;
  }
  return y;
}

static Err real(const Reader *r, const char *key, bool needed, double *x) {
  TRY(gguf_real(r->g, key, needed, x));
  if (isfinite(*x)) *x = shortest(*x);
  return ERR_OK;
}

static Err read_key(const Reader *r, const GgufKey *k) {
  char key[KEY_BYTES];
  bool needed = isnan(k->fallback), truth = !needed && k->fallback != 0;
  int64_t n = needed ? 0 : (int64_t)k->fallback;
  double x = k->fallback;
  full_key(r, k->gguf, key);
  if (k->kind == GGUF_KEY_INT) TRY(gguf_int(r->g, key, needed, &n));
  if (k->kind == GGUF_KEY_REAL) TRY(real(r, key, needed, &x));
  if (k->kind == GGUF_KEY_BOOL) TRY(gguf_bool(r->g, key, needed, &truth));
  json_t *value = k->kind == GGUF_KEY_INT ? json_integer(n) : k->kind == GGUF_KEY_REAL ? json_real(x) : json_boolean(truth);
  CHECK(value, ERR_FORMAT, "%s: \"%s\" is %g, no number", r->g->map.path, key, x);
  json_object_set_new(r->hf, k->hf, value);
  return ERR_OK;
}

static int64_t got(const Reader *r, const char *hf_key) { return json_integer_value(json_object_get(r->hf, hf_key)); }

// A key that must say what others say already.
static Err must_be(const Reader *r, const char *key, int64_t want, const char *why) {
  char full[KEY_BYTES];
  int64_t n = want;
  TRY(gguf_int(r->g, full_key(r, key, full), false, &n));
  CHECK(n == want, ERR_CONFIG, "%s: \"%s\" is %lld; only %lld can be read: %s", r->g->map.path, full, (long long)n,
        (long long)want, why);
  return ERR_OK;
}

static Err read_heads(const Reader *r) {
  char key[KEY_BYTES];
  int64_t heads = got(r, "num_attention_heads"), width = got(r, "hidden_size"), dim = 0;
  CHECK(heads > 0, ERR_CONFIG, "%s: \"%s\" is %lld", r->g->map.path, full_key(r, "attention.head_count", key),
        (long long)heads);
  if (r->arch != GGUF_DEEPSEEK2) {
    dim = width / heads;
    TRY(gguf_int(r->g, full_key(r, "attention.key_length", key), false, &dim));
    json_object_set_new(r->hf, "head_dim", json_integer(dim));
    TRY(must_be(r, "attention.value_length", dim, "keys and values of one width"));
    return must_be(r, "rope.dimension_count", dim, "the whole head is turned");
  }
  // Older files give the widths of a head's key and value; newer ones those of the latents there, and these under names of
  // their own.
  int64_t k = 0, v = 0, rope = got(r, "qk_rope_head_dim");
  bool split = gguf_value(r->g, full_key(r, "attention.key_length_mla", key)) != NULL;
  TRY(gguf_int(r->g, full_key(r, split ? "attention.key_length_mla" : "attention.key_length", key), true, &k));
  TRY(gguf_int(r->g, full_key(r, split ? "attention.value_length_mla" : "attention.value_length", key), true, &v));
  CHECK(k > rope && rope > 0, ERR_CONFIG, "%s: a key of %lld columns with %lld turned ones", r->g->map.path, (long long)k,
        (long long)rope);
  json_object_set_new(r->hf, "qk_nope_head_dim", json_integer(k - rope));
  json_object_set_new(r->hf, "v_head_dim", json_integer(v));
  json_object_set_new(r->hf, "num_key_value_heads", json_integer(heads));
  return ERR_OK;
}

// Which family it is follows from how the experts are scored.
static Err read_family(const Reader *r) {
  enum { SOFTMAX = 1, SIGMOID = 2 };
  char key[KEY_BYTES];
  const char *type = gguf_arch_names[r->arch];
  if (r->arch == GGUF_DEEPSEEK2) {
    int64_t scoring = SOFTMAX;
    TRY(gguf_int(r->g, full_key(r, "expert_gating_func", key), false, &scoring));
    CHECK(scoring == SOFTMAX || scoring == SIGMOID, ERR_CONFIG, "%s: \"%s\" is %lld; 1 (softmax) and 2 (sigmoid) can be read",
          r->g->map.path, key, (long long)scoring);
    type = scoring == SIGMOID ? "deepseek_v3" : "deepseek_v2";
    if (scoring == SOFTMAX) TRY(must_be(r, "expert_group_count", 1, "experts scored by softmax have no groups there"));
  }
  json_object_set_new(r->hf, "model_type", json_string(type));
  return ERR_OK;
}

static Err set_reals(json_t *rope, const char *const *names, const double *values, int n) {
  for (int i = 0; i < n; i++) {
    json_t *v = json_real(values[i]);
    CHECK(v, ERR_FORMAT, "a rotary scaling with %s %g", names[i], values[i]);
    json_object_set_new(rope, names[i], v);
  }
  return ERR_OK;
}

// The factor of attention tells TeleChat3's YaRN from the usual one, which llama.cpp multiplies it with, and from one set by
// hand.
static Err read_attention_factor(const Reader *r, double factor, bool *telechat3, double *by_hand) {
  char key[KEY_BYTES];
  double got_factor = 1, want = gguf_telechat3_factor(factor);
  TRY(real(r, full_key(r, "rope.scaling.attn_factor", key), false, &got_factor));
  *telechat3 = r->arch == GGUF_LLAMA && fabs(got_factor - want) < 1e-6 && factor > 1;
  *by_hand = *telechat3 || got_factor == 1 ? 0 : shortest(got_factor * gguf_yarn_factor(factor));
  CHECK(*by_hand == 0 || (r->arch != GGUF_DEEPSEEK2 && factor > 0), ERR_CONFIG,
        "%s: \"%s\" is %g; only 1 can be read with latent attention", r->g->map.path, key, got_factor);
  return ERR_OK;
}

static Err read_yarn(const Reader *r, json_t *rope) {
  static const char *const names[] = {"factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim"};
  double v[] = {1, 32, 1, 0, 0};
  char key[KEY_BYTES];
  int64_t original = got(r, "max_position_embeddings");
  bool telechat3;
  double by_hand;
  TRY(real(r, full_key(r, "rope.scaling.factor", key), true, &v[0]));
  TRY(gguf_int(r->g, full_key(r, "rope.scaling.original_context_length", key), false, &original));
  TRY(real(r, full_key(r, "rope.scaling.yarn_beta_fast", key), false, &v[1]));
  TRY(real(r, full_key(r, "rope.scaling.yarn_beta_slow", key), false, &v[2]));
  TRY(read_attention_factor(r, v[0], &telechat3, &by_hand));
  if (by_hand != 0) TRY(set_reals(rope, (const char *const[]){"attention_factor"}, &by_hand, 1));
  bool mla = r->arch == GGUF_DEEPSEEK2;
  if (mla) {
    TRY(real(r, full_key(r, "rope.scaling.yarn_log_multiplier", key), true, &v[4]));
    v[3] = v[4] = shortest(10 * v[4]);  // the file has a tenth of it
  }
  if (telechat3) json_object_set_new(r->hf, "model_type", json_string("telechat3"));
  json_object_set_new(rope, "rope_type", json_string(telechat3 ? "telechat3-yarn" : "yarn"));
  json_object_set_new(rope, "original_max_position_embeddings", json_integer(original));
  return set_reals(rope, names, v, mla ? 5 : 3);
}

// The original length that gives a factor between none and all of the stretching: the others are those of the released models.
static int64_t llama3_original(const ModelConfig *c, const float *factor, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    double keep = (1 / (double)factor[i] - 1 / c->rope.factor) / (1 - 1 / c->rope.factor);
    double turns = c->rope.beta_slow + keep * (c->rope.beta_fast - c->rope.beta_slow);
    double original = turns * 2 * M_PI * pow(c->rope.theta, (double)i / (double)n);
    if (keep > 0.001 && keep < 0.999 && original < (double)INT32_MAX) return llround(original);
  }
  return c->rope.original_length;
}

// Llama 3's scaling is a tensor of factors, which must be those that its numbers give.
static Err read_llama3(const Reader *r, const GgufTensor *t, json_t *rope) {
  static const char *const names[] = {"factor", "low_freq_factor", "high_freq_factor"};
  enum { HALF_MAX = 1024, ORIGINAL = 8192 };
  float file[HALF_MAX], ours[HALF_MAX];
  CHECK(t->n >= 1 && t->n <= HALF_MAX && 2 * t->n == got(r, "head_dim"), ERR_CONFIG,
        "%s: " GGUF_ROPE_FREQS " has %lld factors for heads of %lld columns", r->g->map.path, (long long)t->n,
        (long long)got(r, "head_dim"));
  TRY(gguf_read_f32(r->g, t, 0, t->n, file));
  ModelConfig c = {0};
  c.rope.theta = json_number_value(json_object_get(r->hf, "rope_theta"));
  c.rope.scaling = ROPE_LLAMA3;
  c.rope.original_length = ORIGINAL;
  c.rope.factor = (double)file[t->n - 1];
  c.rope.beta_slow = 1;
  c.rope.beta_fast = 4;
  c.attention.head_dim = 2 * t->n;
  bool same = c.rope.factor >= 1 && isfinite(c.rope.factor) && c.rope.theta >= 1;
  if (same) c.rope.original_length = llama3_original(&c, file, t->n);
  same = same && c.rope.original_length >= 1;
  if (same) gguf_rope_factors(&c, ours);
  for (int64_t i = 0; same && i < t->n; i++) same = fabsf(file[i] - ours[i]) <= 1e-4f * ours[i];
  CHECK(same, ERR_CONFIG,
        "%s: " GGUF_ROPE_FREQS " holds other factors than Llama 3's with a factor of %g; only those can be read",
        r->g->map.path, c.rope.factor);
  json_object_set_new(rope, "rope_type", json_string("llama3"));
  json_object_set_new(rope, "original_max_position_embeddings", json_integer(c.rope.original_length));
  return set_reals(rope, names, (double[]){c.rope.factor, 1, 4}, 3);
}

static bool is_text(GgufText text, const char *want) {
  return text.size == strlen(want) && memcmp(text.data, want, text.size) == 0;
}

static Err read_rope(const Reader *r) {
  char key[KEY_BYTES];
  GgufText type = {"none", 4};
  const GgufTensor *factors = gguf_tensor(r->g, GGUF_ROPE_FREQS);
  TRY(gguf_text(r->g, full_key(r, "rope.scaling.type", key), false, &type));
  bool yarn = is_text(type, "yarn"), linear = is_text(type, "linear"), none = is_text(type, "none");
  CHECK(yarn || linear || none, ERR_CONFIG, "%s: \"%s\" is \"%.*s\"; none, linear and yarn can be read", r->g->map.path, key,
        (int)(type.size < 60 ? type.size : 60), type.data);
  // Older files have a linear scaling's factor alone.
  double factor = 1;
  TRY(real(r, full_key(r, "rope.scale_linear", key), false, &factor));
  if (linear || none) TRY(real(r, full_key(r, "rope.scaling.factor", key), false, &factor));
  linear = linear || (none && factor != 1);
  CHECK(!linear || r->arch != GGUF_DEEPSEEK2, ERR_CONFIG,
        "%s: a linear scaling of latent attention's rotary part cannot be read", r->g->map.path);
  CHECK((!yarn && !linear) || !factors, ERR_CONFIG, "%s: " GGUF_ROPE_FREQS " beside a scaling of type %s", r->g->map.path,
        yarn ? "yarn" : "linear");
  if (!yarn && !linear && !factors) return ERR_OK;
  json_t *rope = json_object();
  json_object_set_new(r->hf, "rope_scaling", rope);
  if (linear) json_object_set_new(rope, "rope_type", json_string("linear"));
  if (linear) return set_reals(rope, (const char *const[]){"factor"}, &factor, 1);
  return yarn ? read_yarn(r, rope) : read_llama3(r, factors, rope);
}

static Err read_tokens(const Reader *r) {
  static const char *const names[][2] = {
      {"tokenizer.ggml.bos_token_id", "bos_token_id"},
      {"tokenizer.ggml.eos_token_id", "eos_token_id"},
      {"tokenizer.ggml.padding_token_id", "pad_token_id"},
  };
  for (int i = 0; i < 3; i++) {
    int64_t id = -1;
    TRY(gguf_int(r->g, names[i][0], false, &id));
    json_object_set_new(r->hf, names[i][1], id < 0 ? json_null() : json_integer(id));
  }
  const GgufTensor *table = gguf_tensor(r->g, "token_embd.weight");
  CHECK(table && table->n_dims == 2, ERR_FORMAT, "%s: the tensor token_embd.weight is %s", r->g->map.path,
        table ? "no matrix" : "missing");
  json_object_set_new(r->hf, "vocab_size", json_integer(table->dim[0]));
  json_object_set_new(r->hf, "tie_word_embeddings", json_boolean(!gguf_tensor(r->g, "output.weight")));
  return ERR_OK;
}

// Only tensors say that there are biases.
static void read_biases(const Reader *r) {
  if (r->arch != GGUF_LLAMA) return;
  json_object_set_new(r->hf, "attention_bias", json_boolean(gguf_tensor(r->g, "blk.0.attn_q.bias")));
  json_object_set_new(r->hf, "mlp_bias", json_boolean(gguf_tensor(r->g, "blk.0.ffn_gate.bias")));
}

static Err read_arch(const Gguf *g, GgufArch *arch) {
  GgufText name;
  TRY(gguf_text(g, "general.architecture", true, &name));
  for (*arch = 0; *arch < GGUF_ARCHS; ++*arch)
    if (name.size == strlen(gguf_arch_names[*arch]) && memcmp(name.data, gguf_arch_names[*arch], name.size) == 0) return ERR_OK;
  FAIL(ERR_CONFIG, "%s: \"general.architecture\" is \"%.*s\"; llama, qwen2, qwen3 and deepseek2 can be read", g->map.path,
       (int)(name.size < 60 ? name.size : 60), name.data);
}

static Err read_all(Reader *r) {
  TRY(check_keys(r));
  for (const GgufKey *k = gguf_keys; k->gguf; k++)
    if (k->archs >> r->arch & 1) TRY(read_key(r, k));
  TRY(read_family(r));
  TRY(read_heads(r));
  TRY(read_rope(r));
  read_biases(r);
  return read_tokens(r);
}

Err gguf_config_read(const Gguf *g, ModelConfig *c) {
  Reader r = {.g = g, .hf = json_object()};
  CHECK(r.hf, ERR_MEMORY, "%s: no memory", g->map.path);
  Err err = read_arch(g, &r.arch);
  if (!err) err = read_all(&r);
  if (!err) err = hf_config_read(r.hf, g->map.path, c);
  json_decref(r.hf);
  return err;
}
