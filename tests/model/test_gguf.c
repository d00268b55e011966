// Small models of every architecture through a GGUF file and back.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/gguf_files.h"
#include "model/hf_config.h"
#include "model/owned.h"
#include "test.h"

typedef enum { LLAMA, LLAMA3, LINEAR, BY_HAND, TELECHAT3, QWEN2, QWEN3, DEEPSEEK_V2, DEEPSEEK_V3, DIRECT, KINDS } Kind;

static void experts(ModelConfig *c) {
  c->mla.q_rank = 10, c->mla.kv_rank = 8, c->mla.nope = 6, c->mla.rope = 4, c->mla.v = 6;
  c->attention.kv_heads = c->attention.heads;
  c->moe.experts = 4, c->moe.top_k = 2, c->moe.ffn = 9, c->moe.first_dense = 1;
}

static ModelConfig config_of(Kind kind) {
  ModelConfig c;
  model_config_defaults(&c);
  c.model.family = FAMILY_LLAMA;
  c.model.layers = 2, c.model.width = 24, c.model.ffn = 40, c.model.vocab = 50, c.model.max_length = 64;
  c.model.init_std = 0.02;
  c.attention.heads = 4, c.attention.kv_heads = 2, c.attention.head_dim = 6;
  c.mla.kv_rank = c.mla.q_rank = c.moe.experts = 0;
  if (kind == LLAMA3) {
    c.rope.scaling = ROPE_LLAMA3, c.rope.factor = 8, c.rope.original_length = 8192;
    c.rope.theta = 500000, c.rope.beta_slow = 1, c.rope.beta_fast = 4;
  }
  if (kind == LINEAR) {
    c.attention.qkv_bias = c.attention.out_bias = c.model.up_bias = c.model.down_bias = true;
    c.rope.scaling = ROPE_LINEAR, c.rope.factor = 2.5;
  }
  if (kind == BY_HAND) {
    c.attention.qkv_bias = c.attention.out_bias = true;
    c.rope.scaling = ROPE_YARN, c.rope.factor = 4, c.rope.original_length = 16, c.rope.attention_factor = 1.25;
  }
  if (kind == TELECHAT3) {
    c.model.family = FAMILY_TELECHAT3;
    c.rope.scaling = ROPE_TELECHAT3_YARN, c.rope.factor = 4, c.rope.original_length = 16, c.model.tied = true;
  }
  if (kind == QWEN2) c.model.family = FAMILY_QWEN2, c.attention.qkv_bias = true;
  if (kind == QWEN3) c.model.family = FAMILY_QWEN3, c.attention.qk_norm = true;
  if (kind >= DEEPSEEK_V2) experts(&c);
  if (kind == DEEPSEEK_V2) c.model.family = FAMILY_DEEPSEEK_V2, c.moe.scoring = SCORE_SOFTMAX, c.moe.normalise = false;
  if (kind >= DEEPSEEK_V3) c.model.family = FAMILY_DEEPSEEK_V3;
  if (kind == DEEPSEEK_V3) {
    c.moe.groups = 2, c.moe.top_groups = 1;
    c.rope.scaling = ROPE_YARN, c.rope.factor = 4, c.rope.original_length = 16, c.rope.mscale = c.rope.mscale_all = 1;
  }
  if (kind == DIRECT) c.mla.q_rank = 0;
  return c;
}

static void open_random(OwnedModel *m, const ModelConfig *c) {
  ASSERT_OK(owned_open(m, c, DT_F32, 64, false));
  model_reset(&m->model, 7);
  for (int64_t i = 0; i < m->model.params.count; i++) {  // vectors too: all alike would hide a permutation
    const Param *p = &m->model.params.param[i];
    if (p->n_dims == 1)
      model_reset_param(&(Param){.role = PARAM_MATRIX, .n_dims = 1, .n = p->n, .w = p->w}, 8 + (uint64_t)i, 1);
  }
}

static const char *file_path(void) {
  static char path[PATH_BYTES];
  snprintf(path, sizeof path, "%.2000s/m.gguf", test_folder());
  return path;
}

static Err save(const OwnedModel *m, const char *type, bool allow_nan) {
  WeightSource *s;
  GgufSave o = {.type = type ? gguf_type_named(type) : NULL, .allow_nan = allow_nan};
  TRY(weights_of_params(&s, &m->model.config, &m->model.params));
  Err err = gguf_save(file_path(), s, &o);
  weights_close(s);
  return err;
}

static char *config_text(const ModelConfig *c) {
  json_t *hf;
  ASSERT_OK(hf_config_make(c, DT_F32, &hf));
  char *text = json_dumps(hf, JSON_SORT_KEYS);
  json_decref(hf);
  return text;
}

