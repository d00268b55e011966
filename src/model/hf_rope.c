#include "model/hf_rope.h"

#include <string.h>

#include "model/family.h"

enum { YARNS = 1u << ROPE_YARN | 1u << ROPE_TELECHAT3_YARN, LLAMA3 = 1u << ROPE_LLAMA3, ANY = ~0u };

typedef struct {
  const char *key;
  unsigned scalings;  // in which it has a meaning
} RopeKey;
static const RopeKey rope_keys[] = {{"type", ANY},
                                    {"rope_type", ANY},
                                    {"rope_theta", ANY},
                                    {"partial_rotary_factor", ANY},
                                    {"factor", ANY},
                                    {"original_max_position_embeddings", ANY},
                                    {"beta_fast", YARNS},
                                    {"beta_slow", YARNS},
                                    {"finetuned", YARNS | 1u << ROPE_LINEAR | 1u << ROPE_DYNAMIC},
                                    {"mscale", YARNS},
                                    {"mscale_all_dim", YARNS},
                                    {"attention_factor", YARNS},
                                    {"truncate", YARNS},
                                    {"low_freq_factor", LLAMA3},
                                    {"high_freq_factor", LLAMA3}};

static const char *type_name(int scaling) { return scaling == ROPE_PLAIN ? "default" : rope_scaling_names[scaling]; }

static Err rope_type(const json_t *rope, const char *where, const ModelConfig *c, int *scaling) {
  const char *old_name, *name;
  TRY(json_text_or(rope, "type", where, NULL, &old_name));
  TRY(json_text_or(rope, "rope_type", where, old_name ? old_name : "default", &name));
  CHECK(!old_name || strcmp(old_name, name) == 0, ERR_CONFIG,
        "%s: \"rope_type\" is \"%s\" and \"type\" is \"%s\"; they must agree", where, name, old_name);
  unsigned has = family_of(c)->rope;
  char known[100] = "";
  for (*scaling = 0; *scaling < ROPE_SCALINGS; ++*scaling) {
    if (!(has >> *scaling & 1)) continue;
    if (strcmp(name, type_name(*scaling)) == 0) return ERR_OK;
    size_t n = strlen(known);
    snprintf(known + n, sizeof known - n, "%s%s", n ? ", " : "", type_name(*scaling));
  }
  FAIL(ERR_CONFIG, "%s: rope_type \"%.40s\" cannot be read for model_type %s; it can be %s", where, name,
       family_names[c->model.family], known);
}

static Err check_keys(const json_t *rope, const char *where, int scaling) {
  const char *key;
  const json_t *value;
  json_object_foreach((json_t *)(uintptr_t)rope, key, value) {
    size_t i = 0, n = sizeof rope_keys / sizeof rope_keys[0];
    while (i < n && strcmp(rope_keys[i].key, key) != 0) i++;
    bool known = i < n && (scaling == ROPE_PLAIN || rope_keys[i].scalings >> scaling & 1);
    CHECK(known, ERR_CONFIG, "%s: \"%.60s\" is not known, and may change the rotary embedding; remove it if it does not", where,
          key);
  }
  return ERR_OK;
}

static Err read_yarn(const json_t *rope, const char *where, ModelConfig *c) {
  TRY(json_number_or(rope, "beta_fast", where, 32, &c->rope.beta_fast));
  TRY(json_number_or(rope, "beta_slow", where, 1, &c->rope.beta_slow));
  bool truncate;
  TRY(json_bool_or(rope, "truncate", where, true, &truncate));
  CHECK(truncate, ERR_CONFIG, "%s: \"truncate\" is false; only whole borders of the correction range can be read", where);
  const json_t *by_hand = json_object_get(rope, "attention_factor");
  bool told = by_hand && !json_is_null(by_hand);
  CHECK(!told || c->rope.scaling == ROPE_YARN, ERR_CONFIG,
        "%s: \"attention_factor\" is set by hand; only the one that follows from \"factor\" can be read", where);
  if (c->rope.scaling == ROPE_TELECHAT3_YARN) return ERR_OK;  // whatever mscale says: 0.07 ln factor + 1
  if (told) TRY(json_number(rope, "attention_factor", where, &c->rope.attention_factor));
  CHECK(!told || c->rope.attention_factor > 0, ERR_CONFIG, "%s: \"attention_factor\" is %g; more than 0 is wanted", where,
        c->rope.attention_factor);
  TRY(json_number_or(rope, "mscale", where, 0, &c->rope.mscale));
  return json_number_or(rope, "mscale_all_dim", where, 0, &c->rope.mscale_all);
}

