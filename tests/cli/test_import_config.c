// Configurations of others: the files of the shared folder, small ones with what those do not have, and the document.
#include <stdlib.h>

#include "cli/import_config/import_config.h"
#include "cli/program.h"
#include "test.h"

// The least that a model needs.
#define SHAPES                                                                                    \
  "model:\n  model_config:\n    hidden_size: 64\n    num_hidden_layers: 2\n    vocab_size: 100\n" \
  "    intermediate_size: 128\n    num_attention_heads: 4\n"

static Import *read_text(const char *text) {
  static char path[PATH_BYTES];
  static Import m;
  ASSERT_OK(path_join(path, test_folder(), "in.yaml"));
  FileWriter w;
  ASSERT_OK(file_create(&w, path));
  ASSERT_OK(file_write(&w, text, strlen(text)));
  ASSERT_OK(file_commit(&w));
  ASSERT_OK(import_init(&m, &import_mindformers, path));
  return &m;
}

static const ImportEntry *entry(const Import *m, const char *key) {
  for (int64_t i = 0; i < m->count; i++)
    if (strcmp(m->entry[i].key.key, key) == 0) return &m->entry[i];
  test_fail(__FILE__, __LINE__, "%s is not in the report", key);
}

static void expect(const Import *m, const char *key, ImportFate fate, int line, const char *why) {
  const ImportEntry *e = entry(m, key);
  ASSERT_MSG(e->fate == fate && e->key.line == line, "%s: %s, line %d: %s", key, import_fate_names[e->fate], e->key.line,
             e->why);
  ASSERT_MSG(strstr(e->why, why), "%s: \"%s\" does not say \"%s\"", key, e->why, why);
}

TEST(import_config_maps_the_current_layout) {
  Import *m = read_text(
      "seed: 7\nrun_mode: train\nrunner_config: {epochs: 3, batch_size: &bs 2}\nparallel_config:\n  data_parallel: 4\n"
      "  pipeline_stage: 2\n  micro_batch_num: 8\nlr_schedule: {type: CosineWithWarmUpLR, learning_rate: 2.e-4, lr_end: "
      "2.e-5,\n"
      "  warmup_ratio: 0.1, total_steps: 1000}\noptimizer: {type: AdamW, betas: [0.8, 0.9], eps: 1.e-7, weight_decay: 0.2}\n"
      "runner_wrapper: {use_clip_grad: Yes, max_grad_norm: 0.5}\ntrain_dataset:\n  data_loader:\n    sizes: [640, 0, 0]\n"
      "    config:\n      data_path: ['0.7', /a, '0.3', /b]\n      seq_length: 32\n" SHAPES
      "    seq_length: 32\n    num_key_value_heads: 2\n    rope_theta: 5.e5\n    batch_size: *bs\n");
  ASSERT_OK(import_yaml(m, m->path));
  ASSERT_INT(m->of[IMPORT_REFUSED], 0);
  const RunConfig *c = m->run;
  ASSERT_INT(c->model.model.family, FAMILY_TELECHAT3);
  ASSERT_INT(c->model.attention.kv_heads, 2);
  ASSERT_INT(c->model.moe.experts, 0);
  ASSERT_INT(c->model.mla.kv_rank, 0);
  ASSERT_NEAR(c->model.rope.theta, 5e5, 0);
  ASSERT_INT(c->train.batch, 2 * 4 * 8);
  ASSERT_INT(c->train.micro_batch, 2);
  ASSERT_INT(c->train.steps, 640 / 64 * 3);
  ASSERT_INT(c->train.seed, 7);
  ASSERT_INT(c->lr.kind, LR_COSINE);
  ASSERT_INT(c->lr.warmup, 100);
  ASSERT_INT(c->lr.steps, 1000);
  ASSERT_NEAR(c->lr.low, 2e-5, 0);
  ASSERT_NEAR(c->optimizer.beta1, 0.8, 0);
  ASSERT_NEAR(c->optimizer.clip, 0.5, 0);
  ASSERT_TEXT(c->data.train, "0.7 /a 0.3 /b");
  expect(m, "model.model_config.batch_size", IMPORT_NOTHING, 28, "");
  import_free(m);
}

