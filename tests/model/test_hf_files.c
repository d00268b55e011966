#include "model/hf_files.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "model/hf_config.h"
#include "model/owned.h"
#include "test.h"

// A small model with everything that names know: latent attention, experts, a shared one, multi-token prediction.
static void small_config(ModelConfig *c) {
  model_config_defaults(c);
  c->model.layers = 2, c->model.width = 24, c->model.ffn = 40, c->model.vocab = 50, c->model.max_length = 64;
  c->attention.heads = c->attention.kv_heads = 2;
  c->mla.q_rank = 10, c->mla.kv_rank = 8, c->mla.nope = 6, c->mla.rope = 4, c->mla.v = 6;
  c->moe.experts = 4, c->moe.top_k = 2, c->moe.ffn = 9;
  c->mtp.layers = 1;
}

static void small_model(OwnedModel *m) {
  ModelConfig c;
  small_config(&c);
  ASSERT_OK(owned_open(m, &c, DT_F32, 64, false));
  model_reset(&m->model, 7);
}

static const char *in_folder(const char *name) {
  static char path[4][PATH_BYTES];
  static int next;
  char *out = path[next++ % 4];
  snprintf(out, PATH_BYTES, "%.2000s/%s", test_folder(), name);
  return out;
}

static bool same_file(const char *a, const char *b) {
  FileMap x, y;
  ASSERT_OK(file_map(&x, a));
  ASSERT_OK(file_map(&y, b));
  bool same = x.size == y.size && memcmp(x.data, y.data, x.size) == 0;
  file_unmap(&x);
  file_unmap(&y);
  return same;
}

static Err save_with(const char *tokenizer, const char *folder, const ModelConfig *c, const ParamList *list, const HfSave *o) {
  WeightSource *s;
  TRY(weights_of_params(&s, c, list));
  if (tokenizer) snprintf(s->tokenizer, sizeof s->tokenizer, "%s", tokenizer);
  Err err = hf_save(folder, s, o);
  weights_close(s);
  return err;
}

static Err save(const char *folder, const ModelConfig *c, const ParamList *list, const HfSave *o) {
  return save_with(NULL, folder, c, list, o);
}

static bool same_weights(const ParamList *a, const ParamList *b) {
  for (int64_t i = 0; i < a->count; i++)
    if (memcmp(param_floats(&a->param[i]), param_floats(&b->param[i]), (size_t)a->param[i].n * sizeof(float)) != 0)
      return false;
  return a->count == b->count;
}

TEST(golden_models_go_in_and_out_with_the_same_bytes) {
  const char *const readable[] = {"moe_mla",      "moe_mla_mtp", "moe_mla_groups", "dense_gqa",
                                  "dense_shared", "telechat2",   "telechat2_moe",  "llama_ref"};
  for (size_t i = 0; i < sizeof readable / sizeof readable[0]; i++) {
    char from[PATH_BYTES], config[PATH_BYTES + 16], weights[PATH_BYTES + 20];
    snprintf(from, sizeof from, "%.2000s/models/%s", test_golden(), readable[i]);
    if (!file_exists(from)) continue;  // not in the project's own copy
    snprintf(config, sizeof config, "%s/config.json", from);
    snprintf(weights, sizeof weights, "%s/model.safetensors", from);
    ModelConfig c;
    OwnedModel m;
    ASSERT_OK(hf_config_load(config, &c));
    ASSERT_OK(owned_open(&m, &c, DT_F32, 16, false));
    ASSERT_OK(hf_load(from, &c, &m.model.params, false));
    const char *out = in_folder(readable[i]);
    ASSERT_OK(save(out, &c, &m.model.params, &(HfSave){.type = ST_F32}));
    char back[PATH_BYTES + 20];
    snprintf(back, sizeof back, "%s/model.safetensors", out);
    ASSERT_MSG(same_file(weights, back), "%s changes on its way in and out", readable[i]);
    owned_close(&m);
  }
}

TEST(shards_with_an_index_hold_the_same) {
  OwnedModel a, b;
  small_model(&a);
  small_model(&b);
  memset(b.weights.base, 0, b.weights.used);
  const char *out = in_folder("out");
  ASSERT_OK(save(out, &a.model.config, &a.model.params, &(HfSave){.type = ST_F32, .shard_bytes = 9000}));
  ASSERT(file_exists(in_folder("out/model-00002-of-00005.safetensors")) ||
         file_exists(in_folder("out/model.safetensors.index.json")));
  ASSERT(!file_exists(in_folder("out/model.safetensors")));
  ASSERT_OK(hf_load(out, &b.model.config, &b.model.params, false));
  ASSERT(same_weights(&a.model.params, &b.model.params));
  ModelConfig c;
  ASSERT_OK(hf_config_load(in_folder("out/config.json"), &c));
  ASSERT_INT(c.mtp.layers, 1);
}

