// Families without a golden case: small models against logits that Hugging Face transformers computed (cases/make.py);
// telechat_52b by the published class, in float64 on random weights, the last norm's 32 times as large.
#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/safetensors.h"
#include "model/hf_config.h"
#include "model/hf_files.h"
#include "model/measure.h"
#include "model/owned.h"
#include "test.h"

enum { B = 2, T = 40, N = B * T };

// Logits [N,V] of the case's ids.
static void forward(Model *m, Dev *dev, Dtype type, const int32_t *ids, Mat logits) {
  ModelMemory need;
  Arena kept, temp;
  int32_t position[N], doc_start[N] = {0};
  for (int i = 0; i < N; i++) position[i] = i % T;
  ASSERT_OK(model_measure(&m->config, type, B, T, true, RECOMPUTE_NONE, &need));
  ASSERT_OK(arena_init(&kept, "kept", need.kept));
  ASSERT_OK(arena_init(&temp, "temp", need.temp));
  Run run = {.dev = dev, .type = type, .kept = &kept, .temp = &temp};
  MicroBatch mb = {.B = B, .T = T, .ids = ids, .position = position, .doc_start = doc_start, .sequence_scale = 1};
  Stream stream = {0};
  Losses losses = {0};
  BlockSaved *saved = calloc((size_t)m->n_blocks, sizeof *saved);
  model_forward(m, &run, &mb, 0, m->n_blocks, &stream, saved, &losses);
  head_logits(m->head_used, &run, logits, stream.x, N);
  free(saved);
  arena_free(&kept);
  arena_free(&temp);
}

static void check(const char *name) {
  char folder[PATH_BYTES], path[PATH_BYTES + 32];
  ModelConfig c;
  OwnedModel *m = malloc(sizeof *m);
  Dev dev;
  SafeTensors s;
  snprintf(folder, sizeof folder, "%s/tests/model/cases/%s", test_root(), name);
  snprintf(path, sizeof path, "%s/config.json", folder);
  ASSERT_OK(hf_config_load(path, &c));
  ASSERT_OK(owned_open(m, &c, DT_F32, T, false));
  ASSERT_OK(hf_load(folder, &c, &m->model.params, false));
  snprintf(path, sizeof path, "%s/logits.safetensors", folder);
  ASSERT_OK(safetensors_open(&s, path));
  const StTensor *ids = safetensors_find(&s, "input_ids"), *want = safetensors_find(&s, "logits");
  ASSERT(ids && want && st_elements(ids) == N && st_elements(want) == N * c.model.vocab);
  int32_t id[N];
  for (int i = 0; i < N; i++) {
    int64_t x;
    memcpy(&x, (const char *)ids->data + (size_t)i * sizeof x, sizeof x);
    id[i] = (int32_t)x;
  }
  size_t count = (size_t)(N * c.model.vocab);
  float *a = malloc(count * sizeof *a), *b = malloc(count * sizeof *b);
  ASSERT_OK(st_read_f32(want, 0, (int64_t)count, b));
  ASSERT_OK(dev_open(&dev, 2));
  forward(&m->model, &dev, DT_F32, id, mat_of(a, c.model.vocab, DT_F32));
  for (size_t i = 0; i < count; i++)
    ASSERT_MSG(fabsf(a[i] - b[i]) < 2e-5f, "%s: logit %zu is %.9g, want %.9g", name, i, (double)a[i], (double)b[i]);
  dev_close(&dev);
  safetensors_close(&s);
  owned_close(m);
  free(a);
  free(b);
  free(m);
}

TEST(qwen2_computes_as_transformers_does) { check("qwen2"); }
TEST(qwen3_computes_as_transformers_does) { check("qwen3"); }
TEST(llama3_scaling_computes_as_transformers_does) { check("llama3"); }
TEST(deepseek_v2_computes_as_transformers_does) { check("deepseek_v2"); }
TEST(llama_with_biases_computes_as_transformers_does) { check("llama_biases"); }
TEST(deepseek_v2_with_groups_computes_as_transformers_does) { check("deepseek_v2_groups"); }
TEST(telechat_52b_computes_as_its_own_class_does) { check("telechat_52b"); }
