// Models of others, in and out.
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/half.h"
#include "base/json.h"
#include "cli/formats.h"
#include "model/hf_config.h"
#include "model/hf_files.h"
#include "model/owned.h"
#include "test.h"
#include "train/checkpoint_convert.h"
#include "train/checkpoint_file.h"

static const char *in_folder(const char *name) {
  static char path[8][PATH_BYTES];
  static int next;
  char *out = path[next++ % 8];
  snprintf(out, PATH_BYTES, "%.2000s/%s", test_folder(), name);
  return out;
}

static bool same_file(const char *a, const char *b) {
  FileMap x, y;
  ASSERT_OK(file_map(&x, a));
  ASSERT_OK(file_map(&y, b));
  bool same = x.size == y.size && memcmp(x.data, y.data, x.size) == 0;
  file_unmap(&x);
  file_unmap(&y);
  return same;
}

// Everything that names know: latent attention, experts, a shared one, multi-token prediction.
static void open_model(OwnedModel *m) {
  ModelConfig c;
  model_config_defaults(&c);
  c.model.layers = 2, c.model.width = 24, c.model.ffn = 40, c.model.vocab = 50, c.model.max_length = 64;
  c.attention.heads = c.attention.kv_heads = 2;
  c.mla.q_rank = 10, c.mla.kv_rank = 8, c.mla.nope = 6, c.mla.rope = 4, c.mla.v = 6;
  c.moe.experts = 4, c.moe.top_k = 2, c.moe.ffn = 9;
  c.mtp.layers = 1;
  ASSERT_OK(owned_open(m, &c, DT_F32, 64, false));
  model_reset(&m->model, 7);
}

static void save_model(const char *folder, StType type, size_t shard_bytes) {
  OwnedModel m;
  WeightSource *s;
  open_model(&m);
  ASSERT_OK(weights_of_params(&s, &m.model.config, &m.model.params));
  ASSERT_OK(hf_save(folder, s, &(HfSave){.type = type, .shard_bytes = shard_bytes}));
  weights_close(s);
  owned_close(&m);
}

static Err convert_as(const char *from, const char *to, const char *format_name, const FormatSave *o) {
  const Format *out;
  WeightSource *s;
  TRY(format_named(&out, format_name));
  TRY(format_open(&s, from));
  Err err = out->save(to, s, o);
  weights_close(s);
  return err;
}

// Every file of weights, and the index, has the same bytes in both folders; *files counts them.
static void same_weights(const char *a, const char *b, int *files) {
  char **names, x[PATH_BYTES], y[PATH_BYTES];
  size_t n;
  ASSERT_OK(folder_list(a, &names, &n));
  for (size_t i = 0; i < n; i++) {
    if (strncmp(names[i], "model", 5) != 0) continue;
    ASSERT_OK(path_join(x, a, names[i]));
    ASSERT_OK(path_join(y, b, names[i]));
    ASSERT_MSG(file_exists(y) && same_file(x, y), "%s changes on its way in and out", x);
    ++*files;
  }
  names_free(names, n);
}

static void round_trip(const char *from, const char *name, int *files) {
  char in[PATH_BYTES], out[PATH_BYTES], a[PATH_BYTES], b[PATH_BYTES];
  ModelConfig x, y;
  snprintf(in, sizeof in, "%s.in", in_folder(name));
  snprintf(out, sizeof out, "%s.out", in_folder(name));
  ASSERT_OK(convert_as(from, in, "pleiad", &(FormatSave){0}));
  ASSERT_OK(convert_as(in, out, "hf", &(FormatSave){0}));
  same_weights(from, out, files);
  ASSERT_OK(path_join(a, from, "config.json"));
  ASSERT_OK(path_join(b, out, "config.json"));
  ASSERT_OK(hf_config_load(a, &x));
  ASSERT_OK(hf_config_load(b, &y));
  ASSERT_MSG(memcmp(&x, &y, sizeof x) == 0, "%s: the configuration changes on its way in and out", name);
}

