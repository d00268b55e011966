// pleiad verify A B: runs, checkpoints and models against each other.
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "base/safetensors.h"
#include "cli/program.h"
#include "test.h"
#include "train/tiny.h"

// A run of the tiny model in FOLDER/name, with one key set otherwise; its checkpoints of steps 2, 4, 6, 8.
static void make_run(const char *name, const char *key, const char *value, const char *isa) {
  RunConfig *c = calloc(1, sizeof *c);
  char data[PATH_BYTES];
  ASSERT(c);
  ASSERT_OK(path_join(data, test_folder(), "toy.bin"));
  if (!file_exists(data)) tiny_data(test_folder());
  tiny_config(c, test_folder());
  snprintf(c->train.output, sizeof c->train.output, "%.900s/%s", test_folder(), name);
  c->checkpoint.every = 2, c->checkpoint.keep_last = 8;
  Options o = run_options(c);
  if (key) ASSERT_OK(options_set(&o, key, value, "test"));
  if (isa) setenv("PLEIAD_ISA", isa, 1);
  ASSERT_OK(tiny_run(c, NULL));
  unsetenv("PLEIAD_ISA");
  free(c);
}

static void expect_pair(const char *a, const char *b, int code, const char *part) {
  char args[3 * PATH_BYTES];
  snprintf(args, sizeof args, "verify '%s/%s' '%s/%s'", test_folder(), a, test_folder(), b);
  program_expect(args, code, part);
}

// The JSON object of comparing A with B.
static json_t *pair_json(const char *a, const char *b) {
  char args[3 * PATH_BYTES], *output;
  snprintf(args, sizeof args, "verify '%s/%s' '%s/%s' --json 2>/dev/null | tail -n 1", test_folder(), a, test_folder(), b);
  program_run(args, &output);
  json_t *root;
  ASSERT_OK(json_parse(&root, output, strlen(output), "the report", true));
  free(output);
  return root;
}

TEST(a_run_made_twice_is_equal) {
  make_run("a", NULL, NULL, NULL);
  make_run("b", "train.threads", "3", NULL);
  expect_pair("a", "b", 0, "EQUAL");
  expect_pair("a", "b", 0, "4 pairs of checkpoints compared, equal to the bit: step 2, 4, 6, 8");
  expect_pair("a", "b", 0, "metrics.jsonl: 8 steps, equal");
  expect_pair("a", "b", 0, "train.threads");
  expect_pair("a/checkpoints/step-4", "b/checkpoints/step-4", 0, "EQUAL");
  expect_pair("a/checkpoints/step-4", "b", 0, "EQUAL");
  expect_pair("a/checkpoints/step-4", "b/checkpoints", 0, "EQUAL");
  expect_pair("a/checkpoints/step-4", "b/checkpoints/step-6", 1, "DIFFERENT");
}

TEST(the_first_difference_of_two_runs_is_named) {
  make_run("a", NULL, NULL, NULL);
  make_run("b", "lr.warmup", "5", NULL);  // rates of steps 1 to 4 differ
  expect_pair("a", "b", 1, "the first that differs is step 1");
  expect_pair("a", "b", 1, "the first that differs is the checkpoint of step 2");
  expect_pair("a", "b", 1, "The run files differ (lr.warmup)");
  json_t *root = pair_json("a", "b"), *log = json_array_get(json_object_get(root, "logs"), 0);
  ASSERT(json_is_false(json_object_get(root, "equal")));
  ASSERT_INT(json_integer_value(json_object_get(root, "first_step")), 2);
  ASSERT_INT(json_integer_value(json_object_get(log, "step")), 1);
  ASSERT(json_array_size(json_object_get(root, "arrays")) > 10);
  json_decref(root);
}

TEST(a_run_that_goes_on_longer_is_said) {
  make_run("a", NULL, NULL, NULL);
  make_run("b", "lr.kind", "constant", NULL);
  make_run("c", "train.steps", "6", NULL);
  expect_pair("a", "b", 1, "the first that differs is step 3");  // after the warm-up
  expect_pair("a", "b", 1, "step 2");
  expect_pair("a", "c", 1, "DIFFERENT");
}

TEST(another_instruction_set_rounds_otherwise) {
  make_run("a", NULL, NULL, NULL);
  make_run("b", NULL, NULL, "avx2");
  json_t *root = pair_json("a", "b");
  bool equal = json_is_true(json_object_get(root, "equal"));
  json_decref(root);
  if (!equal) expect_pair("a", "b", 1, "sums in another order, not another recipe");
}

TEST(a_model_is_its_run_exported) {
  char args[3 * PATH_BYTES], path[PATH_BYTES], *bytes;
  size_t size;
  make_run("a", NULL, NULL, NULL);
  snprintf(args, sizeof args, "export '%s/a' '%s/hf'", test_folder(), test_folder());
  program_expect(args, 0, "");
  expect_pair("a", "hf", 0, "EQUAL");
  // One bit of one number.
  ASSERT_OK(path_join(path, test_folder(), "hf/model.safetensors"));
  SafeTensors s;
  ASSERT_OK(safetensors_open(&s, path));
  const StTensor *t = safetensors_find(&s, "model.layers.1.self_attn.o_proj.weight");
  ASSERT(t && t->type == ST_F32);
  size_t at = (size_t)((const uint8_t *)t->data - s.map.data) + 17 * sizeof(float);
  safetensors_close(&s);
  ASSERT_OK(file_read(path, 1 << 26, &bytes, &size));
  bytes[at] ^= 1;
  ASSERT_OK(file_replace(path, bytes, size));
  free(bytes);
  expect_pair("a", "hf", 1, "One number of");
  json_t *root = pair_json("a", "hf"), *one = json_array_get(json_object_get(root, "arrays"), 0);
  ASSERT_INT(json_array_size(json_object_get(root, "arrays")), 1);
  ASSERT_TEXT(json_string_value(json_object_get(one, "name")), "model.layers.1.self_attn.o_proj.weight");
  ASSERT_TEXT(json_string_value(json_object_get(one, "place")), "[1, 1]");
  json_t *d = json_object_get(one, "difference");
  ASSERT_INT(json_integer_value(json_object_get(d, "ulp")), 1);
  ASSERT_INT(json_integer_value(json_object_get(d, "first")), 17);
  json_decref(root);
}

TEST(what_cannot_be_read_is_named) {
  char path[PATH_BYTES], *bytes;
  size_t size;
  make_run("a", NULL, NULL, NULL);
  make_run("b", NULL, NULL, NULL);
  ASSERT_OK(path_join(path, test_folder(), "b/checkpoints/step-2/shard-0000.bin"));
  ASSERT_OK(file_read(path, 1 << 26, &bytes, &size));
  bytes[200] ^= 4;
  ASSERT_OK(file_replace(path, bytes, size));
  free(bytes);
  expect_pair("a", "b", 1, "shard-0000.bin");
  expect_pair("a", "nothing", 2, "nothing: want a run's folder");
}