TEST(import_config_refuses_by_line) {
  Import *m = read_text(
      "seed: 7\nrunner_confg: {epochs: 3}\nlayer_scale: True\nlr_schedule:\n  type: CosinWithWarmUpLR\n  learning_rate: fast\n"
      "callbacks:\n  - type: MFLossMonitor\n    per_print_tims: 2\n  - type: Unheard\n" SHAPES
      "    num_layers: 3\n    attention_dropout: 0.1\n    hidden_dropout: 0\n");
  ASSERT_OK(import_yaml(m, m->path));
  expect(m, "runner_confg.epochs", IMPORT_REFUSED, 2, "did you mean runner_config.epochs?");
  expect(m, "layer_scale", IMPORT_REFUSED, 3, "not among false");
  expect(m, "lr_schedule.type", IMPORT_REFUSED, 5, "CosineWithWarmUpLR");
  expect(m, "lr_schedule.learning_rate", IMPORT_REFUSED, 6, "a number is wanted");
  expect(m, "callbacks.MFLossMonitor.per_print_tims", IMPORT_REFUSED, 9,
         "did you mean callbacks.MFLossMonitor.per_print_times");
  expect(m, "callbacks.Unheard.type", IMPORT_REFUSED, 10, "unknown");
  expect(m, "model.model_config.num_layers", IMPORT_REFUSED, 18, "num_hidden_layers");
  expect(m, "model.model_config.attention_dropout", IMPORT_REFUSED, 19, "not among 0");
  expect(m, "model.model_config.hidden_dropout", IMPORT_NOTHING, 20, "no dropout");
  import_free(m);
}

TEST(import_config_follows_anchors_and_merges) {
  Import *m = read_text(
      "base: &base\n  epochs: 2\nrunner_config:\n  <<: *base\n  batch_size: 3\ntrain_dataset: &d\n  num_parallel_workers: 8\n"
      "train_dataset_task:\n  type: CausalLanguageModelDataset\n  dataset_config: *d\neval_dataset_task:\n  dataset_config:\n"
      "    prefetch_size: 1\n" SHAPES);
  ASSERT_OK(import_yaml(m, m->path));
  expect(m, "base.epochs", IMPORT_REFUSED, 2, "runner_config.epochs");
  expect(m, "runner_config.epochs", IMPORT_MAPPED, 4, "");
  ASSERT_INT(m->facts.facts.epochs, 2);
  expect(m, "train_dataset_task.dataset_config", IMPORT_NOTHING, 10, "train_dataset again");
  expect(m, "eval_dataset.prefetch_size", IMPORT_NOTHING, 13, "");
  import_free(m);
}

TEST(import_config_makes_groups_of_names) {
  Import *m = read_text(
      "grouped_lr_schedule:\n  default: {type: ConstantWarmUpLR, learning_rate: 2.e-4, warmup_steps: 10, total_steps: 100}\n"
      "  grouped:\n    - {type: ConstantWarmUpLR, params: ['embedding.*', output_layer.weight], learning_rate: 1.e-4}\n" SHAPES
      "    param_init_std_rules: [{target: 'decoder.layers.0.*', init_method_std: 0.005}, {target: '.*linear_proj', "
      "init_method_std: 0.25}]\n");
  ASSERT_OK(import_yaml(m, m->path));
  ASSERT_INT(m->of[IMPORT_REFUSED], 0);
  const GroupRule *g = m->run->groups;
  ASSERT_TEXT(g[0].match, "model.embed_tokens.*");
  ASSERT_NEAR(g[0].lr, 0.5, 1e-15);
  ASSERT_TEXT(g[1].match, "lm_head.*");
  ASSERT_TEXT(g[2].match, "model.layers.*.self_attn.o_proj.*");
  ASSERT_NEAR(g[2].std, 0.25, 0);
  ASSERT_NEAR(g[3].std, 0.005, 0);
  ASSERT_TEXT(g[3].match, "model.layers.0.input_layernorm.*");
  import_free(m);
}

