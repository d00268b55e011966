// pleiad verify on case folders: what is right passes, whatever is changed in one is found and named.
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/case_copy.h"
#include "cli/program.h"
#include "test.h"

static const char *copy_case(void) { return case_copy("moe_mla_mtp"); }

static void expect_case(const char *folder, int code, const char *part) {
  char args[PATH_BYTES + 32];
  snprintf(args, sizeof args, "verify '%s' --threads 1", folder);
  program_expect(args, code, part);
}

// The last line of `pleiad verify FOLDER --json`.
static json_t *report(const char *folder, int code) {
  char args[PATH_BYTES + 64], *output;
  snprintf(args, sizeof args, "verify '%s' --threads 1 --json 2>'%s/errors'", folder, test_folder());
  ASSERT_INT(program_run(args, &output), code);
  ASSERT(*output && output[strlen(output) - 1] == '\n');
  output[strlen(output) - 1] = '\0';
  const char *last = strrchr(output, '\n');
  last = last ? last + 1 : output;
  json_t *root;
  ASSERT_OK(json_parse(&root, last, strlen(last), "the report", true));
  free(output);
  return root;
}

TEST(a_right_case_passes) {
  const char *folder = copy_case();
  json_t *root = report(folder, 0);
  ASSERT(json_is_true(json_object_get(root, "passed")));
  ASSERT_INT(json_integer_value(json_object_get(root, "cases")), 1);
  ASSERT_INT(json_integer_value(json_object_get(root, "failed")), 0);
  ASSERT(json_integer_value(json_object_get(root, "compared")) > 10000);
  json_decref(root);
  expect_case(folder, 0, "copy: passed");
}

TEST(a_changed_weight_is_found) {
  const char *folder = copy_case();
  case_add_to(folder, "model.safetensors", "model.layers.1.self_attn.o_proj.weight", 5, 0.01f);
  json_t *root = report(folder, 1), *one = json_array_get(json_object_get(root, "results"), 0), *line;
  ASSERT(json_is_false(json_object_get(root, "passed")));
  size_t i, before = 0, after = 0;
  json_array_foreach(json_object_get(one, "lines"), i, line) {
    bool failed = json_integer_value(json_object_get(line, "failed")) > 0;
    const char *what = json_string_value(json_object_get(line, "what"));
    if (strcmp(what, "logits") == 0 || strcmp(what, "gradients") == 0) after += failed;
    if (strcmp(what, "trajectory: learning rate") == 0) before += failed;
  }
  ASSERT_INT(after, 2);
  ASSERT_INT(before, 0);
  json_decref(root);
  expect_case(folder, 1, "are beyond their tolerance");
}

TEST(a_changed_logit_is_named) {
  const char *folder = copy_case();
  case_add_to(folder, "cases.safetensors", "logits", 777, 0.01f);
  expect_case(folder, 1, "FAILED logits element 777:");
}

TEST(a_changed_gradient_is_named) {
  const char *folder = copy_case();
  case_add_to(folder, "grads.safetensors", "model.layers.2.mlp.gate.weight", 3, 0.01f);
  expect_case(folder, 1, "FAILED model.layers.2.mlp.gate.weight, relative to its norm");
}

TEST(a_changed_loss_is_named) {
  const char *folder = copy_case();
  json_t *root, *step;
  char path[PATH_BYTES];
  ASSERT_OK(path_join(path, folder, "train.json"));
  ASSERT_OK(json_read(&root, path, true));
  step = json_array_get(json_object_get(root, "trajectory"), 6);
  json_object_set_new(step, "lm_loss", json_real(json_number_value(json_object_get(step, "lm_loss")) + 0.01));
  ASSERT_OK(json_write(root, path));
  json_decref(root);
  expect_case(folder, 1, "FAILED step 7:");
}

TEST(a_wrong_shape_is_named) {
  const char *folder = copy_case();
  case_put_text(folder, "model.safetensors", "\"model.layers.0.self_attn.q_a_proj.weight\"", "22,40", "40,22");
  expect_case(folder, 1, "model.layers.0.self_attn.q_a_proj.weight");
  folder = copy_case();
  case_put_text(folder, "grads.safetensors", "\"", "model.norm.weight", "model.norm.weighs");
  expect_case(folder, 1, "model.norm.weigh");
  folder = copy_case();
  case_put_text(folder, "config.json", "", "\"num_attention_heads\"", "\"num_attention_head5\"");
  expect_case(folder, 1, "num_attention_head");
}

TEST(a_missing_file_is_named) {
  for (int i = 1; i < CASE_FILES; i++) {
    if (strcmp(case_files[i], "cases.safetensors") == 0) continue;  // without it, it is no case
    char path[PATH_BYTES];
    const char *folder = copy_case();
    ASSERT_OK(path_join(path, folder, case_files[i]));
    ASSERT(remove(path) == 0);
    expect_case(folder, 1, case_files[i]);
  }
}

TEST(a_cut_file_is_named) {
  const char *folder = copy_case();
  char path[PATH_BYTES], *bytes;
  size_t size;
  ASSERT_OK(path_join(path, folder, "grads.safetensors"));
  ASSERT_OK(file_read(path, 1 << 26, &bytes, &size));
  ASSERT_OK(file_replace(path, bytes, size - 1));
  expect_case(folder, 1, "grads.safetensors");
  free(bytes);
}

TEST(a_broken_case_does_not_hide_the_others) {
  const char *folder = copy_case();
  case_put_text(folder, "meta.json", "", "{", "x");
  char args[2 * PATH_BYTES + 96];
  snprintf(args, sizeof args, "verify '%s' '%s/tests/golden/cases/models/dense_gqa' --threads 1", folder, test_root());
  program_expect(args, 1, "dense_gqa: passed");
  program_expect(args, 1, "1 cases could not be read");
  json_t *root = report(folder, 1), *one = json_array_get(json_object_get(root, "results"), 0);
  ASSERT(strstr(json_string_value(json_object_get(one, "error")), "meta.json") != NULL);
  json_decref(root);
}

TEST(no_case_is_a_wrong_call) {
  program_expect("verify", 2, "verify needs");
  expect_case(test_folder(), 2, "neither a case nor a folder of cases");
  program_expect("verify --isa avx1024 x", 1, "x");
}
