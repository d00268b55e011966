// Writing config.json: the same walk over keys as reading, then reading what was written, so that no family's name is put on a
// structure that it does not have.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/family.h"
#include "model/hf_config.h"
#include "model/hf_rope.h"

static bool is_fallback(const HfKey *k, const void *at) {
  if (k->kind == KEY_REAL) return *(const double *)at == k->fallback;
  if (k->kind == KEY_BOOL) return *(const bool *)at == (k->fallback != 0);
  return (double)*(const int64_t *)at == k->fallback;
}

static bool is_omitted(const HfKey *k, const ModelConfig *c, const void *at) {
  if (!k->write) return false;
  if (strcmp(k->write, HF_OMIT) == 0) return is_fallback(k, at);
  return strcmp(k->write, HF_WITH_EXPERTS) == 0 && c->moe.experts == 0;
}

static json_t *value_of(const HfKey *k, const ModelConfig *c) {
  const void *at = (const char *)c + k->offset;
  if (k->kind == KEY_REAL) return json_real(*(const double *)at);
  if (k->kind == KEY_BOOL) return json_boolean(*(const bool *)at);
  int64_t n = *(const int64_t *)at;
  if (k->kind == KEY_TOKEN && n < 0) return json_null();
  if (k->kind == KEY_COUNT && n == 0 && k->write && strcmp(k->write, "null") == 0) return json_null();
  return json_integer(n);
}

// Adds what is written of a key; false without memory.
static bool write_key(const HfKey *k, const ModelConfig *c, Dtype type, json_t *out) {
  const char *name = type == DT_BF16 ? "bfloat16" : "float32";
  json_t *v = NULL;
  if (k->kind <= KEY_TOKEN) {
    if (is_omitted(k, c, (const char *)c + k->offset)) return true;
    v = value_of(k, c);
  } else if (k->kind == KEY_TYPE) {
    v = json_string(family_names[c->model.family]);
  } else if (k->kind == KEY_ARCHITECTURES) {
    v = json_pack("[s]", family_of(c)->architecture);
  } else if (k->kind == KEY_DTYPE) {
    if (k->write && type == DT_F32) return true;
    v = json_string(name);
  } else if (k->kind == KEY_ROPE) {
    if (strcmp(k->key, "rope_parameters") == 0) return true;
    v = strcmp(k->key, "rope_theta") == 0 ? json_real(c->rope.theta) : hf_rope_scaling(c);
  } else if (k->kind == KEY_GROUPS) {
    v = json_string(c->moe.groups > 1 ? "group_limited_greedy" : "greedy");
  } else {
    if (!k->write) return true;
    v = json_loads(k->write, JSON_DECODE_ANY, NULL);
  }
  return v && json_object_set_new(out, k->key, v) == 0;
}

static bool write_keys(const ModelConfig *c, Dtype type, json_t *out) {
  const Family *family = family_of(c);
  bool good = true;
  for (const Family *f = family; f; f = f->like)
    for (const HfKey *k = f->keys; k->key; k++)
      if (family_key(family, k->key) == k) good = good && write_key(k, c, type, out);
  for (const HfKey *k = hf_common_keys; k->key; k++)
    if (family_key(family, k->key) == k) good = good && write_key(k, c, type, out);
  return good;
}

static void plain_rope(ModelConfig *c, const ModelConfig *d) {
  int scaling = c->rope.scaling;
  bool ramp = scaling == ROPE_YARN || scaling == ROPE_TELECHAT3_YARN || scaling == ROPE_LLAMA3;
  if (scaling != ROPE_YARN) c->rope.mscale = c->rope.mscale_all = c->rope.attention_factor = 0;
  if (scaling == ROPE_PLAIN || scaling == ROPE_LINEAR) c->rope.original_length = d->rope.original_length;
  if (scaling == ROPE_PLAIN || scaling == ROPE_DYNAMIC_NTK) c->rope.factor = d->rope.factor;
  if (!ramp) c->rope.beta_fast = d->rope.beta_fast, c->rope.beta_slow = d->rope.beta_slow;
  if (scaling != ROPE_DYNAMIC_NTK) c->rope.base_length = d->rope.base_length;
}