TEST(golden_models_come_out_as_they_went_in) {
  char models[PATH_BYTES], **names, folder[PATH_BYTES], config[PATH_BYTES];
  size_t n;
  int files = 0, cases = 0;
  snprintf(models, sizeof models, "%.2000s/models", test_golden());
  ASSERT_OK(folder_list(models, &names, &n));
  for (size_t i = 0; i < n; i++) {
    ASSERT_OK(path_join(folder, models, names[i]));
    ASSERT_OK(path_join(config, folder, "config.json"));
    if (!file_exists(config)) continue;
    round_trip(folder, names[i], &files);
    cases++;
  }
  names_free(names, n);
  ASSERT(cases >= 7 && files >= cases);
}

TEST(types_shards_names_and_order_are_kept) {
  int files = 0;
  save_model(in_folder("f32"), ST_F32, 0);
  save_model(in_folder("bf16"), ST_BF16, 9000);
  save_model(in_folder("f16"), ST_F16, 5000);
  round_trip(in_folder("f32"), "a", &files);
  ASSERT_INT(files, 1);
  round_trip(in_folder("bf16"), "b", &files);
  ASSERT(files > 5);
  round_trip(in_folder("f16"), "c", &files);
}

TEST(a_type_that_is_asked_for_is_rounded_to_once) {
  save_model(in_folder("f32"), ST_F32, 0);
  save_model(in_folder("bf16"), ST_BF16, 0);
  ASSERT_OK(convert_as(in_folder("f32"), in_folder("in"), "pleiad", &(FormatSave){.dtype = "bf16"}));
  ASSERT_OK(convert_as(in_folder("in"), in_folder("out"), "hf", &(FormatSave){0}));
  ASSERT(same_file(in_folder("bf16/model.safetensors"), in_folder("out/model.safetensors")));
  ASSERT_OK(convert_as(in_folder("bf16"), in_folder("wide"), "pleiad", &(FormatSave){.dtype = "fp32"}));
  ASSERT_OK(convert_as(in_folder("wide"), in_folder("back"), "hf", &(FormatSave){.dtype = "bf16"}));
  ASSERT(same_file(in_folder("bf16/model.safetensors"), in_folder("back/model.safetensors")));
  ASSERT_ERR(convert_as(in_folder("f32"), in_folder("x"), "pleiad", &(FormatSave){.dtype = "int4"}), ERR_ARG,
             "fp32, bf16 or fp16");
}

TEST(shards_missing_doubled_or_cut_are_named) {
  save_model(in_folder("m"), ST_F32, 30000);
  ASSERT(file_exists(in_folder("m/model-00002-of-00003.safetensors")));
  ASSERT_OK(file_replace(in_folder("second"), "", 0));
  ASSERT(rename(in_folder("m/model-00002-of-00003.safetensors"), in_folder("second")) == 0);
  ASSERT_ERR(convert_as(in_folder("m"), in_folder("x"), "pleiad", &(FormatSave){0}), ERR_IO,
             "model-00002-of-00003.safetensors: missing, and");
  ASSERT(unlink(in_folder("m/model.safetensors.index.json")) == 0);
  ASSERT_ERR(convert_as(in_folder("m"), in_folder("x"), "pleiad", &(FormatSave){0}), ERR_IO,
             "00002-of-00003.safetensors: missing");
  FileMap first;
  ASSERT_OK(file_map(&first, in_folder("m/model-00001-of-00003.safetensors")));
  ASSERT_OK(file_replace(in_folder("m/model-00002-of-00003.safetensors"), first.data, first.size));
  ASSERT_ERR(convert_as(in_folder("m"), in_folder("x"), "pleiad", &(FormatSave){0}), ERR_FORMAT,
             "00001-of-00003.safetensors and again in");
  file_unmap(&first);
  ASSERT(rename(in_folder("second"), in_folder("m/model-00002-of-00003.safetensors")) == 0);
  ASSERT_OK(convert_as(in_folder("m"), in_folder("without_index"), "pleiad", &(FormatSave){0}));
  ASSERT(truncate(in_folder("m/model-00003-of-00003.safetensors"), 5000) == 0);
  ASSERT_ERR(convert_as(in_folder("m"), in_folder("x"), "pleiad", &(FormatSave){0}), ERR_FORMAT, "is it cut short?");
  ASSERT(!file_exists(in_folder("x")) && !file_exists(in_folder("x.tmp")));
}