TEST(bf16_is_rounded_once_and_then_stays) {
  OwnedModel a, b;
  small_model(&a);
  small_model(&b);
  ASSERT_OK(save(in_folder("one"), &a.model.config, &a.model.params, &(HfSave){.type = ST_BF16}));
  ASSERT_OK(hf_load(in_folder("one"), &b.model.config, &b.model.params, false));
  ASSERT(!same_weights(&a.model.params, &b.model.params));
  ASSERT_OK(save(in_folder("two"), &a.model.config, &b.model.params, &(HfSave){.type = ST_BF16}));
  ASSERT(same_file(in_folder("one/model.safetensors"), in_folder("two/model.safetensors")));
  SafeTensors s;
  ASSERT_OK(safetensors_open(&s, in_folder("one/model.safetensors")));
  ASSERT_INT(safetensors_find(&s, "model.layers.1.mlp.gate.e_score_correction_bias")->type, ST_F32);
  ASSERT_INT(safetensors_find(&s, "model.layers.1.mlp.gate.weight")->type, ST_BF16);
  safetensors_close(&s);
}

// The longest text of a shape that a file can bring about: sizes that stand beside a 0 may be anything.
TEST(a_shape_of_great_numbers_is_named_whole) {
  const int64_t most = INT64_MAX, dim[TENSOR_DIMS] = {0, 10, 10, 0, most, most, most, most};
  OwnedModel m;
  SafeTensorsWriter w;
  small_model(&m);
  ASSERT_OK(folder_make(in_folder("out")));
  ASSERT_OK(safetensors_create(&w, in_folder("out/model.safetensors")));
  ASSERT_OK(safetensors_declare(&w, "model.norm.weight", ST_F32, TENSOR_DIMS, dim));
  ASSERT_OK(safetensors_begin(&w));
  ASSERT_OK(safetensors_commit(&w));
  ASSERT_ERR(hf_load(in_folder("out"), &m.model.config, &m.model.params, false), ERR_FORMAT,
             "model.norm.weight is F32 [0, 10, 10, 0, 9223372036854775807, 9223372036854775807, 9223372036854775807, "
             "9223372036854775807], the configuration wants [24]");
  owned_close(&m);
}

// Writes the model's tensors to out/model.safetensors with a change.
typedef enum { PLAIN, WITHOUT_NORM, WITH_OTHER, WRONG_SHAPE, MTP_ONE_ON, COPY_DIFFERS, WITH_INV_FREQ, WITH_NAN } Change;

static void save_changed(OwnedModel *m, Change change) {
  SafeTensorsWriter w;
  ASSERT_OK(folder_make(in_folder("out")));
  ASSERT_OK(safetensors_create(&w, in_folder("out/model.safetensors")));
  const ParamList *list = &m->model.params;
  Param extra = {.name = "model.layers.2.embed_tokens.weight", .n_dims = 2, .dim = {50, 24}, .n = 1200};
  extra.w = mat_of(malloc(1200 * sizeof(float)), 24, DT_F32);
  param_get(params_find(list, "model.embed_tokens.weight"), 0, 1200, param_floats(&extra));
  if (change == COPY_DIFFERS) param_floats(&extra)[31] += 1;
  for (int pass = 0; pass < 2; pass++) {
    for (int64_t i = 0; i <= list->count; i++) {
      Param p = i < list->count ? list->param[i] : extra;
      if (i == list->count && change != COPY_DIFFERS && change != MTP_ONE_ON) continue;
      if (change == WITHOUT_NORM && strcmp(p.name, "model.norm.weight") == 0) continue;
      if (change == WRONG_SHAPE && strcmp(p.name, "lm_head.weight") == 0) p.dim[0] = 25, p.dim[1] = 48;
      if (change == MTP_ONE_ON && strncmp(p.name, "model.layers.2.", 15) == 0) p.name[13] = '3';
      if (pass == 0) ASSERT_OK(safetensors_declare(&w, p.name, ST_F32, p.n_dims, p.dim));
      else ASSERT_OK(safetensors_write(&w, param_floats(&p), (size_t)p.n * sizeof(float)));
    }
    if (change == WITH_OTHER || change == WITH_INV_FREQ) {
      const char *name = change == WITH_OTHER ? "model.layers.0.mlp.something" : "model.layers.0.self_attn.rotary_emb.inv_freq";
      if (pass == 0) ASSERT_OK(safetensors_declare(&w, name, ST_F32, 1, (int64_t[]){3}));
      else ASSERT_OK(safetensors_write(&w, extra.w.data, 12));
    }
    if (pass == 0) ASSERT_OK(safetensors_begin(&w));
  }
  ASSERT_OK(safetensors_commit(&w));
  free(extra.w.data);
}