static Err read_object(const json_t *rope, const char *where, ModelConfig *c) {
  CHECK(json_is_object(rope), ERR_FORMAT, "%s: an object is wanted", where);
  TRY(rope_type(rope, where, c, &c->rope.scaling));
  TRY(check_keys(rope, where, c->rope.scaling));
  TRY(json_number_or(rope, "rope_theta", where, c->rope.theta, &c->rope.theta));
  double part;
  TRY(json_number_or(rope, "partial_rotary_factor", where, 1, &part));
  CHECK(part == 1, ERR_CONFIG, "%s: \"partial_rotary_factor\" is %g; only 1 can be read", where, part);
  if (c->rope.scaling == ROPE_PLAIN) return ERR_OK;
  TRY(json_number(rope, "factor", where, &c->rope.factor));
  if (c->rope.scaling == ROPE_LINEAR) return ERR_OK;
  TRY(json_int_or(rope, "original_max_position_embeddings", where, c->model.max_length, &c->rope.original_length));
  CHECK(
      c->rope.scaling != ROPE_DYNAMIC || c->rope.original_length == c->model.max_length, ERR_CONFIG,
      "%s: \"original_max_position_embeddings\" is %lld and \"max_position_embeddings\" %lld; programs disagree about which of "
      "them a dynamic scaling begins at",
      where, (long long)c->rope.original_length, (long long)c->model.max_length);
  if (c->rope.scaling == ROPE_DYNAMIC) return ERR_OK;
  if (c->rope.scaling != ROPE_LLAMA3) return read_yarn(rope, where, c);
  TRY(json_number(rope, "low_freq_factor", where, &c->rope.beta_slow));
  return json_number(rope, "high_freq_factor", where, &c->rope.beta_fast);
}

Err hf_rope_read(const json_t *hf, const char *where, ModelConfig *c) {
  const HfKey *key = family_key(family_of(c), "rope_theta");
  if (!key || key->kind != KEY_ROPE) return ERR_OK;
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
  return read_object(parameters ? parameters : scaling, place, c);
}

json_t *hf_rope_scaling(const ModelConfig *c) {
  if (c->rope.scaling == ROPE_PLAIN) return json_null();
  const char *name = rope_scaling_names[c->rope.scaling];
  bool llama3 = c->rope.scaling == ROPE_LLAMA3;
  if (c->rope.scaling == ROPE_LINEAR || c->rope.scaling == ROPE_DYNAMIC)
    return json_pack("{s:s, s:s, s:f}", "type", name, "rope_type", name, "factor", c->rope.factor);
  json_t *rope = json_pack("{s:s, s:s, s:f, s:I, s:f, s:f}", "type", name, "rope_type", name, "factor", c->rope.factor,
                           "original_max_position_embeddings", (json_int_t)c->rope.original_length,
                           llama3 ? "high_freq_factor" : "beta_fast", c->rope.beta_fast,
                           llama3 ? "low_freq_factor" : "beta_slow", c->rope.beta_slow);
  int bad = 0;
  if (rope && c->rope.mscale > 0) bad |= json_object_set_new(rope, "mscale", json_real(c->rope.mscale));
  if (rope && c->rope.mscale_all > 0) bad |= json_object_set_new(rope, "mscale_all_dim", json_real(c->rope.mscale_all));
  if (rope && c->rope.attention_factor > 0)
    bad |= json_object_set_new(rope, "attention_factor", json_real(c->rope.attention_factor));
  if (!bad) return rope;
  json_decref(rope);
  return NULL;
}