static void change_config(const char *folder, const char *key, json_t *value) {
  char path[PATH_BYTES];
  json_t *hf;
  ASSERT_OK(path_join(path, folder, "config.json"));
  ASSERT_OK(json_read(&hf, path, true));
  json_object_set_new(hf, key, value);
  ASSERT_OK(json_write(hf, path));
  json_decref(hf);
}

TEST(a_configuration_that_promises_other_shapes_is_refused_with_both) {
  save_model(in_folder("m"), ST_F32, 0);
  change_config(in_folder("m"), "moe_intermediate_size", json_integer(10));
  ASSERT_ERR(convert_as(in_folder("m"), in_folder("x"), "pleiad", &(FormatSave){0}), ERR_FORMAT,
             "mlp.experts.0.gate_proj.weight is F32 [9, 24], the configuration wants [10, 24]");
  change_config(in_folder("m"), "moe_intermediate_size", json_integer(9));
  change_config(in_folder("m"), "num_nextn_predict_layers", json_integer(0));
  ASSERT_ERR(convert_as(in_folder("m"), in_folder("x"), "pleiad", &(FormatSave){0}), ERR_FORMAT, "left over");
  ASSERT(!file_exists(in_folder("x")));
}

TEST(a_configuration_far_too_large_takes_no_memory) {
  save_model(in_folder("m"), ST_F32, 0);
  change_config(in_folder("m"), "num_hidden_layers", json_integer(4000));
  change_config(in_folder("m"), "n_routed_experts", json_integer(60000));
  ASSERT_ERR(convert_as(in_folder("m"), in_folder("x"), "pleiad", &(FormatSave){0}), ERR_FORMAT,
             "4000 layers of 60000 experts, and the files are much too small");
}

TEST(a_weight_that_is_not_finite_is_named_unless_allowed) {
  OwnedModel m;
  WeightSource *s;
  open_model(&m);
  param_floats(params_find(&m.model.params, "model.norm.weight"))[3] = -INFINITY;
  ASSERT_OK(weights_of_params(&s, &m.model.config, &m.model.params));
  ASSERT_OK(hf_save(in_folder("m"), s, &(HfSave){.type = ST_BF16, .allow_nan = true}));
  weights_close(s);
  ASSERT_ERR(convert_as(in_folder("m"), in_folder("x"), "pleiad", &(FormatSave){0}), ERR_NUMERIC,
             "model.norm.weight[3] is -inf; allow it by --allow-nan");
  ASSERT(!file_exists(in_folder("x")));
  ASSERT_OK(convert_as(in_folder("m"), in_folder("y"), "pleiad", &(FormatSave){.allow_nan = true}));
  param_floats(params_find(&m.model.params, "model.norm.weight"))[3] = 1e6f;
  ASSERT_OK(weights_of_params(&s, &m.model.config, &m.model.params));
  ASSERT_ERR(hf_save(in_folder("z"), s, &(HfSave){.type = ST_F16}), ERR_NUMERIC, "is 1e+06, which F16 cannot hold");
  weights_close(s);
  owned_close(&m);
}

enum { CODE_ROWS = 24, CODE_COLS = 12, CODE_DOWN = 5, CODE_ACROSS = 2 };

