#include "train/config.h"

#include <stdlib.h>

#include "base/file.h"
#include "test.h"
#include "train/plan.h"
#include "train/tiny.h"

// ---- what cannot be is refused, with the keys named
static void refuse(const char *const set[][2], size_t n, const char *part) {
  RunConfig *c = malloc(sizeof *c);
  ASSERT(c);
  tiny_config(c, "folder");
  Options o = run_options(c);
  for (size_t i = 0; i < n; i++) ASSERT_OK(options_set(&o, set[i][0], set[i][1], "test"));
  ASSERT_ERR(run_config_check(c, "run.yaml"), ERR_CONFIG, part);
  ASSERT(strncmp(err_text(), "run.yaml: ", 10) == 0);
  free(c);
}
#define REFUSE(part, ...) \
  refuse((const char *const[][2]){__VA_ARGS__}, sizeof((const char *const[][2]){__VA_ARGS__}) / sizeof(const char *[2]), part)

TEST(configurations_that_cannot_be_are_refused) {
  REFUSE("moe.top_k 5 and moe.experts 4", {"moe.top_k", "5"});
  REFUSE("data.train is empty", {"data.train", ""});
  REFUSE("the weight 0.5 has no prefix", {"data.train", "1 a 0.5"});
  REFUSE("\"b\" stands where a weight is wanted", {"data.train", "1 a b 2"});
  REFUSE("data.seq_length 65 is longer than model.max_length 64", {"data.seq_length", "65"});
  REFUSE("need model.eos", {"data.reset_attention", "true"}, {"model.eos", "-1"});
  REFUSE("micro-batches of 3 do not divide", {"train.micro_batch", "3"});
  REFUSE("train.leaves is 3", {"train.leaves", "3"});
  REFUSE("has 2 micro-batches, which train.leaves 4 does not divide", {"train.leaves", "4"});
  REFUSE("train.steps 8 and train.tokens 9 are both given", {"train.tokens", "9"});
  REFUSE("train has no length", {"train.steps", "0"});
  REFUSE("train.output is empty", {"train.output", ""});
  REFUSE("lr.low 0.1 is above lr.peak 0.01", {"lr.low", "0.1"});
  REFUSE("lr.warmup 9 is longer", {"lr.warmup", "9"});
  REFUSE("lr.decay_start 9 is after", {"lr.kind", "wsd"}, {"lr.decay_start", "9"});
  REFUSE("checkpoint.best needs evaluations", {"checkpoint.best", "true"});
  REFUSE("checkpoint.average 3 needs as many", {"checkpoint.average", "3"});
}

TEST(stages_that_cannot_be_are_refused) {
  REFUSE("train.steps is given and stages as well", {"stages.0.steps", "4"});
  REFUSE("stages.1 has no length", {"train.steps", "0"}, {"stages.0.steps", "4"}, {"stages.1.batch", "4"});
  REFUSE("stages.0 has sequences of 100 tokens", {"train.steps", "0"}, {"stages.0.steps", "4"}, {"stages.0.seq_length", "100"});
  REFUSE("more than the 4 of 16", {"train.steps", "0"}, {"stages.0.steps", "4"}, {"stages.0.batch_from", "6"});
  REFUSE("grows, but over no steps", {"train.steps", "0"}, {"stages.0.steps", "4"}, {"stages.0.batch_from", "2"});
  REFUSE("stages.0.batch_from 1 is no multiple of 2", {"train.steps", "0"}, {"stages.0.steps", "4"},
         {"stages.0.batch_from", "1"});
  REFUSE("no stages.0.lr.kind", {"train.steps", "0"}, {"stages.0.steps", "4"}, {"stages.0.lr.peak", "1"});
  REFUSE("stages.0.lr.low 2 is above", {"train.steps", "0"}, {"stages.0.steps", "4"}, {"stages.0.lr.kind", "cosine"},
         {"stages.0.lr.low", "2"});
}

TEST(unknown_keys_name_the_nearest) {
  char path[PATH_BYTES];
  ASSERT_OK(path_join(path, test_folder(), "run.yaml"));
  static const char text[] = "train:\n  step: 5\n";
  ASSERT_OK(file_replace(path, text, sizeof text - 1));
  RunConfig *c = malloc(sizeof *c);
  ASSERT(c);
  ASSERT_ERR(run_config_load(c, path), ERR_ARG, "train.steps");
  free(c);
}

// Weights of 8 bits are for reading only.
TEST(training_in_8_bits_is_refused) {
  RunConfig *c = malloc(sizeof *c);
  ASSERT(c);
  tiny_config(c, test_folder());
  Options o = run_options(c);
  ASSERT_ERR(options_set(&o, "train.dtype", "int8", "test"), ERR_ARG, "one of fp32, bf16");
  free(c);
}

// The resolved configuration reads back to the same text, lists included.
TEST(a_resolved_configuration_reads_back) {
  const char *folder = test_folder();
  RunConfig *c = malloc(sizeof *c);
  char *first, *second, path[PATH_BYTES];
  ASSERT(c);
  tiny_config(c, folder);
  Options o = run_options(c);
  ASSERT_OK(options_set(&o, "stages.0.lr.peak", "0.1", "test"));
  ASSERT_OK(options_set(&o, "groups.0.match", "*.norm*", "test"));
  ASSERT_OK(options_set(&o, "optimizer.eps", "1.2345678901234567e-9", "test"));
  ASSERT_OK(run_config_text(c, folder, &first));
  ASSERT_OK(path_join(path, folder, "config.yaml"));
  ASSERT_OK(run_config_load(c, path));
  ASSERT_INT(c->n_stages, 1);
  ASSERT_INT(c->n_groups, 1);
  ASSERT_OK(run_config_text(c, folder, &second));
  ASSERT_TEXT(second, first);
  free(first);
  free(second);
  free(c);
}

