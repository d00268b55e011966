// Models under Megatron's and MindFormers' names, with what they join; made here row by row, not by the tables that read them.
#include "model/hf_names.h"

#include <stdlib.h>

#include "model/hf_files.h"
#include "model/owned.h"
#include "test.h"

enum { TENSORS_MAX = 200 };

typedef struct {
  char name[200];
  int n_dims;
  int64_t dim[2], n;
  float *data;
} Made;

static Made made[TENSORS_MAX];
static int n_made;

static Made *make(const char *name, int64_t rows, int64_t cols) {
  ASSERT(n_made < TENSORS_MAX);
  Made *m = &made[n_made++];
  *m = (Made){.n_dims = cols ? 2 : 1, .dim = {rows, cols}, .n = rows * (cols ? cols : 1)};
  snprintf(m->name, sizeof m->name, "%s", name);
  ASSERT((m->data = calloc((size_t)m->n, sizeof *m->data)) != NULL);
  return m;
}

static void write_made(const char *folder) {
  char path[PATH_BYTES];
  SafeTensorsWriter w;
  ASSERT_OK(folder_make(folder));
  ASSERT_OK(path_join(path, folder, "model.safetensors"));
  ASSERT_OK(safetensors_create(&w, path));
  for (int i = 0; i < n_made; i++) ASSERT_OK(safetensors_declare(&w, made[i].name, ST_F32, made[i].n_dims, made[i].dim));
  ASSERT_OK(safetensors_begin(&w));
  for (int i = 0; i < n_made; i++) ASSERT_OK(safetensors_write(&w, made[i].data, (size_t)made[i].n * sizeof(float)));
  ASSERT_OK(safetensors_commit(&w));
  for (int i = 0; i < n_made; i++) free(made[i].data);
  n_made = 0;
}

// A parameter under a name in which every `from` is `to`, pairs with NULL at the end.
static void copy_renamed(const Param *p, const char *const *pairs) {
  char name[200];
  snprintf(name, sizeof name, "%s", p->name);
  for (; pairs[0]; pairs += 2) {
    char *at = strstr(name, pairs[0]), rest[200];
    if (!at) continue;
    snprintf(rest, sizeof rest, "%s", at + strlen(pairs[0]));
    snprintf(at, sizeof name - (size_t)(at - name), "%s%s", pairs[1], rest);
  }
  Made *m = make(name, p->dim[0], p->n_dims > 1 ? p->dim[1] : 0);
  memcpy(m->data, param_floats(p), (size_t)p->n * sizeof(float));
}