// The model in `m` with o_proj [24, 12] of its first layer as codes of 8 bits, in blocks of 5 x 7, which do not divide it.
static void codes_in_model(const uint8_t *code, const float *scale) {
  static const char name[] = "model.layers.0.self_attn.o_proj.weight";
  const int64_t scale_dim[] = {CODE_DOWN, CODE_ACROSS};
  const size_t code_bytes = CODE_ROWS * CODE_COLS, scale_bytes = CODE_DOWN * CODE_ACROSS * sizeof *scale;
  SafeTensors old;
  SafeTensorsWriter w;
  save_model(in_folder("m"), ST_F32, 0);
  ASSERT_OK(safetensors_open(&old, in_folder("m/model.safetensors")));
  ASSERT_OK(safetensors_create(&w, in_folder("m/model.safetensors")));
  for (int64_t i = 0; i < old.count; i++) {
    const StTensor *t = &old.tensor[i];
    bool it = strcmp(t->name, name) == 0;
    ASSERT_OK(safetensors_declare(&w, t->name, it ? ST_F8_E4M3 : t->type, t->n_dims, t->dim));
    if (it) ASSERT(t->dim[0] == CODE_ROWS && t->dim[1] == CODE_COLS);
  }
  if (scale) ASSERT_OK(safetensors_declare(&w, "model.layers.0.self_attn.o_proj.weight_scale_inv", ST_F32, 2, scale_dim));
  ASSERT_OK(safetensors_begin(&w));
  for (int64_t i = 0; i < old.count; i++)
    ASSERT_OK(strcmp(old.tensor[i].name, name) == 0 ? safetensors_write(&w, code, code_bytes)
                                                    : safetensors_write(&w, old.tensor[i].data, old.tensor[i].size));
  if (scale) ASSERT_OK(safetensors_write(&w, scale, scale_bytes));
  ASSERT_OK(safetensors_commit(&w));
  safetensors_close(&old);
  change_config(in_folder("m"), "quantization_config",
                json_pack("{s:s, s:s, s:[i, i]}", "quant_method", "fp8", "fmt", "e4m3", "weight_block_size", 5, 7));
}

TEST(codes_with_scales_are_made_whole) {
  static const char name[] = "model.layers.0.self_attn.o_proj.weight";
  uint8_t code[CODE_ROWS * CODE_COLS];
  float scale[CODE_DOWN * CODE_ACROSS], got[CODE_ROWS * CODE_COLS], part[10];
  for (int i = 0; i < CODE_ROWS * CODE_COLS; i++) code[i] = (uint8_t)(i % 120);
  for (int i = 0; i < CODE_DOWN * CODE_ACROSS; i++) scale[i] = 0.5f + (float)i / 7;
  codes_in_model(code, scale);
  WeightSource *s;
  ASSERT_OK(hf_source_open(&s, in_folder("m")));
  ModelConfig config = s->config;
  for (int known = 0; known < 2; known++) {  // the configuration is the folder's, or another's who says the same
    if (known) ASSERT_OK(hf_source_open_as(&s, in_folder("m"), &config));
    ASSERT_OK(weights_check(s));
    const WeightTensor *t = weights_find(s, name);
    ASSERT_OK(s->read(s, t - s->tensor, 0, CODE_ROWS * CODE_COLS, got));
    for (int i = 0; i < CODE_ROWS * CODE_COLS; i++)
      ASSERT(got[i] == e4m3_to_f32(code[i]) * scale[i / CODE_COLS / 5 * CODE_ACROSS + i % CODE_COLS / 7]);
    ASSERT_OK(s->read(s, t - s->tensor, 77, 10, part));
    ASSERT(memcmp(part, got + 77, sizeof part) == 0);
    weights_close(s);
  }
  change_config(in_folder("m"), "quantization_config", json_pack("{s:s}", "quant_method", "awq"));
  ASSERT_ERR(hf_source_open(&s, in_folder("m")), ERR_CONFIG, "quantization_config");
}

TEST(codes_whose_scales_are_lost_are_refused) {
  uint8_t code[CODE_ROWS * CODE_COLS] = {0};
  WeightSource *s;
  codes_in_model(code, NULL);
  ASSERT_OK(hf_source_open(&s, in_folder("m")));
  ASSERT_ERR(weights_check(s), ERR_FORMAT, "1 tensors missing: model.layers.0.self_attn.o_proj.weight_scale_inv");
  weights_close(s);
}

