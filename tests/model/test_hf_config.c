#include "model/hf_config.h"

#include "base/file.h"
#include "test.h"

static json_t *read_shared(const char *name, bool peer) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/%s", test_shared(), name);
  json_t *root;
  ASSERT_OK(json_read(&root, path, true));
  return peer ? json_object_get(root, "hf") : root;
}

static json_t *parse(const char *text) {
  json_t *root;
  ASSERT_OK(json_parse(&root, text, strlen(text), "test", true));
  return root;
}

// A small deepseek_v3 with `more` put over it.
static json_t *with(const char *more) {
  json_t *hf = parse(
      "{\"model_type\": \"deepseek_v3\", \"vocab_size\": 100, \"hidden_size\": 32, \"intermediate_size\": 64,"
      "\"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"num_key_value_heads\": 4, \"n_routed_experts\": 16,"
      "\"first_k_dense_replace\": 1, \"max_position_embeddings\": 4096}");
  json_object_update(hf, parse(more));
  return hf;
}

static const char *const readable[] = {"moe_mla",      "moe_mla_mtp", "moe_mla_groups", "dense_gqa",
                                       "dense_shared", "telechat2",   "telechat2_moe",  "llama_ref"};

TEST(golden_configurations_come_back_as_they_were) {
  for (size_t i = 0; i < sizeof readable / sizeof readable[0]; i++) {
    char name[256];
    snprintf(name, sizeof name, "golden/models/%s/config.json", readable[i]);
    json_t *hf = read_shared(name, false), *back;
    ModelConfig c, again;
    ASSERT_OK(hf_config_read(hf, name, &c));
    ASSERT_OK(hf_config_make(&c, DT_F32, &back));
    ASSERT_OK(hf_config_read(back, "back", &again));
    ASSERT_MSG(memcmp(&c, &again, sizeof c) == 0, "%s changes on its way out and in", name);
    json_object_del(hf, "transformers_version");
    const char *key;
    json_t *value;
    json_object_foreach(hf, key, value) {
      const json_t *got = json_object_get(back, key);
      if (strcmp(key, "rope_scaling") == 0 && json_is_object(value))
        continue;  // 32 becomes 32.0; compared by the second reading
      ASSERT_MSG(got && json_equal(got, value), "%s: \"%s\" is lost or changed", name, key);
    }
    ASSERT_INT(json_object_size(back), json_object_size(hf));
  }
}

TEST(golden_groups_are_mapped) {
  ModelConfig c;
  ASSERT_OK(hf_config_read(read_shared("golden/models/moe_mla_groups/config.json", false), "test", &c));
  ASSERT_INT(c.model.family, FAMILY_DEEPSEEK_V3);
  ASSERT_INT(c.mla.q_rank, 0);
  ASSERT_INT(c.moe.groups, 4);
  ASSERT_INT(c.moe.top_groups, 2);
  ASSERT_INT(c.rope.scaling, ROPE_YARN);
  ASSERT_INT(c.rope.original_length, 32);
  ASSERT_NEAR(c.rope.beta_slow, 0.5, 0);
  ASSERT_NEAR(c.rope.mscale_all, 0.707, 0);
}

TEST(peers_shapes_are_read) {
  ModelConfig c;
  ASSERT_OK(hf_config_read(read_shared("peers/moe-nano.json", true), "moe-nano", &c));
  ASSERT_INT(c.moe.experts, 48);
  ASSERT_NEAR(c.moe.scale, 2.8, 0);
  ASSERT_INT(c.mtp.layers, 0);
  ASSERT_OK(hf_config_read(read_shared("peers/dense-nano.json", true), "dense-nano", &c));
  ASSERT_INT(c.attention.kv_heads, 2);
  ASSERT_INT(config_head_dim(&c), 64);
  ASSERT(!config_is_mla(&c) && c.moe.experts == 0);
  ASSERT_ERR(hf_config_read(read_shared("peers/gpt2-124m.json", true), "gpt2", &c), ERR_CONFIG,
             "deepseek_v3, llama, telechat3");
}

typedef struct {
  const char *more, *part;
} Refused;