TEST(every_architecture_comes_back_to_the_bit) {
  for (Kind kind = 0; kind < KINDS; kind++) {
    ModelConfig c = config_of(kind);
    OwnedModel a, b;
    WeightSource *s;
    open_random(&a, &c);
    ASSERT_OK(save(&a, NULL, false));
    ASSERT_OK(gguf_source_open(&s, file_path()));
    char *want = config_text(&c), *got = config_text(&s->config);
    ASSERT_TEXT(got, want);
    free(want);
    free(got);
    ASSERT_OK(owned_open(&b, &s->config, DT_F32, 64, false));
    ASSERT_OK(weights_load(s, &b.model.params, false));
    for (int64_t i = 0; i < a.model.params.count; i++) {
      const Param *p = &a.model.params.param[i], *q = params_find(&b.model.params, p->name);
      ASSERT_MSG(q && q->n == p->n && memcmp(param_floats(p), param_floats(q), (size_t)p->n * sizeof(float)) == 0,
                 "kind %d: %s differs", (int)kind, p->name);
    }
    weights_close(s);
    owned_close(&a);
    owned_close(&b);
  }
}

// The largest difference of any weight, over the largest weight of its matrix.
static double worst_error(const ParamList *a, const ParamList *b) {
  double worst = 0;
  for (int64_t i = 0; i < a->count; i++) {
    double error = 0, most = 0;
    for (int64_t k = 0; k < a->param[i].n; k++) {
      error = fmax(error, fabs((double)param_floats(&a->param[i])[k] - (double)param_floats(&b->param[i])[k]));
      most = fmax(most, fabs((double)param_floats(&a->param[i])[k]));
    }
    if (error > worst * most) worst = error / most;
  }
  return worst;
}

// Widths of whole blocks of 256 everywhere but in the latents, which fall back.
TEST(every_type_is_as_near_as_its_bits) {
  static const struct {
    const char *type;
    double bits;
  } types[] = {{"F16", 11}, {"BF16", 8}, {"Q8_0", 7.9}, {"Q4_0", 2.9}, {"Q6_K", 5.5}, {"Q4_K", 3}};
  ModelConfig c = config_of(DEEPSEEK_V3);
  c.model.width = 256, c.model.ffn = 512, c.moe.ffn = 256, c.mla.kv_rank = 32, c.mla.nope = 60;
  OwnedModel a, b;
  open_random(&a, &c);
  for (int i = 0; i < 6; i++) {
    WeightSource *s;
    ASSERT_OK(save(&a, types[i].type, false));
    ASSERT_OK(gguf_source_open(&s, file_path()));
    ASSERT_OK(owned_open(&b, &s->config, DT_F32, 64, false));
    ASSERT_OK(weights_load(s, &b.model.params, false));
    double error = worst_error(&a.model.params, &b.model.params);
    ASSERT_MSG(error > 0 && error < pow(2, -types[i].bits), "%s: an error of 2^%.1f", types[i].type, log2(error));
    weights_close(s);
    owned_close(&b);
  }
  owned_close(&a);
}

// A file with the tensors of `a`, one of them changed by the case.
typedef struct {
  const char *key, *tensor;  // left out
  const char *extra_key, *extra_tensor;
  const char *message;
} Bad;

static Err write_changed(const Bad *bad) {
  Gguf g;
  GgufWriter w;
  char from[PATH_BYTES];
  snprintf(from, sizeof from, "%.2000s/m.gguf", test_folder());
  ASSERT_OK(gguf_open(&g, from));
  snprintf(from, sizeof from, "%.2000s/bad.gguf", test_folder());
  TRY(gguf_create(&w, from));
  for (int64_t i = 0; i < g.n_values; i++)
    if (!bad->key || gguf_value(&g, bad->key) != &g.value[i]) TRY(gguf_put_value(&w, &g.value[i]));
  if (bad->extra_key) TRY(gguf_put_u32(&w, bad->extra_key, 1));
  for (int64_t i = 0; i < g.n_tensors; i++) {
    const GgufTensor *t = &g.tensor[i];
    if (!bad->tensor || strcmp(t->name, bad->tensor) != 0) TRY(gguf_declare(&w, t->name, t->type, t->n_dims, t->dim));
  }
  if (bad->extra_tensor) TRY(gguf_declare(&w, bad->extra_tensor, gguf_type_named("F32"), 1, (int64_t[]){1}));
  TRY(gguf_begin(&w));
  for (int64_t i = 0; i < g.n_tensors; i++) {
    const GgufTensor *t = &g.tensor[i];
    if (bad->tensor && strcmp(t->name, bad->tensor) == 0) continue;
    void *bytes = malloc(t->size);
    ASSERT_OK(gguf_read(&g, t, 0, t->size, bytes));
    TRY(gguf_write(&w, bytes, t->size));
    free(bytes);
  }
  if (bad->extra_tensor) TRY(gguf_write(&w, &(float){1}, 4));
  TRY(gguf_commit(&w));
  gguf_close(&g);
  return ERR_OK;
}