// ---- the program

static int pleiad(const char *args, char **output) {
  char out[PATH_BYTES], command[4 * PATH_BYTES];
  ASSERT_OK(path_join(out, test_folder(), "output"));
  snprintf(command, sizeof command, "cd '%s' && (exec 2>&1; '%s' %s) >output", test_folder(), test_program(), args);
  int status = system(command);
  size_t size = 0;
  ASSERT_OK(file_read(out, 1 << 20, output, &size));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void expect(const char *args, int code, const char *part) {
  char *output = NULL;
  int got = pleiad(args, &output);
  ASSERT_MSG(got == code, "pleiad %s: exit code %d, want %d: %s", args, got, code, output);
  ASSERT_MSG(strstr(output, part), "pleiad %s: no \"%s\" in: %s", args, part, output);
  free(output);
}

TEST(a_dry_run_says_what_goes_where) {
  save_model(in_folder("m"), ST_BF16, 9000);
  expect("import m --dry-run", 0, "<- model.norm.weight BF16 in model-0000");
  expect("import m --dry-run --json", 0, "\"missing\":[]");
  ASSERT(!file_exists(in_folder("m.tmp")));
  change_config(in_folder("m"), "num_hidden_layers", json_integer(3));
  expect("import m --dry-run", 1, "missing:\n  model.layers.3.enorm.weight");
  expect("import m --dry-run --json", 1, "\"missing\":[\"model.layers.3.");
  expect("import m", 2, "--out");
  expect("import nowhere --out x", 1, "nowhere: no such file or folder");
  expect("import m --out x --dry-rum", 2, "unknown argument \"--dry-rum\"; did you mean --dry-run?");
}

// A checkpoint with another list of arrays: without `name`, which becomes `other`.
static void rename_array(const char *folder, const char *name, const char *other) {
  char path[PATH_BYTES];
  json_t *root;
  ASSERT_OK(path_join(path, folder, "manifest.json"));
  ASSERT_OK(json_read(&root, path, true));
  json_t *arrays = json_object_get(root, "arrays"), *entry = json_incref(json_object_get(arrays, name));
  ASSERT(entry && json_object_del(arrays, name) == 0 && json_object_set_new(arrays, other, entry) == 0);
  ASSERT(json_object_del(root, "checksum") == 0);
  ASSERT_OK(manifest_write(root, folder));
  json_decref(root);
}

TEST(a_dry_run_of_a_checkpoint) {
  save_model(in_folder("m"), ST_BF16, 0);
  expect("import m --out run", 0, "run: written from");
  expect("import run --dry-run", 0, "<- model/model.norm.weight BF16 in shard-0000.bin");
  expect("import run/checkpoints/step-0 --dry-run --json", 0, "\"missing\":[],\"other_shape\":[],\"left_over\":[]");
  rename_array(in_folder("run/checkpoints/step-0"), "model/model.layers.1.mlp.gate.weight", "model/gate_of_another");
  expect("import run --dry-run", 1, "1 missing:\n  model.layers.1.mlp.gate.weight");
  expect("import run --dry-run", 1, "no place for:\n  gate_of_another");
  expect("import run --dry-run --json", 1, "\"left_over\":[\"gate_of_another\"]");
  rename_array(in_folder("run/checkpoints/step-0"), "model/model.layers.0.input_layernorm.weight",
               "model/model.layers.1.mlp.gate.weight");
  expect("import run --dry-run", 1, "1 of another shape or type:\n");
  expect("import run --out second", 1, "run/checkpoints/step-0: 1 tensors missing: model.layers.0.input_layernorm.weight");
  ASSERT(!file_exists(in_folder("second")) && !file_exists(in_folder("second.tmp")));
}

// No memory is taken for what a configuration merely claims.
TEST(a_model_that_claims_more_than_its_files_hold_is_refused_first) {
  save_model(in_folder("m"), ST_BF16, 0);
  change_config(in_folder("m"), "vocab_size", json_integer(1 << 24));
  expect("generate --model m --prompt a", 1, "of another shape or type: model.embed_tokens.weight is BF16 [50, 24]");
}

TEST(every_command_that_takes_a_model_says_the_same_of_it) {
  static const char *const commands[] = {"eval", "generate", "chat", "chat-template", "info", "import", "export"};
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    char args[64];
    snprintf(args, sizeof args, "%s --help", commands[i]);
    expect(args, 0, FORMATS_LINE);
  }
}