static const Refused refused[] = {
    {"{\"mlp_bias\": true}", "mlp_bias"},
    {"{\"hidden_act\": \"gelu\"}", "hidden_act"},
    {"{\"scoring_func\": \"softmax\"}", "scoring_func"},
    {"{\"topk_method\": \"greedy\"}", "topk_method"},
    {"{\"rope_interleave\": false}", "rope_interleave"},
    {"{\"quantization_config\": {\"quant_method\": \"fp8\"}}", "quantization_config"},
    {"{\"moe_layer_freq\": 2}", "moe_layer_freq"},
    {"{\"moe_layer_freq\": [1, 1]}", "moe_layer_freq"},
    {"{\"moe_layer_freq\": [0]}", "moe_layer_freq"},
    {"{\"layer_types\": [\"sliding_attention\"]}", "layer_types"},
    {"{\"some_new_key\": 1}", "some_new_key"},
    {"{\"rope_scaling\": {\"type\": \"longrope\", \"factor\": 2.0}}", "longrope"},
    {"{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.0, \"mscale\": 1}}", "mscale"},
    {"{\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2.0, \"original_max_position_embeddings\": 7}}", "disagree"},
    {"{\"rope_scaling\": {\"type\": \"telechat3-yarn\", \"factor\": 2.0}}", "telechat3-yarn"},
    {"{\"rope_scaling\": {\"type\": \"yarn\", \"rope_type\": \"default\", \"factor\": 2.0}}", "must agree"},
    {"{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2.0, \"attention_factor\": 0}}", "attention_factor"},
    {"{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2.0, \"truncate\": false}}", "truncate"},
    {"{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2.0, \"short_factor\": []}}", "short_factor"},
    {"{\"rope_parameters\": {\"rope_type\": \"default\", \"partial_rotary_factor\": 0.5}}", "partial_rotary_factor"},
    {"{\"num_nextn_predict_layers\": 2}", "num_nextn_predict_layers"},
    {"{\"num_key_value_heads\": 2}", "num_key_value_heads"},
    {"{\"vocab_size\": 0}", "vocab_size"},
    {"{\"vocab_size\": 9223372036854775807}", "vocab_size"},
    {"{\"num_experts_per_tok\": 17, \"topk_group\": 8}", "moe.top_k 17"},
    {"{\"eos_token_id\": 100}", "model.eos 100"},
    {"{\"rms_norm_eps\": -1}", "rms_norm_eps"},
    {"{\"model_type\": \"mixtral\"}", "mixtral"},
};

TEST(what_would_change_the_model_is_refused_by_name) {
  ModelConfig c;
  ASSERT_OK(hf_config_read(with("{}"), "test", &c));
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
    ASSERT_ERR(hf_config_read(with(refused[i].more), "test", &c), ERR_CONFIG, refused[i].part);
  ASSERT_ERR(hf_config_read(with("{\"hidden_size\": \"32\"}"), "test", &c), ERR_FORMAT, "hidden_size");
  ASSERT_ERR(hf_config_read(with("{\"rope_scaling\": {\"type\": \"yarn\"}}"), "test", &c), ERR_FORMAT, "factor");
  ASSERT_ERR(hf_config_read(parse("[]"), "test", &c), ERR_FORMAT, "object");
  ASSERT_ERR(hf_config_read(parse("{}"), "test", &c), ERR_FORMAT, "model_type");
  ASSERT_ERR(hf_config_read(parse("{\"model_type\": \"llama\"}"), "test", &c), ERR_CONFIG, "vocab_size");
}

TEST(old_and_new_names_of_rotary_scaling_mean_the_same) {
  ModelConfig a, b;
  ASSERT_OK(hf_config_read(
      with("{\"rope_theta\": 5000.0, \"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4, \"mscale\": 1.0}}"), "old", &a));
  ASSERT_OK(hf_config_read(
      with("{\"rope_parameters\": {\"rope_theta\": 5000.0, \"rope_type\": \"yarn\", \"factor\": 4.0, \"mscale\": 1,"
           "\"original_max_position_embeddings\": 4096}}"),
      "new", &b));
  ASSERT(memcmp(&a, &b, sizeof a) == 0);
  ASSERT_NEAR(a.rope.theta, 5000, 0);
  ASSERT_INT(a.rope.original_length, 4096);
}

