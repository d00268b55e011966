#include "cli/info_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/gguf_type.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/formats.h"
#include "cli/info_index.h"
#include "infer/engine.h"
#include "model/hf_config.h"
#include "model/measure.h"
#include "train/config.h"

enum { LENGTH_USUAL = 8192, CARDS = 2, TYPES = 5 };
static const double card_bytes[CARDS] = {64e9, 80e9}, card_share = 0.9;  // the rest is the system's and fragments'
static const char *const type_names[TYPES] = {"F32", "BF16", "Q8_0", "Q6_K", "Q4_K"};

// ---- the configuration

// How the weights are stored is no part of what the model is.
static Err from_json(const char *path, ModelConfig *config) {
  json_t *hf;
  TRY(json_read(&hf, path, true));
  json_object_del(hf, "quantization_config");
  Err err = hf_config_read(hf, path, config);
  json_decref(hf);
  return err;
}

static Err from_yaml(const char *path, ModelConfig *config) {
  RunConfig *run = malloc(sizeof *run);
  CHECK(run, ERR_MEMORY, "%s: no memory for a run file", path);
  Err err = run_config_load(run, path);
  *config = run->model;
  free(run);
  return err ? err : model_config_check(config, path);
}

static Err from_weights(const char *path, ModelConfig *config) {
  WeightSource *source;
  TRY(format_open(&source, path));
  *config = source->config;
  weights_close(source);
  return ERR_OK;
}

Err info_config(const char *path, ModelConfig *config) {
  char inner[PATH_BYTES];
  if (path_ends(path, ".json")) return from_json(path, config);
  if (path_ends(path, ".yaml") || path_ends(path, ".yml")) return from_yaml(path, config);
  TRY(path_join(inner, path, "config.json"));
  if (file_is_folder(path) && file_exists(inner)) return from_json(inner, config);
  return from_weights(path, config);
}

// ---- what follows from it

typedef struct {
  ModelConfig config;
  int64_t length;
  ModelCounts n;
  double stored[TYPES];                                         // bytes of all weights as if each were of that type
  double cache, cache_latent;                                   // bytes a token, bf16; latent: 0 without
  double forward;                                               // operations a token
  double masters, gradients, moments;                           // bytes of a training step, one sequence at a time
  double tables, activations, temporary;                        // the same
  double activations_of[RECOMPUTES], temporary_of[RECOMPUTES];  // with each train.recompute
  double training, serving;                                     // bytes in all
  InfoIndex index;
} Info;

static Err gather(Info *o, const char *path, int64_t length) {
  ModelMemory m;
  TRY(info_config(path, &o->config));
  const ModelConfig *c = &o->config;
  int64_t usual = c->model.max_length < LENGTH_USUAL ? c->model.max_length : LENGTH_USUAL;
  o->length = length ? length : usual;
  o->n = model_counts(c);
  int64_t moved = o->n.total + o->n.mtp, all = moved + o->n.balance;
  for (int i = 0; i < TYPES; i++) {
    const GgufType *t = gguf_type_named(type_names[i]);
    o->stored[i] = (double)all / (double)t->block * (double)t->bytes;
  }
  o->cache = (double)engine_cache_bytes(c, DT_BF16, false);
  o->cache_latent = config_is_mla(c) ? (double)engine_cache_bytes(c, DT_BF16, true) : 0;
  o->forward = model_flops_token(c, o->length);
  for (int i = RECOMPUTES - 1; i >= RECOMPUTE_NONE; i--) {
    TRY(model_measure(c, DT_BF16, 1, o->length, true, (Recompute)i, &m));
    o->activations_of[i] = (double)m.kept, o->temporary_of[i] = (double)m.temp;
  }
  o->masters = (double)m.weights, o->gradients = (double)m.grads, o->moments = 8.0 * (double)moved;
  o->tables = (double)m.tables, o->activations = (double)m.kept, o->temporary = (double)m.temp;
  o->training = o->masters + o->gradients + o->moments + o->tables + o->activations + o->temporary;
  o->serving = o->stored[1] + (double)o->length * (o->cache_latent > 0 ? o->cache_latent : o->cache);
  return info_index(path, c, &o->index);
}

