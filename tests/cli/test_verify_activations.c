// pleiad verify A B --activations: the first activation of two models that differs.
#include <stdlib.h>

#include "base/file.h"
#include "cli/case_copy.h"
#include "cli/program.h"
#include "test.h"

static void expect_two(const char *b, int code, const char *part) {
  char args[3 * PATH_BYTES];
  snprintf(args, sizeof args, "verify '%s/tests/golden/cases/models/moe_mla_mtp' '%s' --activations --json --threads 1",
           test_root(), b);
  program_expect(args, code, part);
}

TEST(a_model_and_its_copy_are_one) {
  const char *folder = case_copy("moe_mla_mtp");
  expect_two(folder, 0, "\"passed\":true");
  expect_two(folder, 0, "router_ids.1");
}

TEST(the_first_activation_that_differs_is_named) {
  static const struct {
    const char *tensor, *first;
  } changes[] = {{"model.layers.1.self_attn.q_b_proj.weight", "attended.1"},
                 {"model.layers.0.mlp.up_proj.weight", "hidden.1"},
                 {"model.layers.1.mlp.gate.weight", "router_"},
                 {"model.norm.weight", "final_norm"},
                 {"model.layers.2.eh_proj.weight", "loss"}};
  for (int i = 0; i < 5; i++) {
    char part[80];
    const char *folder = case_copy("moe_mla_mtp");
    case_add_to(folder, "model.safetensors", changes[i].tensor, 3, 0.3f);
    snprintf(part, sizeof part, "the first that differs is %s", changes[i].first);
    expect_two(folder, 1, part);
  }
}

TEST(other_shapes_are_two_models) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/tests/golden/cases/models/dense_gqa", test_root());
  expect_two(path, 1, "two models");
  expect_two(test_folder(), 1, "Hugging Face folder");
  program_expect("verify --activations x", 2, "needs two models");
}