// Frequencies for a length of 96 are those of transformers' class, whose model is announced for 64.
TEST(dynamic_scaling_grows_with_the_announced_length) {
  static const double want[2][4] = {{1, 0.1, 0.01, 0.001},
                                    {1, 0.07368063181638718, 0.005428835283964872, 0.00039999998989515007}};
  ModelConfig c;
  ASSERT_OK(
      hf_config_read(parse("{\"model_type\": \"llama\", \"vocab_size\": 61, \"hidden_size\": 32, \"intermediate_size\": 36,"
                           "\"num_hidden_layers\": 1, \"num_attention_heads\": 4, \"max_position_embeddings\": 64,"
                           "\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 3}}"),
                     "test", &c));
  for (int i = 0; i < 2; i++) {
    double inv_freq[4], factor;
    RotarySpec spec = {.d = 8, .theta = c.rope.theta, .scaling = (RopeScaling)c.rope.scaling, .factor = c.rope.factor};
    spec.original_length = c.rope.original_length;
    spec.length = i ? 96 : c.model.max_length;
    rotary_frequencies(&spec, inv_freq, &factor);
    for (int k = 0; k < 4; k++) ASSERT_NEAR(inv_freq[k], want[i][k], 1e-7 * want[i][k]);
    ASSERT_NEAR(factor, 1, 0);
  }
}

TEST(groups_of_deepseek_v2_count_where_its_method_says_so) {
  static const char rest[] = "\"model_type\": \"deepseek_v2\", \"num_experts_per_tok\": 2, \"n_group\": 8, \"topk_group\": 3";
  char more[400];
  ModelConfig c;
  json_t *hf;
  snprintf(more, sizeof more, "{%s, \"topk_method\": \"greedy\"}", rest);
  ASSERT_OK(hf_config_read(with(more), "greedy", &c));
  ASSERT_INT(c.moe.groups, 1);
  snprintf(more, sizeof more, "{%s, \"topk_method\": \"group_limited_greedy\"}", rest);
  ASSERT_OK(hf_config_read(with(more), "groups", &c));
  ASSERT(c.moe.groups == 8 && c.moe.top_groups == 3 && c.moe.group_max);
  ASSERT_OK(hf_config_make(&c, DT_F32, &hf));
  ASSERT_TEXT(json_string_value(json_object_get(hf, "topk_method")), "group_limited_greedy");
  snprintf(more, sizeof more, "{%s, \"topk_method\": \"noaux_tc\"}", rest);
  ASSERT_ERR(hf_config_read(with(more), "bias", &c), ERR_CONFIG, "topk_method");
}

TEST(a_list_of_layers_that_agrees_is_read) {
  ModelConfig c;
  ASSERT_OK(hf_config_read(
      with("{\"moe_layer_freq\": [0, 1], \"eos_token_id\": [2, 7], \"pad_token_id\": null, \"n_group\": 0}"), "test", &c));
  ASSERT_INT(c.model.eos, 2);
  ASSERT_INT(c.model.pad, -1);
  ASSERT_INT(c.moe.groups, 1);
}

TEST(a_family_does_not_promise_what_it_has_not) {
  ModelConfig c;
  json_t *hf;
  model_config_defaults(&c);
  c.model.family = FAMILY_LLAMA;
  ASSERT_ERR(hf_config_make(&c, DT_F32, &hf), ERR_CONFIG, "mla.kv_rank");
  c.mla.kv_rank = 0;
  ASSERT_ERR(hf_config_make(&c, DT_F32, &hf), ERR_CONFIG, "moe.experts");
  c.moe.experts = 0;
  ASSERT_OK(hf_config_make(&c, DT_F32, &hf));
  c.model.family = FAMILY_DEEPSEEK_V3;
  ASSERT_ERR(hf_config_make(&c, DT_F32, &hf), ERR_CONFIG, "kv_lora_rank");
}
