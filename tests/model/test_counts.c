#include "model/counts.h"

#include <stdlib.h>

#include "base/file.h"
#include "model/hf_config.h"
#include "model/measure.h"
#include "test.h"

static void load(const char *name, ModelConfig *c) {
  char path[PATH_BYTES];
  Options o = {0};
  snprintf(path, sizeof path, "%s/configs/model/%s.yaml", test_root(), name);
  model_config_defaults(c);
  options_bind(&o, model_fields, c);
  ASSERT_OK(options_load(&o, path));
  ASSERT_OK(model_config_check(c, name));
}

// As published: TeleChat-7B, -12B, -52B and TeleChat2-115B by the bytes that their index files total; the others by the makers'
// numbers.
static const struct {
  const char *name;
  int64_t total, active, mtp;
} published[] = {{"telechat3-105b-a4.7b", 102256309760, 4675827200, 2319858176},
                 {"telechat3-36b", 36239579136, 36239579136, 0},
                 {"telechat3-36b-128k", 36239579136, 36239579136, 0},
                 {"telechat3-1.8b", 1799455744, 1799455744, 0},
                 {"telechat2-115b", 453131665408 / 4, 453131665408 / 4, 0},
                 {"telechat2-35b", 35435059200, 35435059200, 0},
                 {"telechat2-7b", 7617351680, 7617351680, 0},
                 {"telechat2-3b", 3070528512, 3070528512, 0},
                 {"telechat2-39b-a12b", 39330099200, 12149534720, 0},
                 {"telechat-7b", 14400036864 / 2, 14400036864 / 2, 0},
                 {"telechat-12b", 24772864000 / 2, 24772864000 / 2, 0},
                 // less the 64 numbers "masked_bias" of its attention
                 {"telechat-52b", 105665020032 / 2 - 64, 105665020032 / 2 - 64, 0}};
enum { N_PUBLISHED = sizeof published / sizeof published[0] };

TEST(every_model_of_the_family_has_the_published_counts) {
  for (int i = 0; i < N_PUBLISHED; i++) {
    ModelConfig c;
    load(published[i].name, &c);
    ModelCounts n = model_counts(&c);
    ASSERT_MSG(n.total == published[i].total && n.active == published[i].active && n.mtp == published[i].mtp,
               "%s: %lld, %lld active, %lld mtp", published[i].name, (long long)n.total, (long long)n.active, (long long)n.mtp);
  }
}

TEST(every_model_file_is_in_the_list) {
  char path[PATH_BYTES], **names;
  size_t n;
  ASSERT_OK(path_join(path, test_root(), "configs/model"));
  ASSERT_OK(folder_list(path, &names, &n));
  ASSERT_INT(n, N_PUBLISHED);
  names_free(names, n);
}

// What the formula counts is what the modules declare.
TEST(counts_are_those_of_the_declared_parameters) {
  for (int i = 0; i < N_PUBLISHED; i++) {
    ModelConfig c;
    Model *m = calloc(1, sizeof *m);
    Arena weights, other;
    load(published[i].name, &c);
    arena_measure(&weights, "weights");
    arena_measure(&other, "other");
    ASSERT_OK(model_init(m, &c, DT_F32, 1, &weights, NULL, &other));
    int64_t by_role[PARAM_ROLES] = {0};
    for (int64_t k = 0; k < m->params.count; k++) by_role[m->params.param[k].role] += m->params.param[k].n;
    ModelCounts n = model_counts(&c);
    int64_t all = 0;
    for (int r = 0; r < PARAM_ROLES; r++) all += r == PARAM_BALANCE ? 0 : by_role[r];
    ASSERT_INT(all, n.total + n.mtp);
    ASSERT_INT(by_role[PARAM_BALANCE], n.balance);
    ASSERT_INT(by_role[PARAM_EMBEDDING] + by_role[PARAM_HEAD],
               c.model.vocab * config_embedding_size(&c) * (c.model.tied ? 1 : 2));
    model_free(m);
    free(m);
  }
}

TEST(every_model_of_the_family_goes_through_its_config_json) {
  for (int i = 0; i < N_PUBLISHED; i++) {
    ModelConfig c, back;
    json_t *hf;
    load(published[i].name, &c);
    ASSERT_OK(hf_config_make(&c, DT_BF16, &hf));
    ASSERT_OK(hf_config_read(hf, published[i].name, &back));
    ModelCounts a = model_counts(&c), b = model_counts(&back);
    ASSERT_MSG(memcmp(&a, &b, sizeof a) == 0, "%s comes back as another model", published[i].name);
    ASSERT_NEAR(model_flops_token(&c, 4096), model_flops_token(&back, 4096), 0);
    json_decref(hf);
  }
}

// By hand: width 4, one layer, one head of 4, ffn 8, vocab 10. Matrices 4 * 16 + 3 * 32 + head 40 = 200; attention 1 * (4 + 4)
// * 1.5 at T = 2.
TEST(operations_of_a_tiny_model_are_counted_by_hand) {
  ModelConfig c;
  model_config_defaults(&c);
  c.model.layers = 1, c.model.width = 4, c.model.ffn = 8, c.model.vocab = 10;
  c.attention.heads = c.attention.kv_heads = 1;
  c.mla.kv_rank = c.moe.experts = 0;
  ASSERT_NEAR(model_flops_token(&c, 2), 2 * (200 + 12), 0);
  // Two layers that share their attention cost as two, and count as one; a narrow embedding adds 2 * 4 * 3, its head is 10 * 3.
  c.model.layers = 2, c.attention.layers_group = 2, c.model.embedding_size = 3, c.model.tied = true;
  ASSERT_NEAR(model_flops_token(&c, 2), 2 * (2 * (160 + 12) + 24 + 30), 0);
  ModelCounts n = model_counts(&c);
  ASSERT_INT(n.attention, 64);
  ASSERT_INT(n.embedding, 30 + 24);
  ASSERT_INT(n.total, 64 + 2 * 96 + 54 + 2 * 8 + 3);
}

TEST(memory_is_measured_by_running_on_nothing) {
  ModelConfig c;
  ModelMemory one, two;
  load("telechat3-1.8b", &c);
  ASSERT_OK(model_measure(&c, DT_BF16, 1, 512, true, RECOMPUTE_NONE, &one));
  ASSERT_OK(model_measure(&c, DT_BF16, 2, 512, true, RECOMPUTE_NONE, &two));
  const size_t weights = 4 * (size_t)1799455744;
  ASSERT(one.grads >= weights && one.grads < weights + (1 << 20));
  ASSERT(one.weights >= one.grads && one.weights < one.grads + one.grads / 32);  // rows of halves are padded
  ASSERT(two.weights == one.weights && one.tables < 1 << 20);
  ASSERT_NEAR((double)two.kept / (double)one.kept, 2, 0.01);
  ASSERT_OK(model_measure(&c, DT_BF16, 1, 512, false, RECOMPUTE_NONE, &two));
  ASSERT(two.grads == 0 && two.kept < one.kept / 10);
}