TEST(what_is_missing_left_over_or_of_another_shape_is_named) {
  OwnedModel m, b;
  small_model(&m);
  small_model(&b);
  const ModelConfig *c = &m.model.config;
  const struct {
    Change change;
    const char *part;
  } bad[] = {{WITHOUT_NORM, "1 tensors missing: model.norm.weight"},
             {WITH_OTHER, "left over that the configuration has no place for: model.layers.0.mlp.something"},
             {WRONG_SHAPE, "lm_head.weight is F32 [25, 48], the configuration wants [50, 24]"},
             {COPY_DIFFERS, "model.layers.2.embed_tokens.weight is not equal to model.embed_tokens.weight at [1, 7]"}};
  for (size_t i = 0; i < 4; i++) {
    save_changed(&m, bad[i].change);
    ASSERT_ERR(hf_load(in_folder("out"), c, &b.model.params, false), ERR_FORMAT, bad[i].part);
  }
  const Change good[] = {PLAIN, MTP_ONE_ON, WITH_INV_FREQ};
  for (size_t i = 0; i < 3; i++) {
    save_changed(&m, good[i]);
    memset(b.weights.base, 0, b.weights.used);
    ASSERT_OK(hf_load(in_folder("out"), c, &b.model.params, false));
    ASSERT(same_weights(&m.model.params, &b.model.params));
  }
}

TEST(a_weight_that_is_not_finite_is_named) {
  OwnedModel m;
  small_model(&m);
  const ModelConfig *c = &m.model.config;
  Param *p = params_find(&m.model.params, "model.layers.1.mlp.experts.3.up_proj.weight");
  param_floats(p)[2 * 24 + 5] = NAN;
  ASSERT_ERR(save(in_folder("nan"), c, &m.model.params, &(HfSave){.type = ST_F32}), ERR_NUMERIC,
             "model.layers.1.mlp.experts.3.up_proj.weight[2, 5] is nan");
  ASSERT(!file_exists(in_folder("nan")) && !file_exists(in_folder("nan.tmp")));
  ASSERT_OK(save(in_folder("nan"), c, &m.model.params, &(HfSave){.type = ST_F32, .allow_nan = true}));
  ASSERT_ERR(hf_load(in_folder("nan"), c, &m.model.params, false), ERR_NUMERIC, "[2, 5] is nan");
  ASSERT_OK(hf_load(in_folder("nan"), c, &m.model.params, true));
}

TEST(folders_that_are_none_or_not_empty_are_refused) {
  OwnedModel m;
  small_model(&m);
  const ModelConfig *c = &m.model.config;
  ASSERT_ERR(hf_load("/nonexistent", c, &m.model.params, false), ERR_IO, "no such folder");
  ASSERT_ERR(hf_load(test_folder(), c, &m.model.params, false), ERR_IO, "model.safetensors");
  ASSERT_OK(save(in_folder("out"), c, &m.model.params, &(HfSave){.type = ST_F32}));
  ASSERT_ERR(save(in_folder("out"), c, &m.model.params, &(HfSave){.type = ST_F32}), ERR_ARG, "not empty");
  ASSERT_ERR(save_with(test_folder(), in_folder("x"), c, &m.model.params, &(HfSave){.type = ST_F32}), ERR_ARG,
             "no tokenizer file");
  ASSERT_OK(file_replace(in_folder("out/model.safetensors.index.json"), "{\"weight_map\": {\"a\": \"../b\"}}", 29));
  ASSERT_ERR(hf_load(in_folder("out"), c, &m.model.params, false), ERR_FORMAT,
             "the file of \"a\" is \"../b\", not a plain file name");
  ASSERT_OK(
      file_replace(in_folder("out/model.safetensors.index.json"), "{\"weight_map\": {\"a\": \"model.safetensors\"}}", 42));
  ASSERT_ERR(hf_load(in_folder("out"), c, &m.model.params, false), ERR_FORMAT, "\"a\" is not in model.safetensors");
}

TEST(tokenizer_files_come_along) {
  OwnedModel m;
  small_model(&m);
  ASSERT_OK(folder_make(in_folder("tok")));
  ASSERT_OK(file_replace(in_folder("tok/tokenizer.json"), "{}", 2));
  ASSERT_OK(file_replace(in_folder("tok/other.txt"), "{}", 2));
  ASSERT_OK(save_with(in_folder("tok"), in_folder("a"), &m.model.config, &m.model.params, &(HfSave){.type = ST_F32}));
  ASSERT(file_exists(in_folder("a/tokenizer.json")) && !file_exists(in_folder("a/other.txt")) &&
         file_exists(in_folder("a/generation_config.json")));
  ASSERT_OK(save_with(in_folder("tok/other.txt"), in_folder("b"), &m.model.config, &m.model.params, &(HfSave){.type = ST_F32}));
  ASSERT(file_exists(in_folder("b/tokenizer.model")));
}