// As transformers saves DeepSeek-V3: no tensor of the prediction layer, and a config.json that has one.
TEST(a_prediction_layer_that_is_not_there_is_left_out) {
  OwnedModel with, m;
  WeightSource *s;
  open_model(&with);
  ModelConfig c = with.model.config;
  c.mtp.layers = 0;
  ASSERT_OK(owned_open(&m, &c, DT_F32, 64, false));
  model_reset(&m.model, 7);
  ASSERT_OK(weights_of_params(&s, &m.model.config, &m.model.params));
  ASSERT_OK(hf_save(in_folder("m"), s, &(HfSave){.type = ST_F32}));
  weights_close(s);
  owned_close(&m);
  owned_close(&with);
  change_config(in_folder("m"), "num_nextn_predict_layers", json_integer(1));
  expect("import m --out in", 0, "none of its tensors; read without it");
  ASSERT_OK(checkpoint_source_open(&s, in_folder("in")));
  ASSERT_INT(s->config.mtp.layers, 0);
  weights_close(s);
}

// A tokenizer of two words more than bytes, for a vocabulary of 50.
TEST(a_tokenizer_larger_than_the_embedding_is_refused) {
  static const char big[] =
      "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"c\": 50}, \"merges\": []}, \"added_tokens\": []}";
  static const char fits[] =
      "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"c\": 2}, \"merges\": []}, \"added_tokens\": []}";
  save_model(in_folder("m"), ST_F32, 0);
  ASSERT_OK(file_replace(in_folder("m/tokenizer.json"), fits, sizeof fits - 1));
  ASSERT_OK(file_replace(in_folder("m/chat_template.jinja"), "{{ messages }}", 14));
  expect("import m --out in", 0, "in: written from");
  ASSERT(same_file(in_folder("m/tokenizer.json"), in_folder("in/tokenizer/tokenizer.json")));
  expect("export in out", 0, "out: written from");
  ASSERT(same_file(in_folder("m/tokenizer.json"), in_folder("out/tokenizer.json")));
  ASSERT(same_file(in_folder("m/chat_template.jinja"), in_folder("out/chat_template.jinja")));
  ASSERT_OK(file_replace(in_folder("big.json"), big, sizeof big - 1));
  expect("import m --out big --tokenizer big.json", 1, "a tokenizer of 51 tokens, and the model's embedding has rows for 50");
  expect("import m --out none --tokenizer none", 0, "none: written");
  ASSERT(!file_exists(in_folder("none/tokenizer")));
  expect("import m --out in", 2, "in: there already and not empty");
  ASSERT_OK(folder_remove(in_folder("in/tokenizer")));
  expect("export in gone", 1, "go to the folder that it is named from, or give it by --tokenizer F, or none");
  expect("export in gone --tokenizer none", 0, "gone: written from");
}

static void write_ids(const int64_t ids[2][5]) {
  SafeTensorsWriter w;
  ASSERT_OK(safetensors_create(&w, in_folder("ids")));
  ASSERT_OK(safetensors_declare(&w, "input_ids", ST_I64, 2, (int64_t[]){2, 5}));
  ASSERT_OK(safetensors_begin(&w));
  ASSERT_OK(safetensors_write(&w, ids, 10 * sizeof(int64_t)));
  ASSERT_OK(safetensors_commit(&w));
}