TEST(import_config_is_bounded) {
  char text[4096] = "a: &a {x: 1, y: 2, z: 3, w: 4, v: 5, u: 6, t: 7, s: 8}\n";
  for (char c = 'b'; c < 'l'; c++)
    snprintf(text + strlen(text), 256, "%c: &%c {x: *%c, y: *%c, z: *%c, w: *%c, v: *%c, u: *%c}\n", c, c, c - 1, c - 1, c - 1,
             c - 1, c - 1, c - 1);
  Import *m = read_text(text);
  Err err = import_yaml(m, m->path);
  ASSERT(err == ERR_FORMAT);
  import_free(m);
  m = read_text("a: &a\n  b: *a\n");
  ASSERT_ERR(import_yaml(m, m->path), ERR_FORMAT, "in.yaml:2: the alias *a lies within what it names");
  import_free(m);
  m = read_text("seed: 1\nseed: 2\n");
  ASSERT_ERR(import_yaml(m, m->path), ERR_FORMAT, "in.yaml:2: seed is given twice; first in line 1");
  import_free(m);
}

// Every key of every released file has a fate, and none is refused; what comes out is a run that could begin.
TEST(import_config_reads_the_released_files) {
  char folder[PATH_BYTES], path[PATH_BYTES], args[3 * PATH_BYTES], out[PATH_BYTES];
  static const char *const families[] = {"telechat2", "telechat3"};
  ASSERT_OK(path_join(out, test_folder(), "run.yaml"));
  int files = 0;
  for (int f = 0; f < 2; f++) {
    char **names = NULL;
    size_t count = 0;
    snprintf(folder, sizeof folder, "%s/data/mindformers/%s", test_shared(), families[f]);
    ASSERT_OK(folder_list(folder, &names, &count));
    for (size_t i = 0; i < count; i++, files++) {
      ASSERT_OK(path_join(path, folder, names[i]));
      snprintf(args, sizeof args, "import-config '%s' --out '%s'", path, out);
      program_expect(args, 0, " 0 refused; written to ");
    }
    names_free(names, count);
  }
  ASSERT(files >= 19);
}

TEST(import_config_knows_the_105b) {
  char path[PATH_BYTES];
  static Import m;
  snprintf(path, sizeof path, "%s/data/mindformers/telechat3/pretrain_telechat3_105b_a4b_4k.yaml", test_shared());
  ASSERT_OK(import_init(&m, &import_mindformers, path));
  ASSERT_OK(import_yaml(&m, path));
  const ModelConfig *c = &m.run->model;
  ASSERT_INT(c->model.family, FAMILY_DEEPSEEK_V3);
  ASSERT_INT(c->model.layers, 45);
  ASSERT_INT(c->mla.q_rank, 1536);
  ASSERT_INT(c->moe.experts, 192);
  ASSERT_INT(c->moe.first_dense, 1);
  ASSERT_INT(c->moe.scoring, SCORE_SIGMOID);
  ASSERT_NEAR(c->moe.scale, 2.8, 0);
  ASSERT_NEAR(c->moe.bias_rate, 0.001, 0);
  ASSERT_NEAR(c->moe.aux_loss, 0.001, 0);
  ASSERT_INT(c->mtp.layers, 1);
  ASSERT_INT(m.run->train.batch, 32);
  import_free(&m);
}

static void check_table(const char *text, const char *title, const ImportTable *t) {
  char *table = NULL;
  size_t size;
  FILE *f = open_memstream(&table, &size);
  ASSERT(f);
  import_print_table(t, f);
  fclose(f);
  const char *at = strstr(text, title);
  ASSERT_MSG(at, "docs/import-config.md has no \"%s\"", title);
  at += strlen(title);
  ASSERT_MSG(strncmp(at, table, size) == 0, "docs/import-config.md: %s is not what pleiad import-config --table %s prints",
             title, t->name);
  free(table);
}

