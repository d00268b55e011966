// pleiad bench generate
#include <stdio.h>

#include "base/clock.h"
#include "base/median.h"
#include "cli/bench/bench.h"
#include "cli/bench/parts.h"
#include "cli/cli.h"
#include "cli/opened.h"
#include "infer/engine.h"
#include "model/owned.h"
#include "ops/peak.h"
#include "ops/q8.h"

static const char help_text[] =
    "pleiad bench generate SHAPE.json [--dtype fp32|bf16|int8] [--prompt N] [--tokens N] [--mla expanded|latent] [--threads "
    "N]\n"
    "                      [--json]\n"
    "\n"
    "Times reading a prompt of N (256) tokens and then making N (32) tokens one by one, by a model with random weights.\n"
    "SHAPE.json is {\"hf\": a Hugging Face configuration}: bench/shapes/active-1b.json. One token reads every weight that\n"
    "is active for it, and the cache: its bytes a second are set against a plain reading of the same packed weights right\n"
    "after it (the memory's speed moves by a factor of two where others share it); the median of the tokens is printed.\n"
    "With --dtype int8 weights have 8 bits and scales, 9 bits in all, and the rest is as with bf16.\n";

enum { TOKENS_MAX = 1 << 14, ROWS_MAX = 256 };

typedef struct {
  const char *path;
  ModelConfig model;
  int64_t prompt, tokens, threads;
  Dtype type;
  const char *type_name;
  bool latent, json;
} Shape;

typedef struct {
  double prompt_s, token_s, token_bytes;
  double read_bytes;   // a second, of the packed weights: the median
  double read_tokens;  // reading's seconds for as many bytes as a token's, over the token's: the median
} Result;

static Err read_shape(Shape *s) {
  json_t *root;
  TRY(bench_read_shape(&root, s->path, &s->model));
  json_decref(root);
  CHECK(s->prompt + s->tokens <= s->model.model.max_length, ERR_ARG,
        "--prompt %lld and --tokens %lld are more than the %lld positions of %s", (long long)s->prompt, (long long)s->tokens,
        (long long)s->model.model.max_length, s->path);
  return ERR_OK;
}

static Err take_shape(Shape *s, int argc, char **argv) {
  static const char *const known[] = {"--dtype", "--prompt", "--tokens", "--mla", "--threads", "--json", NULL};
  static const char *const caches[] = {"expanded", "latent", NULL};
  int type = 1, latent = 0;  // bf16
  *s = (Shape){.prompt = 256, .tokens = 32};
  TRY(cli_choice(&argc, argv, "--dtype", opened_dtype_names + 1, &type));
  TRY(cli_choice(&argc, argv, "--mla", caches, &latent));
  TRY(cli_int(&argc, argv, "--prompt", 1, TOKENS_MAX, &s->prompt));
  TRY(cli_int(&argc, argv, "--tokens", 1, TOKENS_MAX, &s->tokens));
  TRY(cli_int(&argc, argv, "--threads", 0, 4096, &s->threads));
  s->type = opened_dtypes[type + 1];
  s->type_name = opened_dtype_names[type + 1];
  s->latent = latent;
  s->json = cli_flag(&argc, argv, "--json");
  CHECK(argc >= 2 && argv[1][0] != '-', ERR_ARG, "bench generate needs a shape: pleiad bench generate SHAPE.json");
  s->path = argv[1];
  argv[1] = argv[0];
  TRY(cli_no_more(argc - 1, argv + 1, known));
  return read_shape(s);
}

// What a token reads in the middle of the answer: a table that is only looked up is not read. MLA's kv_b never has 8 bits.
static double token_bytes(const Shape *s, const Model *m) {
  const ModelConfig *c = &s->model;
  double weights = (double)model_counts(c).active;
  double kv_b = (double)(c->model.layers * c->mla.kv_rank * c->attention.heads * (c->mla.nope + c->mla.v));
  if (m->head_used != &m->embedding) weights -= (double)m->embedding.out * (double)m->embedding.in;
  double length = (double)s->prompt + (double)s->tokens / 2;
  double of_one = s->type == DT_Q8 ? (double)sizeof(Q8Block) / (Q8_BLOCK * Q8_LANES) : (double)dtype_bytes(s->type);
  double of_kv_b = s->type == DT_Q8 ? (double)dtype_bytes(dtype_of_rows(s->type)) : of_one;
  return (weights - kv_b) * of_one + kv_b * of_kv_b +
         length * (double)engine_cache_bytes(&s->model, dtype_of_rows(s->type), s->latent);
}

