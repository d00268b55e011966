// Names of tensors by family: the released ones, those that older files have, and what may be repeated.
#include <stdlib.h>

#include "base/file.h"
#include "base/safetensors.h"
#include "model/family.h"
#include "model/hf_files.h"
#include "model/owned.h"
#include "model/small_model.h"
#include "test.h"

typedef struct {
  const char *from, *to;  // of every name, the first `from` becomes `to`
  const char *copy;       // a tensor that repeats another
  const char *of;
  float by;  // what is added to its first number
} Variant;

static void write(const OwnedModel *m, const char *folder, const Variant *v) {
  char path[PATH_BYTES];
  SafeTensorsWriter w;
  ASSERT_OK(folder_make(folder));
  ASSERT_OK(path_join(path, folder, "model.safetensors"));
  ASSERT_OK(safetensors_create(&w, path));
  const ParamList *list = &m->model.params;
  const NameRule rule[] = {{v->from, v->to}, {NULL, NULL}};
  const Param *copied = v->of ? params_find(list, v->of) : NULL;
  ASSERT(!v->of || copied);
  for (int pass = 0; pass < 2; pass++) {
    for (int64_t i = 0; i < list->count + (copied != NULL); i++) {
      Param p = i < list->count ? list->param[i] : *copied;
      if (i == list->count) snprintf(p.name, sizeof p.name, "%s", v->copy);
      if (v->from) param_rename(rule, p.name);
      if (pass == 0) ASSERT_OK(safetensors_declare(&w, p.name, ST_F32, p.n_dims, p.dim));
      float *data = malloc((size_t)p.n * sizeof *data);
      memcpy(data, param_floats(&p), (size_t)p.n * sizeof *data);
      if (i == list->count) data[0] += v->by;
      if (pass == 1) ASSERT_OK(safetensors_write(&w, data, (size_t)p.n * sizeof *data));
      free(data);
    }
    if (pass == 0) ASSERT_OK(safetensors_begin(&w));
  }
  ASSERT_OK(safetensors_commit(&w));
}

static Err load(const OwnedModel *m, const Variant *v) {
  static int number;
  char folder[PATH_BYTES];
  snprintf(folder, sizeof folder, "%.2000s/%d", test_folder(), number++);
  write(m, folder, v);
  OwnedModel *back = malloc(sizeof *back);
  ASSERT_OK(owned_open(back, &m->model.config, DT_F32, 8, false));
  Err err = hf_load(folder, &m->model.config, &back->model.params, false);
  for (int64_t i = 0; !err && i < m->model.params.count; i++) {
    const Param *a = &m->model.params.param[i], *b = &back->model.params.param[i];
    ASSERT_MSG(memcmp(param_floats(a), param_floats(b), (size_t)a->n * sizeof(float)) == 0, "%s comes back changed", a->name);
  }
  owned_close(back);
  free(back);
  return err;
}

static void open_small(OwnedModel *m, SmallKind kind) {
  ModelConfig c = small_config(kind);
  ASSERT_OK(owned_open(m, &c, DT_F32, 8, false));
  model_reset(&m->model, 5);
}

TEST(parameters_have_the_released_names) {
  OwnedModel m;
  open_small(&m, SMALL_TELECHAT_MOE);
  static const char *const names[] = {"transformer.word_embeddings.weight",
                                      "transformer.h.0.input_layernorm.weight",
                                      "transformer.h.1.self_attention.query.weight",
                                      "transformer.h.1.self_attention.key_value.weight",
                                      "transformer.h.1.self_attention.dense.bias",
                                      "transformer.h.2.mlp.router.weight",
                                      "transformer.h.2.mlp.local_experts.5.gate_proj.weight",
                                      "transformer.h.2.mlp.local_experts.5.down_proj.bias",
                                      "transformer.ln_f.weight",
                                      "lm_head.weight"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    ASSERT_MSG(params_find(&m.model.params, names[i]), "no parameter %s", names[i]);
  owned_close(&m);
}

TEST(names_of_older_files_are_found) {
  OwnedModel m;
  open_small(&m, SMALL_TELECHAT);
  ASSERT_OK(load(&m, &(Variant){.from = "transformer.", .to = ""}));  // TeleChat-7B
  ASSERT_ERR(load(&m, &(Variant){.from = "transformer.", .to = "model."}), ERR_FORMAT, "transformer.h.0");
  owned_close(&m);
  open_small(&m, SMALL_SHARED);
  ASSERT_OK(load(&m, &(Variant){.from = "model.layers.", .to = "transformer.h."}));
  ASSERT_OK(load(&m, &(Variant){.from = "model.embed_tokens", .to = "transformer.word_embeddings"}));
  owned_close(&m);
}

TEST(shared_projections_may_be_repeated_if_they_are_equal) {
  OwnedModel m;
  open_small(&m, SMALL_SHARED);
  Variant v = {.copy = "model.layers.1.self_attn.q_proj.weight", .of = "model.layers.0.self_attn.q_proj.weight"};
  ASSERT(!params_find(&m.model.params, v.copy));
  ASSERT_OK(load(&m, &v));
  v.by = 1;
  ASSERT_ERR(load(&m, &v), ERR_FORMAT, "model.layers.1.self_attn.q_proj.weight is not equal");
  v = (Variant){.copy = "lm_head.weight", .of = "model.embed_tokens.weight"};  // tied
  ASSERT_OK(load(&m, &v));
  v.copy = "model.layers.1.self_attn.other.weight";
  ASSERT_ERR(load(&m, &v), ERR_FORMAT, "left over");
  owned_close(&m);
}