TEST(import_config_document_is_the_table) {
  char path[PATH_BYTES], *text = NULL;
  size_t size;
  ASSERT_OK(path_join(path, test_root(), "docs/import-config.md"));
  ASSERT_OK(file_read(path, 1 << 20, &text, &size));
  check_table(text, "## MindFormers\n\n", &import_mindformers);
  check_table(text, "## Megatron-LM\n\n", &import_megatron);
  free(text);
}

TEST(import_config_predicts_by_generate) {
  char path[PATH_BYTES], args[3 * PATH_BYTES];
  Import *m = read_text("run_mode: predict\nload_checkpoint: /nowhere\n" SHAPES "    do_sample: False\n    top_k: 3\n");
  snprintf(path, sizeof path, "%s/run.yaml", test_folder());
  snprintf(args, sizeof args, "import-config '%s' --out '%s'", m->path, path);
  program_expect(args, 0, "0 refused");
  snprintf(args, sizeof args, "generate --config '%s' --prompt a", path);
  program_expect(args, 1, "/nowhere");
  import_free(m);
}

static const char script[] =
    "#!/bin/bash\n"
    "# a script as people write them\n"
    "export CUDA_DEVICE_MAX_CONNECTIONS=1\n"
    "TP=2; LAYERS=${LAYERS:-3}\n"
    "LAYERS=3\n"
    "LR=2.0e-4\n"
    "DISTRIBUTED_ARGS=\"\n"
    "    --nproc_per_node 8 \\\n"
    "    --nnodes 4\n"
    "\"\n"
    "MODEL_ARGS=(\n"
    "    --num-layers $LAYERS   # of them one dense\n"
    "    --hidden-size 64 --ffn-hidden-size 256\n"
    "    --num-attention-heads 4\n"
    "    --multi-latent-attention --q-lora-rank 48 --kv-lora-rank 32\n"
    "    --qk-head-dim 16 --qk-pos-emb-head-dim 8 --v-head-dim 16 --qk-layernorm\n"
    "    --rotary-scaling-factor 1 --mscale 1.0 --mscale-all-dim 1.0\n"
    "    --normalization RMSNorm --norm-epsilon 1e-5 --swiglu --disable-bias-linear\n"
    "    --position-embedding-type rope --rotary-base 10000\n"
    "    --untie-embeddings-and-output-weights\n"
    "    --vocab-size 1000 --make-vocab-size-divisible-by 8\n"
    "    --num-experts 16 --moe-router-topk 4 --moe-ffn-hidden-size 32\n"
    "    --moe-shared-expert-intermediate-size 32 --moe-layer-freq \"'([0]*1+[1]*2)'\"\n"
    "    --moe-router-score-function sigmoid --moe-router-enable-expert-bias --moe-router-bias-update-rate 1e-4\n"
    "    --moe-router-topk-scaling-factor 2.8 --moe-router-load-balancing-type seq_aux_loss --moe-aux-loss-coeff 0.001\n"
    "    --attention-dropout 0.0 --hidden-dropout=0.0)\n"
    "TRAINING_ARGS=\" \\\n"
    "    --seq-length 4096 --max-position-embeddings 4096 \\\n"
    "    --micro-batch-size 2 --global-batch-size 64 --train-iters 1000 \\\n"
    "    --lr ${LR} --min-lr 1e-5 --lr-decay-style cosine --lr-warmup-iters 200 \\\n"
    "    --adam-beta2 0.95 --weight-decay 0.1 --clip-grad 1.0 --bf16 --seed 42 \\\n"
    "    --tensor-model-parallel-size $TP --pipeline-model-parallel-size 8 --sequence-parallel \\\n"
    "    --eval-iters 0 --save /ckpt --load /ckpt --save-interval 500 \\\n"
    "    --data-path 0.7 /data/a 0.3 /data/b --split 99,1,0\"\n"
    "torchrun $DISTRIBUTED_ARGS pretrain_gpt.py ${MODEL_ARGS[@]} \\\n"
    "    $TRAINING_ARGS --log-interval 1 2>&1 | tee log\n";