// read: the weights that GEMMs read.
static Err time_tokens(const Shape *s, Session *session, const Arena *read, Result *r) {
  int32_t ids[TOKENS_MAX];
  double seconds[TOKENS_MAX], rates[TOKENS_MAX], shares[TOKENS_MAX];
  Engine *e = session->engine;
  const int64_t vocab = s->model.model.vocab;
  for (int64_t i = 0; i < s->prompt; i++) ids[i] = (int32_t)((i * 7919 + 13) % vocab);
  double begin = clock_s();
  TRY(session_feed(session, ids, s->prompt, false));
  r->prompt_s = clock_s() - begin;
  for (int64_t i = 0; i < s->tokens; i++) {
    int32_t id = (int32_t)((i * 104729 + 7) % vocab);  // other experts for every token
    begin = clock_s();
    TRY(session_feed(session, &id, 1, false));
    seconds[i] = clock_s() - begin;
    rates[i] = memory_read(e->run.dev, read->base, read->used);
    shares[i] = r->token_bytes / seconds[i] / rates[i];
  }
  r->token_s = median_sort(seconds, s->tokens);
  r->read_bytes = median_sort(rates, s->tokens);
  r->read_tokens = median_sort(shares, s->tokens);
  return ERR_OK;
}

static Err measure(const Shape *s, Result *r) {
  Dev dev = {0};
  OwnedModel owned = {0};
  Engine engine = {0};
  Session session = {0};
  Err err = ERR_OK;
  TRY(dev_open(&dev, (int)s->threads));
  TRY_OUT(owned_open(&owned, &s->model, s->type, s->prompt + s->tokens, false));
  model_reset(&owned.model, 1);
  EngineOptions options = {.rows_max = s->prompt < ROWS_MAX ? s->prompt : ROWS_MAX, .latent = s->latent};
  TRY_OUT(engine_open(&engine, &owned.model, &dev, s->type, options));
  TRY_OUT(session_open(&session, &engine, s->prompt + s->tokens));
  r->token_bytes = token_bytes(s, &owned.model);
  TRY_OUT(time_tokens(s, &session, s->type == DT_Q8 ? &owned.other : &engine.packs, r));
out:
  session_close(&session);
  engine_close(&engine);
  owned_close(&owned);
  dev_close(&dev);
  return err;
}

static Err print_json(const Shape *s, const Result *r) {
  double rate = r->token_bytes / r->token_s;
  json_t *j = json_pack("{s:s, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "shape", s->path, "dtype", s->type_name, "active",
                        (json_int_t)model_counts(&s->model).active, "prompt_tokens_per_s", (double)s->prompt / r->prompt_s,
                        "tokens_per_s", 1 / r->token_s, "token_bytes", r->token_bytes, "gb_s", rate * 1e-9, "read_gb_s",
                        r->read_bytes * 1e-9, "of_read", r->read_tokens);
  return cli_json(j, "the result");
}

Err bench_generate(int argc, char **argv) {
  if (cli_help(argc, argv, help_text)) return ERR_OK;
  Shape s;
  Result r = {0};
  TRY(take_shape(&s, argc, argv));
  TRY(measure(&s, &r));
  if (s.json) return print_json(&s, &r);
  ModelCounts counts = model_counts(&s.model);
  double rate = r.token_bytes / r.token_s;
  printf("%s in %s: %.1f M parameters, %.1f M active\n", s.path, s.type_name, (double)counts.total * 1e-6,
         (double)counts.active * 1e-6);
  printf("  prompt     %.0f tokens/s\n", (double)s.prompt / r.prompt_s);
  printf("  one by one %.1f tokens/s (%.2f ms): %.1f MB a token, %.1f GB/s, %.1f %% of reading them (%.1f GB/s)\n",
         1 / r.token_s, r.token_s * 1e3, r.token_bytes * 1e-6, rate * 1e-9, 100 * r.read_tokens, r.read_bytes * 1e-9);
  return ERR_OK;
}
