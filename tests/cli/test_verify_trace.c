// pleiad verify --trace: the first place where a model and another program's activations part.
#include <stdlib.h>

#include "base/file.h"
#include "base/safetensors.h"
#include "cli/case_copy.h"
#include "cli/program.h"
#include "test.h"

// A golden case has what a trace has: made into one, FOLDER/trace.safetensors.
static const char *make_trace(const char *folder, const char *extra) {
  static char path[PATH_BYTES];
  char from[PATH_BYTES];
  SafeTensors s;
  SafeTensorsWriter w;
  ASSERT_OK(path_join(from, folder, "cases.safetensors"));
  ASSERT_OK(safetensors_open(&s, from));
  const StTensor *ids = safetensors_find(&s, "input_ids"), *hidden = safetensors_find(&s, "hidden"),
                 *norm = safetensors_find(&s, "final_norm"), *logits = safetensors_find(&s, "logits");
  ASSERT(ids && hidden && norm && logits && hidden->n_dims == 4);
  ASSERT_OK(path_join(path, test_folder(), "trace.safetensors"));
  ASSERT_OK(safetensors_create(&w, path));
  ASSERT_OK(safetensors_declare(&w, "input_ids", ST_I64, 2, ids->dim));
  for (int64_t i = 0; i < hidden->dim[0]; i++) {
    char name[32];
    snprintf(name, sizeof name, "hidden.%lld", (long long)i);
    ASSERT_OK(safetensors_declare(&w, name, ST_F32, 3, hidden->dim + 1));
  }
  ASSERT_OK(safetensors_declare(&w, "final_norm", ST_F32, 3, norm->dim));
  ASSERT_OK(safetensors_declare(&w, "logits", ST_F32, 3, logits->dim));
  if (extra) ASSERT_OK(safetensors_declare(&w, extra, ST_F32, 3, norm->dim));
  ASSERT_OK(safetensors_begin(&w));
  ASSERT_OK(safetensors_write(&w, ids->data, ids->size));
  ASSERT_OK(safetensors_write(&w, hidden->data, hidden->size));
  ASSERT_OK(safetensors_write(&w, norm->data, norm->size));
  ASSERT_OK(safetensors_write(&w, logits->data, logits->size));
  if (extra) ASSERT_OK(safetensors_write(&w, norm->data, norm->size));
  ASSERT_OK(safetensors_commit(&w));
  safetensors_close(&s);
  return path;
}

static void expect_trace(const char *trace, const char *folder, int code, const char *part) {
  char args[2 * PATH_BYTES + 64];
  snprintf(args, sizeof args, "verify --trace '%s' '%s' --threads 1 --json", trace, folder);
  program_expect(args, code, part);
}

TEST(a_right_model_follows_its_trace) {
  static const char *const names[] = {"moe_mla_mtp", "dense_gqa", "telechat2_moe", "dense_shared"};
  for (int i = 0; i < 4; i++) {
    const char *folder = case_copy(names[i]);
    expect_trace(make_trace(folder, NULL), folder, 0, "\"passed\":true");
  }
}

TEST(the_first_that_differs_is_named) {
  static const struct {
    const char *tensor, *first;
  } changes[] = {{"model.layers.1.self_attn.o_proj.weight", "hidden.2"},
                 {"model.layers.0.mlp.down_proj.weight", "hidden.1"},
                 {"model.norm.weight", "final_norm"},
                 {"lm_head.weight", "logits"}};
  for (int i = 0; i < 4; i++) {
    char part[80];
    const char *folder = case_copy("dense_gqa"), *trace = make_trace(folder, NULL);
    case_add_to(folder, "model.safetensors", changes[i].tensor, 3, 0.3f);
    snprintf(part, sizeof part, "the first that differs is %s:", changes[i].first);
    expect_trace(trace, folder, 1, part);
    snprintf(part, sizeof part, "\"first\":\"%s\"", changes[i].first);
    expect_trace(trace, folder, 1, part);
  }
}

// What the final norm gave is not what attention gave: the name says where it is compared.
TEST(attention_has_a_place_of_its_own) {
  const char *folder = case_copy("dense_gqa"), *trace = make_trace(folder, "attended.1");
  expect_trace(trace, folder, 1, "the first that differs is attended.1:");
}

TEST(a_trace_of_something_else_is_refused) {
  const char *folder = case_copy("dense_gqa");
  expect_trace(make_trace(folder, "attended.77"), folder, 1, "attended.77");
  expect_trace(make_trace(folder, NULL), test_folder(), 1, "Hugging Face folder");
  folder = case_copy("moe_mla_mtp");
  char path[PATH_BYTES];
  ASSERT_OK(path_join(path, folder, "model.safetensors"));
  expect_trace(path, folder, 1, "a trace of this model has input_ids");
  program_expect("verify --trace x", 2, "needs one model");
}
