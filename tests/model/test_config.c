#include "model/config.h"

#include <stdio.h>

#include "test.h"

TEST(defaults_can_be) {
  ModelConfig c;
  model_config_defaults(&c);
  ASSERT_OK(model_config_check(&c, "defaults"));
  ASSERT(config_is_mla(&c));
  ASSERT(!config_is_moe_layer(&c, 0) && config_is_moe_layer(&c, 1));
}

typedef struct {
  const char *key, *value;      // what is changed
  const char *key2, *value2;    // and this, if any
  const char *part_a, *part_b;  // both must be in the message
} Refused;

static const Refused refused[] = {
    {"attention.heads", "6", "mla.kv_rank", "0", "attention.heads 6", "attention.kv_heads 8"},
    {"attention.heads", "24", "mla.kv_rank", "0", "model.width 512", "attention.heads 24"},
    {"attention.head_dim", "7", "mla.kv_rank", "0", "attention.head_dim is 7", "even"},
    {"mla.rope", "31", NULL, NULL, "mla.rope is 31", "even"},
    {"mla.v", "0", NULL, NULL, "mla.v 0", "mla.kv_rank 128"},
    {"moe.top_k", "49", NULL, NULL, "moe.top_k 49", "moe.experts 48"},
    {"moe.top_k", "0", NULL, NULL, "moe.top_k 0", "moe.experts 48"},
    {"moe.ffn", "0", NULL, NULL, "moe.ffn 0", "moe.experts 48"},
    {"moe.first_dense", "9", NULL, NULL, "moe.first_dense 9", "model.layers 8"},
    {"moe.groups", "5", NULL, NULL, "moe.experts 48", "moe.groups 5"},
    {"moe.groups", "48", NULL, NULL, "moe.experts 48", "moe.groups 48"},
    {"moe.groups", "4", "moe.top_groups", "5", "moe.top_groups 5", "moe.groups 4"},
    {"moe.groups", "16", "moe.top_groups", "1", "moe.top_k 4", "moe.top_groups 1"},
    {"mtp.layers", "1", "moe.experts", "0", "mtp.layers 1", "moe.experts 0"},
    {"mtp.layers", "1", "mtp.loss", "0", "mtp.loss 0", "mtp.layers 1"},
    {"model.eos", "8192", NULL, NULL, "model.eos 8192", "model.vocab 8192"},
};

TEST(impossible_pairs_name_both_keys) {
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    const Refused *r = &refused[i];
    ModelConfig c;
    Options o = {0};
    options_bind(&o, model_fields, &c);
    model_config_defaults(&c);
    ASSERT_OK(options_set(&o, r->key, r->value, "test"));
    if (r->key2) ASSERT_OK(options_set(&o, r->key2, r->value2, "test"));
    ASSERT_ERR(model_config_check(&c, "run.yaml"), ERR_CONFIG, r->part_a);
    ASSERT_MSG(strstr(err_text(), r->part_b) && strstr(err_text(), "run.yaml"), "\"%s\" does not name %s", err_text(),
               r->part_b);
  }
}

TEST(ranges_are_checked_without_options_too) {
  ModelConfig c;
  model_config_defaults(&c);
  c.model.layers = 0;
  ASSERT_ERR(model_config_check(&c, "x"), ERR_CONFIG, "model.layers is 0");
  model_config_defaults(&c);
  c.model.norm_eps = 0.0 / 0.0;
  ASSERT_ERR(model_config_check(&c, "x"), ERR_CONFIG, "model.norm_eps");
  model_config_defaults(&c);
  c.moe.scoring = 2;
  ASSERT_ERR(model_config_check(&c, "x"), ERR_CONFIG, "moe.scoring");
}
