#include "train/groups.h"

#include <math.h>

#include "test.h"

static float weights[4][64];
static Param params[4] = {
    {.name = "model.embed_tokens.weight",
     .role = PARAM_EMBEDDING,
     .n_dims = 2,
     .dim = {8, 8},
     .n = 64,
     .w = {weights[0], 8, DT_F32, NULL}},
    {.name = "model.layers.1.mlp.experts.3.down_proj.weight",
     .role = PARAM_OUTPUT,
     .n_dims = 2,
     .dim = {8, 8},
     .n = 64,
     .w = {weights[1], 8, DT_F32, NULL}},
    {.name = "model.layers.1.mlp.gate.weight",
     .role = PARAM_ROUTER,
     .n_dims = 2,
     .dim = {8, 8},
     .n = 64,
     .w = {weights[2], 8, DT_F32, NULL}},
    {.name = "model.norm.weight", .role = PARAM_NORM, .n_dims = 1, .dim = {8}, .n = 8, .w = {weights[3], 8, DT_F32, NULL}},
};
static const ParamList list = {.param = params, .count = 4};

static GroupRule rule_of(const char *match) {
  GroupRule r = {.lr = -1, .decay = -1, .eps = -1, .std = -1};
  snprintf(r.match, sizeof r.match, "%s", match);
  return r;
}

TEST(matrices_decay_by_default_and_vectors_do_not) {
  ParamSettings s[4];
  ASSERT_OK(groups_resolve(NULL, 0, &list, 0.1, 1e-8, "run.yaml", s));
  for (int i = 0; i < 4; i++) {
    ASSERT_NEAR(s[i].decay, i < 3 ? 0.1 : 0, 0);
    ASSERT_NEAR(s[i].lr_factor, 1, 0);
    ASSERT_NEAR(s[i].eps, 1e-8, 0);
    ASSERT(s[i].std < 0);
  }
}

TEST(rules_combine_and_conflicts_name_both) {
  GroupRule rule[2] = {rule_of("*.mlp.experts.*"), rule_of("re:layers\\.[0-9]+\\.mlp")};
  rule[0].eps = 1e-20;
  rule[1].lr = 0.5;
  ParamSettings s[4];
  ASSERT_OK(groups_resolve(rule, 2, &list, 0.1, 1e-8, "run.yaml", s));
  ASSERT_NEAR(s[1].eps, 1e-20, 0);
  ASSERT_NEAR(s[1].lr_factor, 0.5, 0);
  ASSERT_NEAR(s[2].eps, 1e-8, 0);
  ASSERT_NEAR(s[2].lr_factor, 0.5, 0);
  ASSERT_NEAR(s[0].lr_factor, 1, 0);
  rule[1].eps = 1e-20;  // the same value twice is no conflict
  ASSERT_OK(groups_resolve(rule, 2, &list, 0.1, 1e-8, "run.yaml", s));
  rule[1].eps = 1e-9;
  Err err = groups_resolve(rule, 2, &list, 0.1, 1e-8, "run.yaml", s);
  ASSERT_INT(err, ERR_CONFIG);
  ASSERT(strstr(err_text(), "\"*.mlp.experts.*\" sets eps of model.layers.1.mlp.experts.3.down_proj.weight"));
  ASSERT(strstr(err_text(), "re:layers"));
}

TEST(patterns_that_cannot_be_are_refused) {
  ParamSettings s[4];
  GroupRule rule = rule_of("*.lora.*");
  ASSERT_ERR(groups_resolve(&rule, 1, &list, 0.1, 1e-8, "run.yaml", s), ERR_CONFIG, "\"*.lora.*\" matches no parameter");
  rule = rule_of("re:layers.(");
  ASSERT_ERR(groups_resolve(&rule, 1, &list, 0.1, 1e-8, "run.yaml", s), ERR_CONFIG, "not a regular expression");
}

TEST(initial_deviation_by_group) {
  GroupRule rule = rule_of("*.gate.weight");
  rule.std = 0.25;
  ParamSettings s[4];
  ASSERT_OK(groups_resolve(&rule, 1, &list, 0.1, 1e-8, "run.yaml", s));
  memset(weights, 0, sizeof weights);
  groups_reset(&list, s, 7);
  double squares = 0;
  for (int i = 0; i < 64; i++) squares += weights[2][i] * weights[2][i];
  ASSERT_NEAR(sqrt(squares / 64), 0.25, 0.08);
  ASSERT_NEAR(weights[1][0], 0, 0);
  float before = weights[2][5];
  groups_reset(&list, s, 7);
  ASSERT_NEAR(weights[2][5], before, 0);
}