TEST(import_config_takes_what_is_made_again) {
  static const struct {
    const char *said;
    int wanted;
  } files[] = {{"False", RECOMPUTE_NONE}, {"True", RECOMPUTE_BLOCK}, {"[3,0]", RECOMPUTE_BLOCK}};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    char text[512];
    snprintf(text, sizeof text, "recompute_config:\n  recompute: %s\n  select_recompute: True\n" SHAPES, files[i].said);
    Import *m = read_text(text);
    ASSERT_OK(import_yaml(m, m->path));
    expect(m, "recompute_config.recompute", IMPORT_MAPPED, 2, "");
    expect(m, "recompute_config.select_recompute", IMPORT_NOTHING, 3, "rows and attention");
    ASSERT_INT(m->run->train.recompute, files[i].wanted);
    import_free(m);
  }
  static const char *const lines[] = {"--recompute-granularity full", "--recompute-activations"};
  static const int wanted[] = {RECOMPUTE_BLOCK, RECOMPUTE_ATTENTION};
  for (int i = 0; i < 2; i++) {
    static Import m;
    ASSERT_OK(import_init(&m, &import_megatron, "run.sh"));
    ASSERT_ERR(import_arguments(&m, lines[i], strlen(lines[i]), "run.sh"), ERR_CONFIG, "--normalization");  // no model
    ASSERT_INT(m.run->train.recompute, wanted[i]);
    import_free(&m);
  }
}

TEST(import_config_reads_a_megatron_script) {
  static Import m;
  ASSERT_OK(import_init(&m, &import_megatron, "run.sh"));
  ASSERT_OK(import_arguments(&m, script, sizeof script - 1, "run.sh"));
  for (int64_t i = 0; i < m.count; i++)
    ASSERT_MSG(m.entry[i].fate != IMPORT_REFUSED, "%s: %s", m.entry[i].key.key, m.entry[i].why);
  const RunConfig *c = m.run;
  ASSERT_OK(run_config_check(c, "run.sh"));
  ASSERT_INT(c->model.model.family, FAMILY_DEEPSEEK_V3);
  ASSERT_INT(c->model.model.layers, 3);
  ASSERT_INT(c->model.model.vocab, 1008);
  ASSERT_INT(c->model.model.tied, 0);
  ASSERT_INT(c->model.mla.rope, 8);
  ASSERT_INT(c->model.rope.scaling, ROPE_PLAIN);
  ASSERT_INT(c->model.moe.first_dense, 1);
  ASSERT_INT(c->model.moe.shared, 1);
  ASSERT_INT(c->model.moe.normalise, 1);
  ASSERT_NEAR(c->model.moe.scale, 2.8, 0);
  ASSERT_NEAR(c->model.moe.bias_rate, 1e-4, 0);
  ASSERT_NEAR(c->model.moe.aux_loss, 0.001, 0);
  ASSERT_INT(c->train.batch, 64);
  ASSERT_INT(c->train.micro_batch, 2);
  ASSERT_INT(c->train.seed, 42);
  ASSERT_INT(c->data.seed, 42);
  ASSERT_INT(c->train.dtype, DT_BF16);
  ASSERT_NEAR(c->lr.peak, 2e-4, 0);
  ASSERT_INT(c->lr.warmup, 200);
  ASSERT_INT(c->eval.every, 0);
  ASSERT_TEXT(c->data.train, "0.7 /data/a 0.3 /data/b");
  ASSERT_TEXT(c->train.init, "");
  expect(&m, "--num-layers", IMPORT_MAPPED, 12, "");
  expect(&m, "--nnodes", IMPORT_NOTHING, 9, "not split over devices");
  expect(&m, "--log-interval", IMPORT_NOTHING, 36, "");
  import_free(&m);
}