static const Param *param(const OwnedModel *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
static const Param *param(const OwnedModel *m, const char *format, ...) {
  char name[PARAM_NAME_BYTES];
  va_list args;
  va_start(args, format);
  vsnprintf(name, sizeof name, format, args);
  va_end(args);
  const Param *p = params_find(&m->model.params, name);
  ASSERT_MSG(p, "no parameter %s", name);
  return p;
}

static void put_row(Made *m, int64_t row, const Param *p, int64_t from) {
  int64_t cols = p->n_dims > 1 ? p->dim[1] : 1;
  memcpy(m->data + row * cols, param_floats(p) + from * cols, (size_t)cols * sizeof(float));
}

static void two_halves(const char *name, const Param *gate, const Param *up) {
  Made *m = make(name, 2 * gate->dim[0], gate->dim[1]);
  for (int64_t r = 0; r < gate->dim[0]; r++) {
    put_row(m, r, gate, r);
    put_row(m, gate->dim[0] + r, up, r);
  }
}

static void expect_loaded(OwnedModel *m, const char *folder) {
  OwnedModel got;
  ASSERT_OK(owned_open(&got, &m->model.config, DT_F32, 8, false));
  ASSERT_OK(hf_load(folder, &m->model.config, &got.model.params, false));
  for (int64_t i = 0; i < m->model.params.count; i++) {
    const Param *a = &m->model.params.param[i], *b = &got.model.params.param[i];
    ASSERT_MSG(memcmp(param_floats(a), param_floats(b), (size_t)a->n * sizeof(float)) == 0, "%s differs", a->name);
  }
  owned_close(&got);
}

// ---- grouped-query attention with biases: four heads of three, two groups

static void open_dense(OwnedModel *m) {
  ModelConfig c;
  model_config_defaults(&c);
  c.model.family = FAMILY_QWEN2;
  c.model.layers = 2, c.model.width = 12, c.model.ffn = 10, c.model.vocab = 20, c.model.max_length = 16;
  c.attention.heads = 4, c.attention.kv_heads = 2, c.attention.head_dim = 3;
  c.attention.qkv_bias = true;
  c.mla.kv_rank = c.mla.q_rank = c.moe.experts = 0;
  ASSERT_OK(owned_open(m, &c, DT_F32, 8, false));
  model_reset(&m->model, 7);
  for (int64_t i = 0; i < m->model.params.count; i++) {
    Param *p = &m->model.params.param[i];
    for (int64_t k = 0; k < p->n && p->n_dims == 1; k++) param_floats(p)[k] = (float)(i * 100 + k);
  }
}

// Rows by group: two queries, key, value; each of three rows.
static void join_attention(const OwnedModel *m, int layer, const char *what) {
  char name[100];
  const Param *q = param(m, "model.layers.%d.self_attn.q_proj.%s", layer, what);
  const Param *k = param(m, "model.layers.%d.self_attn.k_proj.%s", layer, what);
  const Param *v = param(m, "model.layers.%d.self_attn.v_proj.%s", layer, what);
  snprintf(name, sizeof name, "decoder.layers.%d.self_attention.linear_qkv.%s", layer, what);
  Made *t = make(name, 24, q->n_dims > 1 ? q->dim[1] : 0);
  int64_t row = 0;
  for (int group = 0; group < 2; group++) {
    for (int r = 0; r < 6; r++) put_row(t, row++, q, group * 6 + r);
    for (int r = 0; r < 3; r++) put_row(t, row++, k, group * 3 + r);
    for (int r = 0; r < 3; r++) put_row(t, row++, v, group * 3 + r);
  }
}

TEST(megatron_joins_queries_keys_and_values_by_group) {
  static const char *const names[] = {"model.embed_tokens",
                                      "embedding.word_embeddings",
                                      "lm_head",
                                      "output_layer",
                                      "model.norm",
                                      "decoder.final_layernorm",
                                      "model.layers",
                                      "decoder.layers",
                                      "self_attn.o_proj",
                                      "self_attention.linear_proj",
                                      ".input_layernorm.weight",
                                      ".self_attention.linear_qkv.layer_norm_weight",
                                      ".post_attention_layernorm.weight",
                                      ".mlp.linear_fc1.layer_norm_weight",
                                      "down_proj",
                                      "linear_fc2",
                                      NULL};
  OwnedModel m;
  open_dense(&m);
  for (int64_t i = 0; i < m.model.params.count; i++) {
    const Param *p = &m.model.params.param[i];
    if (!strstr(p->name, "q_proj") && !strstr(p->name, "k_proj") && !strstr(p->name, "v_proj") &&
        !strstr(p->name, "gate_proj") && !strstr(p->name, "up_proj"))
      copy_renamed(p, names);
  }
  for (int layer = 0; layer < 2; layer++) {
    char name[100];
    snprintf(name, sizeof name, "decoder.layers.%d.mlp.linear_fc1.weight", layer);
    two_halves(name, param(&m, "model.layers.%d.mlp.gate_proj.weight", layer),
               param(&m, "model.layers.%d.mlp.up_proj.weight", layer));
    join_attention(&m, layer, "weight");
    join_attention(&m, layer, "bias");
  }
  write_made(test_folder());
  expect_loaded(&m, test_folder());
  owned_close(&m);
}

TEST(the_older_mindformers_names) {
  static const char *const names[] = {"embed_tokens.weight",
                                      "tok_embeddings.embedding_weight",
                                      "model.norm.",
                                      "model.norm_out.",
                                      "self_attn.q_proj",
                                      "attention.wq",
                                      "self_attn.k_proj",
                                      "attention.wk",
                                      "self_attn.v_proj",
                                      "attention.wv",
                                      "self_attn.o_proj",
                                      "attention.wo",
                                      "input_layernorm",
                                      "attention_norm",
                                      "post_attention_layernorm",
                                      "ffn_norm",
                                      "mlp.gate_proj",
                                      "feed_forward.w1",
                                      "mlp.down_proj",
                                      "feed_forward.w2",
                                      "mlp.up_proj",
                                      "feed_forward.w3",
                                      NULL};
  OwnedModel m;
  open_dense(&m);
  m.model.config.attention.qkv_bias = false;  // they have none
  m.model.config.model.family = FAMILY_LLAMA;
  OwnedModel plain;
  ASSERT_OK(owned_open(&plain, &m.model.config, DT_F32, 8, false));
  model_reset(&plain.model, 3);
  for (int64_t i = 0; i < plain.model.params.count; i++) copy_renamed(&plain.model.params.param[i], names);
  write_made(test_folder());
  expect_loaded(&plain, test_folder());
  owned_close(&plain);
  owned_close(&m);
}

// ---- latent attention, experts, multi-token prediction

enum { LAYERS = 3, EXPERTS = 4, FFN = 5, WIDTH = 12 };

static void open_experts(OwnedModel *m) {
  ModelConfig c;
  model_config_defaults(&c);
  c.model.layers = LAYERS, c.model.width = WIDTH, c.model.ffn = 10, c.model.vocab = 20, c.model.max_length = 16;
  c.attention.heads = c.attention.kv_heads = 2;
  c.mla.q_rank = 6, c.mla.kv_rank = 4, c.mla.nope = 4, c.mla.rope = 2, c.mla.v = 4;
  c.moe.experts = EXPERTS, c.moe.top_k = 2, c.moe.ffn = FFN;
  c.mtp.layers = 1;
  ASSERT_OK(owned_open(m, &c, DT_F32, 8, false));
  model_reset(&m->model, 7);
}

static const char *const latent[] = {"model.layers.3.enorm",
                                     "mtp.layers.0.enorm",
                                     "model.layers.3.hnorm",
                                     "mtp.layers.0.hnorm",
                                     "model.layers.3.eh_proj",
                                     "mtp.layers.0.eh_proj",
                                     "model.layers.3.shared_head.norm",
                                     "mtp.layers.0.final_layernorm",
                                     "model.layers.3",
                                     "mtp.layers.0.transformer_layer",
                                     "model.embed_tokens",
                                     "embedding.word_embeddings",
                                     "lm_head",
                                     "output_layer",
                                     "model.norm",
                                     "decoder.final_layernorm",
                                     "model.layers",
                                     "decoder.layers",
                                     "self_attn.q_a_proj",
                                     "self_attention.linear_q_down_proj",
                                     "self_attn.q_b_proj",
                                     "self_attention.linear_q_up_proj",
                                     "self_attn.kv_a_proj_with_mqa",
                                     "self_attention.linear_kv_down_proj",
                                     "self_attn.kv_b_proj",
                                     "self_attention.linear_kv_up_proj",
                                     "self_attn.o_proj",
                                     "self_attention.linear_proj",
                                     "self_attn.q_a_layernorm",
                                     "self_attention.q_layernorm",
                                     "self_attn.kv_a_layernorm",
                                     "self_attention.kv_layernorm",
                                     "post_attention_layernorm",
                                     "pre_mlp_layernorm",
                                     "mlp.gate.weight",
                                     "mlp.router.weight",
                                     "mlp.gate.e_score_correction_bias",
                                     "mlp.router.expert_bias",
                                     "gate_proj",
                                     "gating",
                                     "up_proj.weight",
                                     "hidden.weight",
                                     "down_proj.weight",
                                     "linear_fc2.weight",
                                     "linear_q_down_proj.linear_fc2",
                                     "linear_q_down_proj",
                                     NULL};

// The pairs rename parts of longer names too; what must stay is put back.
static void copy_latent(const Param *p) {
  copy_renamed(p, latent);
  Made *m = &made[n_made - 1];
  static const char *const back[][2] = {{"linear_q_linear_fc2.weight", "linear_q_down_proj.weight"},
                                        {"linear_kv_linear_fc2.weight", "linear_kv_down_proj.weight"},
                                        {"linear_q_hidden.weight", "linear_q_up_proj.weight"},
                                        {"linear_kv_hidden.weight", "linear_kv_up_proj.weight"}};
  for (int i = 0; i < 4; i++) {
    char *at = strstr(m->name, back[i][0]);
    if (at) snprintf(at, sizeof m->name - (size_t)(at - m->name), "%s", back[i][1]);
  }
}

TEST(the_names_of_mindformers_telechat3) {
  OwnedModel m;
  open_experts(&m);
  for (int64_t i = 0; i < m.model.params.count; i++) copy_latent(&m.model.params.param[i]);
  write_made(test_folder());
  expect_loaded(&m, test_folder());
  owned_close(&m);
}

static const char *layer_text(int layer) {
  static char text[64];
  if (layer == LAYERS) return "mtp.layers.0.transformer_layer";
  snprintf(text, sizeof text, "decoder.layers.%d", layer);
  return text;
}

// One tensor for each expert, or one for all, turned over and one after the other.
static void experts_alone(const OwnedModel *m, int layer) {
  for (int e = 0; e < EXPERTS; e++) {
    char name[200];
    const Param *down = param(m, "model.layers.%d.mlp.experts.%d.down_proj.weight", layer, e);
    snprintf(name, sizeof name, "%s.mlp.experts.local_experts.%d.linear_fc1.weight", layer_text(layer), e);
    two_halves(name, param(m, "model.layers.%d.mlp.experts.%d.gate_proj.weight", layer, e),
               param(m, "model.layers.%d.mlp.experts.%d.up_proj.weight", layer, e));
    snprintf(name, sizeof name, "%s.mlp.experts.local_experts.%d.linear_fc2.weight", layer_text(layer), e);
    memcpy(make(name, WIDTH, FFN)->data, param_floats(down), (size_t)down->n * sizeof(float));
  }
}

static void experts_stacked(const OwnedModel *m, int layer) {
  char name[200];
  snprintf(name, sizeof name, "%s.mlp.experts.weight1", layer_text(layer));
  float *first = make(name, WIDTH, EXPERTS * 2 * FFN)->data;
  snprintf(name, sizeof name, "%s.mlp.experts.weight2", layer_text(layer));
  float *second = make(name, EXPERTS * FFN, WIDTH)->data;
  for (int e = 0; e < EXPERTS; e++) {
    const float *gate = param_floats(param(m, "model.layers.%d.mlp.experts.%d.gate_proj.weight", layer, e));
    const float *up = param_floats(param(m, "model.layers.%d.mlp.experts.%d.up_proj.weight", layer, e));
    const float *down = param_floats(param(m, "model.layers.%d.mlp.experts.%d.down_proj.weight", layer, e));
    for (int d = 0; d < WIDTH; d++)
      for (int f = 0; f < FFN; f++) {
        *first++ = gate[f * WIDTH + d];
        if (f == FFN - 1)
          for (int g = 0; g < FFN; g++) *first++ = up[g * WIDTH + d];
      }
    for (int f = 0; f < FFN; f++)
      for (int d = 0; d < WIDTH; d++) *second++ = down[d * FFN + f];
  }
}

TEST(megatron_experts_alone_and_stacked) {
  for (int stacked = 0; stacked < 2; stacked++) {
    OwnedModel m;
    open_experts(&m);
    for (int64_t i = 0; i < m.model.params.count; i++) {
      const Param *p = &m.model.params.param[i];
      if (!strstr(p->name, ".experts.") && !strstr(p->name, "mlp.gate_proj") && !strstr(p->name, "mlp.up_proj") &&
          !strstr(p->name, "shared_experts.gate_proj") && !strstr(p->name, "shared_experts.up_proj"))
        copy_latent(p);
    }
    two_halves("decoder.layers.0.mlp.linear_fc1.weight", param(&m, "model.layers.0.mlp.gate_proj.weight"),
               param(&m, "model.layers.0.mlp.up_proj.weight"));
    for (int layer = 1; layer <= LAYERS; layer++) {
      char name[200];
      snprintf(name, sizeof name, "%s.mlp.shared_experts.linear_fc1.weight", layer_text(layer));
      two_halves(name, param(&m, "model.layers.%d.mlp.shared_experts.gate_proj.weight", layer),
                 param(&m, "model.layers.%d.mlp.shared_experts.up_proj.weight", layer));
      if (stacked) experts_stacked(&m, layer);
      else experts_alone(&m, layer);
    }
    write_made(test_folder());
    expect_loaded(&m, test_folder());
    owned_close(&m);
  }
}

TEST(a_joint_matrix_of_another_shape_is_named) {
  OwnedModel m;
  open_dense(&m);
  copy_renamed(param(&m, "model.norm.weight"), (const char *const[]){"model.norm", "decoder.final_layernorm", NULL});
  make("decoder.layers.0.mlp.linear_fc1.weight", 19, 12);
  write_made(test_folder());
  ASSERT_ERR(hf_load(test_folder(), &m.model.config, &m.model.params, false), ERR_FORMAT,
             "decoder.layers.0.mlp.linear_fc1.weight is F32 [19, 12], the configuration wants [20, 12]");
  owned_close(&m);
}