TEST(what_does_not_fit_is_named) {
  static const Bad bad[] = {
      {.tensor = "blk.1.attn_q.weight", .message = "1 tensors missing: blk.1.attn_q.weight"},
      {.extra_tensor = "blk.\xff\x1b.what", .message = "left over that the configuration has no place for: blk.??.what"},
      {.extra_tensor = "blk.9.what.weight", .message = "left over that the configuration has no place for: blk.9.what.weight"},
      {.key = "llama.feed_forward_length", .message = "\"llama.feed_forward_length\" is missing"},
      {.extra_key = "llama.attention.sliding_window", .message = "\"llama.attention.sliding_window\" is not known"},
      {.key = "general.architecture", .message = "\"general.architecture\" is missing"},
      {.key = "llama.attention.head_count",
       .extra_key = "llama.attention.head_count",
       .message = "attention.heads 1 and attention.kv_heads 2 do not fit"},
      {.tensor = "token_embd.weight", .message = "token_embd.weight is missing"},
      {.key = "llama.rope.dimension_count", .extra_key = "llama.rope.dimension_count", .message = "the whole head is turned"},
      {.extra_key = "llama.rope.scaling.type", .message = "a string is wanted"},
  };
  ModelConfig c = config_of(LLAMA);
  OwnedModel a;
  char path[PATH_BYTES];
  open_random(&a, &c);
  ASSERT_OK(save(&a, NULL, false));
  owned_close(&a);
  snprintf(path, sizeof path, "%.2000s/bad.gguf", test_folder());
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    WeightSource *s = NULL;
    ASSERT_OK(write_changed(&bad[i]));
    Err err = gguf_source_open(&s, path);
    if (!err) err = weights_check(s);
    ASSERT_MSG(err && strstr(err_text(), bad[i].message) && strstr(err_text(), path), "case %zu: %s", i,
               err ? err_text() : "accepted");
    weights_close(s);
  }
}

TEST(what_has_no_form_is_refused) {
  ModelConfig c = config_of(LLAMA);
  OwnedModel m;
  open_random(&m, &c);
  param_floats(&m.model.params.param[3])[5] = NAN;
  ASSERT_ERR(save(&m, NULL, false), ERR_NUMERIC, m.model.params.param[3].name);
  ASSERT(!file_exists(file_path()));
  ASSERT_OK(save(&m, "Q4_0", true));
  m.model.config.attention.layers_group = 2;
  ASSERT_ERR(save(&m, NULL, true), ERR_CONFIG, "attention.layers_group");
  m.model.config.attention.layers_group = 1;
  m.model.config.rope.scaling = ROPE_DYNAMIC_NTK;
  ASSERT_ERR(save(&m, NULL, true), ERR_CONFIG, "dynamic-ntk");
  m.model.config.rope.scaling = ROPE_DYNAMIC;
  ASSERT_ERR(save(&m, NULL, true), ERR_CONFIG, "dynamic");
  m.model.config = config_of(DEEPSEEK_V2);
  m.model.config.attention.qkv_bias = true;
  ASSERT_ERR(save(&m, NULL, true), ERR_CONFIG, "biases");
  m.model.config.attention.qkv_bias = false;
  m.model.config.rope.scaling = ROPE_LINEAR;
  ASSERT_ERR(save(&m, NULL, true), ERR_CONFIG, "rope.scaling linear has no form in GGUF with latent attention");
  m.model.config.rope.scaling = ROPE_PLAIN;
  m.model.config.moe.groups = 2, m.model.config.moe.group_max = true;
  ASSERT_ERR(save(&m, NULL, true), ERR_CONFIG, "moe.group_max");
  m.model.config = c;
  owned_close(&m);
}

// The layer that predicts a second token has no place; all others have.
TEST(heads_too_wide_for_the_factors_are_refused) {
  OwnedModel m;
  ModelConfig c = config_of(LLAMA3);
  c.attention.heads = c.attention.kv_heads = 1, c.model.width = 2, c.attention.head_dim = 8194;
  open_random(&m, &c);
  ASSERT_ERR(save(&m, NULL, true), ERR_CONFIG,
             "attention.head_dim 8194 has no form in GGUF with rope.scaling llama3; at most 8192");
  owned_close(&m);
  c.attention.head_dim = 8192;
  open_random(&m, &c);
  ASSERT_OK(save(&m, NULL, true));
  owned_close(&m);
}

TEST(multi_token_prediction_is_left_out) {
  ModelConfig c = config_of(DEEPSEEK_V3);
  c.mtp.layers = 1;
  OwnedModel m;
  WeightSource *s;
  open_random(&m, &c);
  ASSERT_OK(save(&m, NULL, false));
  ASSERT_OK(gguf_source_open(&s, file_path()));
  ASSERT_OK(weights_check(s));
  ASSERT_INT(s->config.mtp.layers, 0);
  ASSERT(s->count < m.model.params.count);
  weights_close(s);
  owned_close(&m);
}