#define DENSE                                                                                                       \
  "--num-layers 2 --hidden-size 64 --ffn-hidden-size 128 --num-attention-heads 4 --swiglu --normalization RMSNorm " \
  "--disable-bias-linear --position-embedding-type rope --vocab-size 128 --train-iters 10 --data-path /a "

static void refused_argument(const char *arguments, const char *key, const char *why) {
  static Import m;
  ASSERT_OK(import_init(&m, &import_megatron, "--megatron"));
  ASSERT_OK(import_arguments(&m, arguments, strlen(arguments), "--megatron"));
  expect(&m, key, IMPORT_REFUSED, 1, why);
  import_free(&m);
}

TEST(import_config_refuses_megatron_arguments) {
  refused_argument(DENSE "--train-itrs 5", "--train-itrs", "did you mean --train-iters?");
  refused_argument(DENSE "--lr $LR", "--lr", "$LR is not set");
  refused_argument(DENSE "--lr $((1+1))", "--lr", "computed by the shell");
  refused_argument(DENSE "--lr", "--lr", "it has no value");
  refused_argument(DENSE "--attention-dropout 0.1", "--attention-dropout", "not among 0");
  refused_argument(DENSE "--moe-layer-freq [1,0]", "--moe-layer-freq", "dense layers after");
  refused_argument(DENSE "--fp8-format hybrid", "--fp8-format", "fp8");
  static Import m;
  ASSERT_OK(import_init(&m, &import_megatron, "--megatron"));
  const char *gelu = "--num-layers 2 --hidden-size 64 --normalization RMSNorm";
  ASSERT_ERR(import_arguments(&m, gelu, strlen(gelu), "--megatron"), ERR_CONFIG, "--swiglu is not given");
  import_free(&m);
  program_expect("import-config --megatron '" DENSE "' --brief", 0, "0 refused");
  program_expect("import-config --megatron '" DENSE "--frobnicate 3'", 1, "--frobnicate: unknown");
}

TEST(import_config_knows_megatrons_default_width) {
  const char *text =
      "--num-layers 2 --hidden-size 4096 --num-attention-heads 4 --swiglu --normalization RMSNorm "
      "--disable-bias-linear --position-embedding-type rope --vocab-size 128 --train-iters 10 --data-path /a";
  static Import m;
  ASSERT_OK(import_init(&m, &import_megatron, "--megatron"));
  ASSERT_OK(import_arguments(&m, text, strlen(text), "--megatron"));
  ASSERT_INT(m.run->model.model.ffn, 10880);
  import_free(&m);
}

// The run files describe the released models: to the parameter.
TEST(import_config_gives_the_released_sizes) {
  static const char *const files[][2] = {
      {"telechat3/pretrain_telechat3_105b_a4b_4k", "102,256,309,760 (102.26 B) + 2,319,858,176"},
      {"telechat3/finetune_telechat3_36b", "36,239,579,136"},
      {"telechat3/pretrain_telechat3_36b", "36,239,579,136"},
      {"telechat3/finetune_telechat3_1_8b", "1,799,455,744"},
      {"telechat2/finetune_telechat_115b", "113,282,916,352"},
      {"telechat2/finetune_telechat_39b_a12b", "39,330,099,200"}};
  char args[3 * PATH_BYTES], out[PATH_BYTES];
  ASSERT_OK(path_join(out, test_folder(), "run.yaml"));
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    snprintf(args, sizeof args, "import-config '%s/data/mindformers/%s.yaml' --out '%s'", test_shared(), files[i][0], out);
    program_expect(args, 0, " 0 refused");
    snprintf(args, sizeof args, "info '%s'", out);
    program_expect(args, 0, files[i][1]);
  }
}
