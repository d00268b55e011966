// The benches whose numbers others rely on: memory announced is memory used, and what they refuse.
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/bench/parts.h"
#include "cli/program.h"
#include "test.h"

static const char shape_text[] =
    "{\"batch\": 2, \"seq\": 32, \"hf\": {\"model_type\": \"deepseek_v3\", \"vocab_size\": 512, \"hidden_size\": 64,"
    "\"intermediate_size\": 96, \"moe_intermediate_size\": 32, \"num_hidden_layers\": 3, \"num_attention_heads\": 2,"
    "\"num_key_value_heads\": 2, \"n_shared_experts\": 1, \"n_routed_experts\": 8, \"num_experts_per_tok\": 2,"
    "\"first_k_dense_replace\": 1, \"q_lora_rank\": 32, \"kv_lora_rank\": 16, \"qk_nope_head_dim\": 16, \"qk_rope_head_dim\": "
    "8,"
    "\"v_head_dim\": 16, \"n_group\": 1, \"topk_group\": 1, \"norm_topk_prob\": true, \"routed_scaling_factor\": 2.5,"
    "\"max_position_embeddings\": 64, \"rms_norm_eps\": 1e-5, \"tie_word_embeddings\": false}}";

// Runs "pleiad bench ARGS" with one %s for the shape; what it printed, of which the last line is JSON.
static json_t *bench(const char *format) {
  char path[PATH_BYTES], args[2 * PATH_BYTES];
  ASSERT_OK(path_join(path, test_folder(), "shape.json"));
  ASSERT_OK(file_replace(path, shape_text, strlen(shape_text)));
  snprintf(args, sizeof args, "bench %s '%.3000s' --threads 1 --json 2>/dev/null", format, path);
  char *output;
  json_t *root;
  ASSERT_INT(program_run(args, &output), 0);
  ASSERT_OK(json_parse(&root, output, strlen(output), "output", true));
  free(output);
  return root;
}

static double real_of(const json_t *o, const char *key) {
  const json_t *v = json_object_get(o, key);
  ASSERT_MSG(json_is_number(v), "no number \"%s\"", key);
  return json_number_value(v);
}

// To the pages that a C library takes for itself.
static void assert_announced(const json_t *o) {
  ASSERT_NEAR(real_of(o, "process_bytes"), real_of(o, "announced_bytes"), 1 << 20);
}

TEST(bench_generate_counts_the_bytes_of_8_bits) {
  json_t *bf16 = bench("generate --dtype bf16 --prompt 8 --tokens 3"),
         *int8 = bench("generate --dtype int8 --prompt 8 --tokens 3");
  ASSERT(real_of(int8, "tokens_per_s") > 0 && real_of(int8, "token_bytes") < real_of(bf16, "token_bytes"));
  ASSERT(strcmp(json_string_value(json_object_get(int8, "dtype")), "int8") == 0);
  json_decref(bf16);
  json_decref(int8);
}

SLOW_TEST(bench_train_compares_what_is_kept) {
  json_t *all = bench("train --dtype bf16 --steps 1 --micro_batch 1 --recompute all");
  const json_t *rows = json_object_get(all, "runs");
  ASSERT_INT(json_array_size(rows), 4);
  double activations = 1e18;
  for (size_t i = 0; i < 4; i++) {
    const json_t *row = json_array_get(rows, i);
    ASSERT(real_of(row, "loss") == real_of(json_array_get(rows, 0), "loss"));
    ASSERT(real_of(row, "tokens_per_s") > 0);
    assert_announced(row);
    double now = real_of(json_object_get(row, "memory_bytes"), "activations");
    ASSERT(now < activations);
    activations = now;
  }
  json_decref(all);
}

TEST(bench_layer_is_one_layer) {
  json_t *o = bench("layer --steps 1");
  // Experts: 8 of 3 x 64 x 32, in fp32; a shared one, and attention, are less than that again.
  double grads = real_of(json_object_get(o, "memory_bytes"), "gradients"), experts = 8 * 3 * 64 * 32 * 4;
  ASSERT(grads > experts && grads < 2 * experts);
  ASSERT(real_of(o, "of_gemm") > 0 && real_of(o, "forward_ms") > 0 && real_of(o, "backward_ms") > 0);
  assert_announced(o);
  json_decref(o);
}

TEST(benches_refuse_what_they_cannot_do) {
  program_expect("bench layer", 2, "needs a shape");
  program_expect("bench layer /nowhere.json", 1, "/nowhere.json");
  program_expect("bench ops --peer /nowhere.so", 2, "/nowhere.so");
  program_expect("bench ops --peer libm.so.6", 2, "neither cblas_sgemm nor dnnl_sgemm");
  program_expect("bench tune --seconds 0", 2, "--seconds");
  program_expect("bench train /nowhere.json --recompute some", 2, "none, rows, attention, block, auto or all");
}

// What a layer does not have is left out: a dense one has no router.
SLOW_TEST(bench_ops_reads_a_configuration) {
  char args[2 * PATH_BYTES];
  snprintf(args, sizeof args, "bench ops '%.3000s/bench/shapes/36b-layer.json' --op router --threads 1 --json", test_root());
  program_expect(args, 0, "\"results\":[]");
}

// Every shape of the project can be read.
TEST(the_shapes_are_read) {
  static const char *const models[] = {"105b-layer", "36b-layer", "39b-layer", "active-1b", "gpt2-124m"};
  char path[PATH_BYTES];
  ModelConfig config;
  int64_t B, T;
  for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
    snprintf(path, sizeof path, "%.3000s/bench/shapes/%s.json", test_root(), models[i]);
    ASSERT_OK(bench_read_batch(path, &config, &B, &T));
  }
}