// What cannot matter is as by default, and what is implied is said: two configurations of one model become equal.
static ModelConfig plain(const ModelConfig *from) {
  ModelConfig c = *from, d;
  model_config_defaults(&d);
  if (config_is_mla(&c)) c.attention.kv_heads = c.attention.heads, c.attention.head_dim = 0;
  else c.mla = d.mla, c.mla.q_rank = c.mla.kv_rank = 0;
  c.attention.head_dim = config_head_dim(&c);
  if (c.model.embedding_size == c.model.width) c.model.embedding_size = 0;
  if (c.moe.experts == 0) {
    c.moe = d.moe;
    c.moe.experts = 0;
    c.moe.first_dense = c.model.layers;  // every layer comes before the first with experts, and no class ever makes one
  } else if (c.moe.groups == 1) {
    c.moe.top_groups = 1;
    c.moe.group_max = d.moe.group_max;
  }
  plain_rope(&c, &d);
  // What no config.json says, or not all do.
  c.moe.aux_loss = d.moe.aux_loss, c.moe.bias_rate = d.moe.bias_rate, c.mtp.loss = d.mtp.loss, c.loss.z = d.loss.z;
  return c;
}

static void member_text(const Field *f, const ModelConfig *c, char out[64]) {
  const char *at = (const char *)c + f->offset;
  if (f->type == FIELD_IS_INT) snprintf(out, 64, "%lld", (long long)*(const int64_t *)(const void *)at);
  else if (f->type == FIELD_IS_REAL) snprintf(out, 64, "%.17g", *(const double *)(const void *)at);
  else if (f->type == FIELD_IS_BOOL) snprintf(out, 64, "%s", *(const bool *)(const void *)at ? "true" : "false");
  else snprintf(out, 64, "%s", f->names[*(const int *)(const void *)at]);
}

static Err check_member(const Field *f, const ModelConfig *want, const ModelConfig *got) {
  char a[64], b[64];
  member_text(f, want, a);
  member_text(f, got, b);
  CHECK(strcmp(a, b) == 0, ERR_CONFIG, "a model_type %s has %s %s, and this model has %s; another model.family may have it",
        family_names[want->model.family], f->key, b, a);
  return ERR_OK;
}

// A member that comes back changed is one that this family has no word for; what others follow from goes first.
static Err check_reading(const json_t *hf, const ModelConfig *want) {
  ModelConfig got;
  TRY(hf_config_read(hf, "config.json", &got));
  got = plain(&got);
  for (const Field *f = model_fields; f->key; f++)
    if (f->offset == HF_AT(mla.kv_rank) || f->offset == HF_AT(moe.experts)) TRY(check_member(f, want, &got));
  for (const Field *f = model_fields; f->key; f++) TRY(check_member(f, want, &got));
  return ERR_OK;
}

static Err sorted(json_t *from, json_t **out) {
  char *text = from ? json_dumps(from, JSON_SORT_KEYS) : NULL;
  *out = text ? json_loads(text, 0, NULL) : NULL;
  free(text);
  json_decref(from);
  CHECK(*out, ERR_MEMORY, "no memory for a config.json");
  return ERR_OK;
}

Err hf_config_make(const ModelConfig *config, Dtype type, json_t **hf) {
  *hf = NULL;
  TRY(model_config_check(config, "config.json"));
  ModelConfig c = plain(config);
  json_t *all = json_object();
  if (all && !write_keys(&c, type, all)) {
    json_decref(all);
    all = NULL;
  }
  TRY(sorted(all, hf));
  Err err = check_reading(*hf, &c);
  if (!err) return ERR_OK;
  json_decref(*hf);
  *hf = NULL;
  return err;
}