TEST(the_run_files_of_the_project_are_sound) {
  char **names, folder[PATH_BYTES], path[PATH_BYTES];
  size_t n;
  RunConfig *c = malloc(sizeof *c);
  ASSERT(c);
  ASSERT_OK(path_join(folder, test_root(), "configs"));
  ASSERT_OK(folder_list(folder, &names, &n));
  ASSERT(n >= 3);
  for (size_t i = 0; i < n; i++) {
    Plan plan;
    ASSERT_OK(path_join(path, folder, names[i]));
    if (file_is_folder(path)) continue;  // configs/model holds models alone
    ASSERT_OK(run_config_load(c, path));
    if (!*c->data.train) snprintf(c->data.train, sizeof c->data.train, "given-on-the-command-line");
    if (!c->n_stages && !c->train.steps) c->train.tokens = 1000000;
    ASSERT_OK(run_config_check(c, names[i]));
    ASSERT_OK(plan_make(&plan, c, names[i]));
  }
  names_free(names, n);
  free(c);
}

TEST(identity_holds_the_model_and_not_the_training) {
  RunConfig *c = malloc(sizeof *c);
  char *a, *b;
  ASSERT(c);
  tiny_config(c, "folder");
  ASSERT_OK(run_identity(&c->model, &a));
  c->model.moe.bias_rate = 0.5;
  c->model.model.init_std = 0.5;
  ASSERT_OK(run_identity(&c->model, &b));
  ASSERT_TEXT(b, a);
  free(b);
  c->model.moe.top_k = 1;
  ASSERT_OK(run_identity(&c->model, &b));
  ASSERT(strcmp(a, b) != 0);
  free(a);
  free(b);
  free(c);
}

// ---- the plan
static void set_all(RunConfig *c, const char *const set[][2], size_t n) {
  tiny_config(c, "folder");
  Options o = run_options(c);
  for (size_t i = 0; i < n; i++) ASSERT_OK(options_set(&o, set[i][0], set[i][1], "test"));
  ASSERT_OK(run_config_check(c, "test"));
}

TEST(stages_follow_each_other_and_share_their_data) {
  static const char *const set[][2] = {
      {"train.steps", "0"},           {"stages.0.steps", "10"},    {"stages.0.batch_from", "2"},
      {"stages.0.grow", "4"},         {"stages.1.tokens", "1000"}, {"stages.1.seq_length", "32"},
      {"stages.1.lr.kind", "linear"}, {"stages.1.lr.peak", "1.0"}, {"stages.2.steps", "3"}};
  RunConfig *c = malloc(sizeof *c);
  Plan p;
  ASSERT(c);
  set_all(c, set, sizeof set / sizeof *set);
  ASSERT_OK(plan_make(&p, c, "test"));
  ASSERT_INT(p.n_stages, 3);
  ASSERT_INT(p.stage[1].steps, 8);  // 128 tokens a step
  ASSERT_INT(p.steps, 21);
  ASSERT_INT(p.n_sources, 2);  // the third stage goes on with the first one's data
  ASSERT_INT(p.stage[2].source, p.stage[0].source);
  ASSERT_INT(p.source[0].samples, 2 * 4 + 4 * 6 + 4 * 3);
  ASSERT_INT(p.tokens, 44 * 16 + 8 * 128);
  ASSERT_INT(plan_stage(&p, 10) - p.stage, 0);
  ASSERT_INT(plan_stage(&p, 11) - p.stage, 1);
  ASSERT_INT(plan_stage(&p, 21) - p.stage, 2);
  ASSERT_INT(stage_batch(&p.stage[0], 1), 2);
  ASSERT_INT(stage_batch(&p.stage[0], 5), 4);
  ASSERT_NEAR(stage_lr(&p.stage[1], 10), 1, 0);
  ASSERT_NEAR(stage_lr(&p.stage[1], 14), 0.5, 1e-15);
  ASSERT_NEAR(stage_lr(&p.stage[2], 21), 0.001, 1e-15);  // the run's own schedule ends with the run
  free(c);
}

TEST(lengths_grow_in_eights) {
  static const char *const set[][2] = {{"train.steps", "0"},
                                       {"stages.0.steps", "10"},
                                       {"stages.0.seq_length", "64"},
                                       {"stages.0.seq_length_from", "16"},
                                       {"stages.0.grow", "6"}};
  RunConfig *c = malloc(sizeof *c);
  Plan p;
  ASSERT(c);
  set_all(c, set, sizeof set / sizeof *set);
  ASSERT_OK(plan_make(&p, c, "test"));
  static const int64_t want[] = {16, 24, 32, 40, 48, 56, 64, 64};
  int64_t tokens = 0;
  for (int64_t s = 1; s <= 8; s++) ASSERT_INT(stage_length(&p.stage[0], s), want[s - 1]);
  for (int64_t s = 1; s <= 10; s++) tokens += 4 * stage_length(&p.stage[0], s);
  ASSERT_INT(p.tokens, tokens);
  free(c);
}