static int64_t cards(double bytes, double card) { return (int64_t)ceil(bytes / (card * card_share)); }

// ---- for people

static void bytes_text(double bytes, char out[32]) {
  static const char *const unit[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  int i = 0;
  while (bytes >= 1000 && i < 5) bytes /= 1000, i++;
  snprintf(out, 32, i ? "%.2f %s" : "%.0f %s", bytes, unit[i]);
}

// With its thousands apart.
static const char *count_text(int64_t n, char out[32]) {
  char digits[24];
  int size = snprintf(digits, sizeof digits, "%lld", (long long)n), at = 0;
  for (int i = 0; i < size; i++) {
    if (i > 0 && (size - i) % 3 == 0) out[at++] = ',';
    out[at++] = digits[i];
  }
  out[at] = '\0';
  return out;
}

// "102,256,309,760 (102.26 B)"
static void print_count(int64_t n) {
  static const char *const unit[] = {"", " k", " M", " B"};
  char text[32];
  double x = (double)n;
  int i = 0;
  while (x >= 1000 && i < 3) x /= 1000, i++;
  printf("%s", count_text(n, text));
  if (i > 0) printf(" (%.2f%s)", x, unit[i]);
}

static void print_bytes(const char *before, double bytes, const char *after) {
  char text[32];
  bytes_text(bytes, text);
  printf("%s%s%s", before, text, after);
}

static void print_structure(const ModelConfig *c) {
  printf("family        %s: %lld layers of width %lld, vocabulary %lld, up to %lld tokens\nattention     ",
         family_names[c->model.family], (long long)c->model.layers, (long long)c->model.width, (long long)c->model.vocab,
         (long long)c->model.max_length);
  if (config_is_mla(c))
    printf("latent: %lld heads, queries from %lld columns, keys (%lld + %lld rotary) and values (%lld) from %lld",
           (long long)c->attention.heads, (long long)(c->mla.q_rank ? c->mla.q_rank : c->model.width), (long long)c->mla.nope,
           (long long)c->mla.rope, (long long)c->mla.v, (long long)c->mla.kv_rank);
  else
    printf("%lld query heads, %lld of keys and values, width %lld", (long long)c->attention.heads,
           (long long)c->attention.kv_heads, (long long)config_head_dim(c));
  if (c->attention.layers_group > 1)
    printf(", projections shared by runs of %lld layers", (long long)c->attention.layers_group);
  printf("; rotary %s, theta %g\n", rope_scaling_names[c->rope.scaling], c->rope.theta);
  if (c->moe.experts > 0)
    printf("experts       %lld of width %lld, %lld a token, %lld shared, %s router, %lld dense layers before\n",
           (long long)c->moe.experts, (long long)c->moe.ffn, (long long)c->moe.top_k, (long long)c->moe.shared,
           scoring_names[c->moe.scoring], (long long)c->moe.first_dense);
}

static void print_counts(const ModelCounts *n) {
  const struct {
    const char *what;
    int64_t count;
  } part[] = {{"embedding and head", n->embedding},
              {"attention", n->attention},
              {"dense feed-forward", n->dense},
              {"routed experts", n->experts},
              {"shared experts", n->shared},
              {"routers", n->router},
              {"norms", n->norm}};
  char text[32];
  printf("parameters    ");
  print_count(n->total);
  if (n->mtp > 0) {
    printf(" + ");
    print_count(n->mtp);
    printf(" multi-token prediction");
  }
  printf("\nactive        ");
  print_count(n->active);
  printf(" a token\n");
  for (size_t i = 0; i < sizeof part / sizeof part[0]; i++)
    if (part[i].count > 0)
      printf("  %-20s %18s  %5.1f %%\n", part[i].what, count_text(part[i].count, text),
             100 * (double)part[i].count / (double)n->total);
  if (n->balance > 0) printf("  and %lld selection biases of the routers, which no optimiser moves\n", (long long)n->balance);
}

static void print_need(const char *what, double bytes) {
  char text[32];
  bytes_text(bytes, text);
  printf("%s%s:", what, text);
  for (int i = 0; i < CARDS; i++)
    printf("%s %lld card%s of %.0f GB", i ? "," : "", (long long)cards(bytes, card_bytes[i]),
           cards(bytes, card_bytes[i]) == 1 ? "" : "s", card_bytes[i] * 1e-9);
  printf(" (shared evenly, nine tenths of each)\n");
}

static void print_report(const Info *o) {
  print_structure(&o->config);
  print_counts(&o->n);
  printf("weights      ");
  for (int i = 0; i < TYPES; i++) {
    char text[32];
    bytes_text(o->stored[i], text);
    printf("%s %s %s", i ? "," : "", type_names[i], text);
  }
  print_bytes("\ncache         ", o->cache, " a token in bf16");
  if (o->cache_latent > 0) print_bytes(", ", o->cache_latent, " as latent");
  printf("\noperations    %.3g GFLOP a token forward, %.3g backward, in sequences of %lld tokens\n", o->forward * 1e-9,
         2 * o->forward * 1e-9, (long long)o->length);
  printf("training      bf16 with fp32 masters and AdamW, one sequence of %lld tokens at a time\n", (long long)o->length);
  print_bytes("  weights ", o->masters, "");
  print_bytes(", gradients ", o->gradients, "");
  print_bytes(", moments ", o->moments, "");
  print_bytes(", tables ", o->tables, "\n");
  print_bytes("  activations ", o->activations, "");
  print_bytes(", temporary ", o->temporary, "\n");
  for (int i = RECOMPUTE_NONE + 1; i < RECOMPUTES; i++) {
    printf("  with train.recompute %-9s", recompute_names[i]);
    print_bytes(" ", o->activations_of[i], "");
    print_bytes(" and ", o->temporary_of[i], "\n");
  }
  print_need("  together ", o->training);
  print_need("serving       bf16 with one sequence of that length: ", o->serving);
  info_index_print(&o->index);
}

// ---- for programs

static json_t *cards_json(double bytes) {
  json_t *list = json_array();
  for (int i = 0; i < CARDS; i++)
    json_array_append_new(
        list, json_pack("{s:f, s:I}", "card_bytes", card_bytes[i], "cards", (json_int_t)cards(bytes, card_bytes[i])));
  return list;
}

static json_t *recompute_json(const Info *o) {
  json_t *each = json_object();
  for (int i = 0; i < RECOMPUTES; i++)
    json_object_set_new(each, recompute_names[i],
                        json_pack("{s:f, s:f}", "activations", o->activations_of[i], "temporary", o->temporary_of[i]));
  return each;
}

static Err print_json(const Info *o) {
  const ModelCounts *n = &o->n;
  json_t *stored = json_object();
  for (int i = 0; i < TYPES; i++) json_object_set_new(stored, type_names[i], json_real(o->stored[i]));
  json_t *parameters =
      json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "total", n->total, "active", n->active, "embedding",
                n->embedding, "attention", n->attention, "dense", n->dense, "experts", n->experts, "shared", n->shared,
                "router", n->router, "norm", n->norm, "mtp", n->mtp, "balance", n->balance);
  json_t *training =
      json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o, s:o}", "weights", o->masters, "gradients", o->gradients, "moments",
                o->moments, "tables", o->tables, "activations", o->activations, "temporary", o->temporary, "together",
                o->training, "cards", cards_json(o->training), "recompute", recompute_json(o));
  json_t *root =
      json_pack("{s:s, s:I, s:o, s:o, s:{s:f, s:f}, s:{s:f, s:f}, s:o, s:{s:f, s:o}, s:o}", "family",
                family_names[o->config.model.family], "length", (json_int_t)o->length, "parameters", parameters,
                "weights_bytes", stored, "cache_token_bytes", "bf16", o->cache, "bf16_latent", o->cache_latent, "flop_token",
                "forward", o->forward, "backward", 2 * o->forward, "training_bytes", training, "serving_bytes", "together",
                o->serving, "cards", cards_json(o->serving), "files", info_index_json(&o->index));
  return cli_json(root, "the report");
}

Err info_model(const char *path, int64_t length, bool json) {
  Info *o = calloc(1, sizeof *o);
  CHECK(o, ERR_MEMORY, "no memory for the report");
  Err err = gather(o, path, length);
  if (!err && json) err = print_json(o);
  else if (!err) print_report(o);
  free(o);
  return err;
}
