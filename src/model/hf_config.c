#include "model/hf_config.h"

#include <stdlib.h>
#include <string.h>

#include "model/family.h"
#include "model/hf_rope.h"
#include "model/hf_telechat_52b.h"

// The value as short JSON, for messages and comparison.
static void value_text(const json_t *value, char *out, size_t size) {
  char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
  snprintf(out, size, "%.*s", (int)size - 1, text ? text : "?");
  free(text);
}

static Err check_only(const HfKey *k, const json_t *value, const char *where) {
  char got[64];
  value_text(value, got, sizeof got);
  size_t n = strlen(got);
  CHECK(*k->only, ERR_CONFIG, "%s: \"%s\" is there: %s", where, k->key, k->why);
  for (const char *p = k->only; p; p = strchr(p, '|'), p = p ? p + 1 : NULL)
    if (strncmp(p, got, n) == 0 && (p[n] == '|' || p[n] == '\0')) return ERR_OK;
  FAIL(ERR_CONFIG, "%s: \"%s\" is %s; only %s can be read: %s", where, k->key, got, k->only, k->why);
}

// The range of a member is in the table of fields; the message gives the key of the file.
static Err check_range(const HfKey *k, double value, const char *where) {
  CHECK(k->kind != KEY_INT || value >= 1, ERR_CONFIG, "%s: \"%s\" is %.17g; at least 1 is wanted", where, k->key, value);
  for (const Field *f = model_fields; f->key; f++) {
    if (f->offset != k->offset || f->type == FIELD_IS_BOOL || (k->kind == KEY_COUNT && value == 0)) continue;
    CHECK(value >= f->low && value <= f->high, ERR_CONFIG, "%s: \"%s\" is %.17g; %g to %g is possible (%s)", where, k->key,
          value, f->low, f->high, f->help);
  }
  return ERR_OK;
}

static Err read_key(const HfKey *k, const json_t *hf, const char *where, ModelConfig *c) {
  void *at = (char *)c + k->offset;
  const json_t *v = json_object_get(hf, k->key);
  bool absent = !v;
  CHECK(!absent || k->fallback != HF_WANTED, ERR_CONFIG, "%s: \"%s\" is missing; %s", where, k->key,
        k->why ? k->why : "it decides the model's shape");
  if (k->kind == KEY_BOOL) {
    TRY(json_bool_or(hf, k->key, where, k->fallback != 0, at));
    if (k->also) *(bool *)((char *)c + k->also) = *(const bool *)at;
    return ERR_OK;
  }
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

// DeepSeek-V2's groups count only where topk_method says so.
static void read_groups(const json_t *hf, const Family *family, ModelConfig *c) {
  const HfKey *k = family_key(family, "topk_method");
  const char *method = json_string_value(json_object_get(hf, "topk_method"));
  if (!k || k->kind != KEY_GROUPS || (method && strcmp(method, "group_limited_greedy") == 0)) return;
  c->moe.groups = c->moe.top_groups = 1;
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

static Err read_family(const json_t *hf, const char *where, int *family) {
  CHECK(json_is_object(hf), ERR_FORMAT, "%s: an object of a model's configuration is wanted", where);
  const char *type;
  TRY(json_text(hf, "model_type", where, &type));
  for (*family = 0; *family < FAMILIES; ++*family)
    if (strcmp(type, family_names[*family]) == 0) return ERR_OK;
  char known[200] = "";
  for (int i = 0; i < FAMILIES; i++) {
    size_t n = strlen(known);
    snprintf(known + n, sizeof known - n, "%s%s", i == 0 ? "" : i == FAMILIES - 1 ? " and " : ", ", family_names[i]);
  }
  FAIL(ERR_CONFIG, "%s: model_type \"%.60s\" is not known; %s can be read", where, type, known);
}

// The table of fields knows the type of a member.
static void set_member(ModelConfig *c, const FamilySet *s) {
  const Field *f = model_fields;
  while (f->offset != s->offset) f++;
  void *at = (char *)c + s->offset;
  if (f->type == FIELD_IS_INT) *(int64_t *)at = (int64_t)s->value;
  else if (f->type == FIELD_IS_REAL) *(double *)at = s->value;
  else if (f->type == FIELD_IS_BOOL) *(bool *)at = s->value != 0;
  else *(int *)at = (int)s->value;
}

static void set_members(ModelConfig *c, const Family *f) {
  if (f->like) set_members(c, f->like);
  for (const FamilySet *s = f->set; s && s->offset != (size_t)-1; s++) set_member(c, s);
}

// Of each key the entry that family_key gives, once.
static Err read_keys(const json_t *hf, const char *where, const Family *family, ModelConfig *c) {
  for (const HfKey *k = hf_common_keys; k->key; k++)
    if (k->kind <= KEY_TOKEN && family_key(family, k->key) == k) TRY(read_key(k, hf, where, c));
  for (const Family *f = family; f; f = f->like)
    for (const HfKey *k = f->keys; k->key; k++)
      if (k->kind <= KEY_TOKEN && family_key(family, k->key) == k) TRY(read_key(k, hf, where, c));
  return ERR_OK;
}

// What is known to be different first: it says more than a key that nobody knows.
static Err check_keys(const json_t *hf, const char *where, const Family *family, const char *type) {
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)hf, key, value) {
    const HfKey *k = family_key(family, key);
    if (k && k->only) TRY(check_only(k, value, where));
  }
  json_object_foreach((json_t *)(uintptr_t)hf, key, value)
      CHECK(family_key(family, key), ERR_CONFIG,
            "%s: \"%.60s\" is not a known key of model_type %s, and may change the model; remove it if it does not", where, key,
            type);
  return ERR_OK;
}

static Err read_as_llama(const json_t *hf, const char *where, ModelConfig *c) {
  json_t *llama;
  TRY(hf_telechat_52b_as_llama(hf, where, &llama));
  Err err = hf_config_read(llama, where, c);
  json_decref(llama);
  return err;
}

Err hf_config_read(const json_t *hf, const char *where, ModelConfig *c) {
  if (hf_is_telechat_52b(hf)) return read_as_llama(hf, where, c);
  model_config_defaults(c);
  TRY(read_family(hf, where, &c->model.family));
  const Family *family = family_of(c);
  TRY(check_keys(hf, where, family, family_names[c->model.family]));
  c->mla.kv_rank = c->mla.q_rank = c->moe.experts = c->mtp.layers = 0;  // what a plain family has no key for
  set_members(c, family);
  TRY(read_keys(hf, where, family, c));
  if (c->attention.kv_heads == 0) c->attention.kv_heads = c->attention.heads;
  CHECK(!config_is_mla(c) || c->attention.kv_heads == c->attention.heads, ERR_CONFIG,
        "%s: \"num_key_value_heads\" is %lld and \"num_attention_heads\" %lld; with latent attention they must be equal", where,
        (long long)c->attention.kv_heads, (long long)c->attention.heads);
  TRY(json_number_or(hf, "aux_loss_alpha", where, c->moe.aux_loss, &c->moe.aux_loss));
  read_groups(hf, family, c);
  if (family->finish) family->finish(c);
  TRY(check_layers(hf, where, c));
  TRY(hf_rope_read(hf, where, c));
  return model_config_check(c, where);
}

Err hf_config_load(const char *path, ModelConfig *c) {
  json_t *hf;
  TRY(json_read(&hf, path, true));
  Err err = hf_config_read(hf, path, c);
  json_decref(hf);
  return err;
}