TEST(logits_of_given_ids_are_a_file) {
  enum { V = 50, T = 5 };
  save_model(in_folder("m"), ST_F32, 0);
  write_ids((const int64_t[2][5]){{3, 1, 4, 1, 5}, {3, 1, 4, 9, 2}});
  expect("import m --out in", 0, "in: written");
  expect("eval --model m --ids ids --logits a", 0, "a: logits of 2 sequences of 5 tokens");
  expect("eval --model in --ids ids --logits b", 0, "b: logits of 2 sequences of 5 tokens");
  ASSERT(same_file(in_folder("a"), in_folder("b")));
  SafeTensors s;
  const StTensor *t;
  ASSERT_OK(safetensors_open(&s, in_folder("a")));
  ASSERT_OK(safetensors_want(&s, "logits", ST_F32, 3, (int64_t[]){2, T, V}, &t));
  const float *x = t->data;
  for (int i = 0; i < T * V; i++) ASSERT(isfinite(x[i]) && (i < 3 * V) == (x[i] == x[T * V + i]));
  safetensors_close(&s);
  write_ids((const int64_t[2][5]){{3, 1, 4, 1, 5}, {3, 1, 50, 9, 2}});
  expect("eval --model m --ids ids --logits c", 2, "input_ids[1, 2] is 50; the vocabulary has 50");
  expect("eval --model m --ids ids", 2, "go together");
  ASSERT(!file_exists(in_folder("c")));
}

// Starts the program with these arguments, and kills it after so long.
static void start_and_kill(const char *const argv[], int after_us) {
  pid_t child = fork();
  if (child == 0) {
    if (!freopen("/dev/null", "w", stderr) || !freopen("/dev/null", "w", stdout)) _exit(1);
    execv(test_program(), (char *const *)(uintptr_t)argv);
    _exit(1);
  }
  usleep((useconds_t)after_us);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}

// Killed at any moment, a conversion leaves nothing under its name, and the same command then does it.
TEST(a_killed_import_begins_anew) {
  save_model(in_folder("m"), ST_F32, 9000);
  for (int i = 0; i < 20; i++) {
    start_and_kill((const char *[]){"pleiad", "import", in_folder("m"), "--out", in_folder("in"), NULL}, i * 700);
    if (!file_exists(in_folder("in"))) continue;
    WeightSource *s;
    ASSERT_OK(checkpoint_source_open(&s, in_folder("in")));
    ASSERT_OK(weights_check(s));
    weights_close(s);
    ASSERT_OK(folder_remove(in_folder("in")));
  }
  int files = 0;
  expect("import m --out in", 0, "in: written from");
  expect("export in out", 0, "out: written from");
  same_weights(in_folder("m"), in_folder("out"), &files);
  ASSERT(files > 5 && !file_exists(in_folder("in.tmp")));
}

// The same for a single file; what a killed one leaves beside it goes with the next.
TEST(a_killed_export_to_gguf_begins_anew) {
  char **names;
  size_t count;
  save_model(in_folder("m"), ST_F32, 9000);
  for (int i = 0; i < 20; i++) {
    start_and_kill((const char *[]){"pleiad", "export", in_folder("m"), in_folder("out.gguf"), NULL}, i * 700);
    if (!file_exists(in_folder("out.gguf"))) continue;
    WeightSource *s;
    ASSERT_OK(format_open(&s, in_folder("out.gguf")));
    ASSERT_OK(weights_check(s));
    weights_close(s);
    ASSERT(unlink(in_folder("out.gguf")) == 0);
  }
  ASSERT_OK(file_replace(in_folder("other.gguf.tmp.999999999"), "kept", 4));
  expect("export m out.gguf", 0, "out.gguf: written from");
  expect("import out.gguf --dry-run", 0, "<- token_embd.weight F32");
  ASSERT_OK(folder_list(test_folder(), &names, &count));
  for (size_t i = 0; i < count; i++) ASSERT_MSG(!strstr(names[i], "out.gguf.tmp"), "%s is left over", names[i]);
  names_free(names, count);
  ASSERT(file_exists(in_folder("other.gguf.tmp.999999999")));
}
