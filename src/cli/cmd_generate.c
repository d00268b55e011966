// pleiad generate: continues a text.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/formats.h"
#include "cli/generate_config.h"
#include "cli/opened.h"
#include "infer/generate.h"
#include "train/config.h"

static const char help[] =
    "usage: pleiad generate --model MODEL --prompt TEXT [options]\n"
    "\n"
    "Continues a text, token by token.\n" FORMATS_LINE
    "\n"
    "  --config FILE          a file that says all this, as pleiad import-config makes of a predict configuration; options "
    "come\n"
    "                         after it. Where it has the shapes of a model, and the model has others, a warning says so\n"
    "  --prompt TEXT          what to continue; without it, standard input\n"
    "  --max-new N            tokens to make (200)\n"
    "  --stop TEXT            end before this text; may be given several times\n"
    "  --special parse|text   whether names of special tokens in the prompt mean the tokens (parse) or their letters (text, "
    "the default)\n"
    "  --bos                  begin with the model's begin-of-text token\n"
    "  --mla expanded|latent  how MLA remembers: expanded (log-probabilities as in training, to the bit) or latent (less "
    "memory)\n"
    "  --context N            room for prompt and answer (the model's length)\n"
    "  --logprobs             print each token with its log-probability instead of the text\n"
    "  --dtype T              fp32, bf16 (as stored), or int8: weights of 8 bits, the rest as bf16; faster, a little less "
    "exact\n"
    "  --tokenizer F, --threads N, --json\n"
    "\n"
    "How the next token is chosen:\n";

enum { STOPS_MAX = 16, PROMPT_BYTES_MAX = 64 << 20 };

typedef struct {
  OpenOptions open;
  const char *prompt, *special, *mla, *stop[STOPS_MAX + 1];
  int64_t max_new, context;
  bool bos, logprobs, json;
  GenerateConfig config;
  ModelConfig *expected;  // what --config says of the model; or NULL
} Request;

static Err take_stops(Request *r, int *argc, char **argv) {
  for (int n = 0;; n++) {
    const char *stop = NULL;
    TRY(cli_value(argc, argv, "--stop", &stop));
    if (!stop) return ERR_OK;
    CHECK(n < STOPS_MAX, ERR_ARG, "more than %d --stop texts", STOPS_MAX);
    r->stop[n] = stop;
  }
}

// What --config says, before the options.
static Err take_config(Request *r, const char *path) {
  Options o = {0};
  r->expected = calloc(2, sizeof *r->expected);
  CHECK(r->expected, ERR_MEMORY, "no memory for %s", path);
  model_config_defaults(&r->expected[0]);
  model_config_defaults(&r->expected[1]);
  options_bind(&o, model_fields, r->expected);
  generate_bind(&o, &r->config);
  TRY(options_load(&o, path));
  if (memcmp(&r->expected[0], &r->expected[1], sizeof *r->expected) == 0) {  // it says nothing of the model
    free(r->expected);
    r->expected = NULL;
  }
  if (*r->config.generate.model) r->open.path = r->config.generate.model;
  if (*r->config.generate.tokenizer) r->open.tokenizer = r->config.generate.tokenizer;
  if (r->config.generate.dtype) r->open.dtype = opened_dtype_names[r->config.generate.dtype];
  r->max_new = r->config.generate.max_new;
  r->context = r->config.generate.context;
  return ERR_OK;
}

static Err take_request(Request *r, int *argc, char **argv) {
  *r = (Request){.special = "text", .mla = "expanded", .max_new = 200};
  const char *config = NULL;
  Options o = {0};
  generate_bind(&o, &r->config);
  options_defaults(&o);
  TRY(cli_value(argc, argv, "--config", &config));
  if (config) TRY(take_config(r, config));
  TRY(open_options(&r->open, argc, argv));
  TRY(cli_value(argc, argv, "--prompt", &r->prompt));
  TRY(cli_value(argc, argv, "--special", &r->special));
  TRY(cli_value(argc, argv, "--mla", &r->mla));
  TRY(cli_int(argc, argv, "--max-new", 0, 1 << 30, &r->max_new));
  TRY(cli_int(argc, argv, "--context", 0, 1 << 30, &r->context));
  TRY(take_stops(r, argc, argv));
  r->bos = cli_flag(argc, argv, "--bos");
  r->logprobs = cli_flag(argc, argv, "--logprobs");
  r->json = cli_flag(argc, argv, "--json");
  r->open.positions = r->context;
  CHECK(strcmp(r->special, "text") == 0 || strcmp(r->special, "parse") == 0, ERR_ARG, "--special %s: want parse or text",
        r->special);
  CHECK(strcmp(r->mla, "expanded") == 0 || strcmp(r->mla, "latent") == 0, ERR_ARG, "--mla %s: want expanded or latent", r->mla);
  Options sampling = {0};
  options_bind(&sampling, sampler_fields, &r->config.sampler);
  TRY(options_args(&sampling, argc, argv, NULL));
  return cli_no_more(*argc, argv, NULL);
}

// Whether a line "key: value" is of a part that neither model has.
static bool of_no_use(const char *line, const ModelConfig *a, const ModelConfig *b) {
  bool mla = config_is_mla(a) || config_is_mla(b), moe = a->moe.experts > 0 || b->moe.experts > 0;
  bool scaled = a->rope.scaling != ROPE_PLAIN || b->rope.scaling != ROPE_PLAIN;
  if (strncmp(line, "mla.", 4) == 0) return !mla;
  if (strncmp(line, "moe.", 4) == 0) return !moe;
  return strncmp(line, "rope.", 5) == 0 && !scaled && strncmp(line, "rope.theta", 10) != 0;
}

// Shapes that a configuration promises and the model does not have.
static Err compare_expected(const Request *r, const Opened *m) {
  char *want = NULL, *found = NULL, *want_rest = NULL, *found_rest = NULL;
  if (!r->expected) return ERR_OK;
  Err err = run_identity(r->expected, &want);
  if (!err) err = run_identity(&m->model.config, &found);
  char *a = err ? NULL : strtok_r(want, "\n", &want_rest), *b = err ? NULL : strtok_r(found, "\n", &found_rest);
  for (; a && b; a = strtok_r(NULL, "\n", &want_rest), b = strtok_r(NULL, "\n", &found_rest))
    if (strcmp(a, b) != 0 && !of_no_use(a, r->expected, &m->model.config))
      log_warn("--config says %s; %s says %s, which holds", a, r->open.path, b);
  free(want);
  free(found);
  return err;
}

static Err encode_prompt(const Request *r, const Opened *m, Ids *ids) {
  Err err = ERR_OK;
  TokenizerWork *work = NULL;
  char *owned = NULL;
  size_t size = r->prompt ? strlen(r->prompt) : 0;
  const char *text = r->prompt;
  if (!text) {
    TRY(file_read("/dev/stdin", PROMPT_BYTES_MAX, &owned, &size));
    text = owned;
  }
  int32_t bos = tokenizer_bos(m->tokenizer);
  CHECK_OUT(!r->bos || bos >= 0, ERR_ARG, "--bos: this tokenizer names no begin-of-text token");
  TRY_OUT(tokenizer_work_open(&work, m->tokenizer));
  TRY_OUT(
      tokenizer_encode(m->tokenizer, work, text, size, strcmp(r->special, "parse") == 0 ? SPECIAL_PARSE : SPECIAL_TEXT, ids));
  if (r->bos || ids->count == 0) {
    // An empty prompt begins where a document begins.
    int32_t first = r->bos || tokenizer_eos(m->tokenizer) < 0 ? bos : tokenizer_eos(m->tokenizer);
    CHECK_OUT(first >= 0, ERR_ARG, "an empty prompt, and the tokenizer names no token to begin with");
    int32_t *grown = realloc(ids->id, (size_t)(ids->count + 1) * sizeof *grown);
    CHECK_OUT(grown, ERR_MEMORY, "no memory for the prompt");
    memmove(grown + 1, grown, (size_t)ids->count * sizeof *grown);
    grown[0] = first;
    ids->id = grown;
    ids->capacity = ++ids->count;
  }
out:
  tokenizer_work_close(work);
  free(owned);
  return err;
}

typedef struct {
  const Tokenizer *tokenizer;
  bool logprobs, quiet;
  Bytes text;
} Printer;

static bool print_text(void *context, const char *text, size_t size, int32_t id, float logprob) {
  Printer *p = context;
  if (p->logprobs && !p->quiet) printf("%8d  %10.6f  %s\n", id, (double)logprob, tokenizer_piece(p->tokenizer, id));
  if (p->quiet) {
    char *grown = realloc(p->text.data, p->text.size + size + 1);
    if (!grown) return false;
    if (size) memcpy(grown + p->text.size, text, size);
    p->text.data = grown;
    p->text.size += size;
  } else if (!p->logprobs) {
    fwrite(text, 1, size, stdout);
    fflush(stdout);
  }
  return !ferror(stdout);
}

static Err print_result(const Request *r, const Session *s, const Printer *p, const GenerateResult *g) {
  if (!r->json) {
    if (!r->logprobs) putchar('\n');
    fflush(stdout);
    if (isatty(2))
      fprintf(stderr, "prompt: %lld tokens, %.1f/s; new: %lld tokens, %.1f/s; ended by %s\n", (long long)g->n_prompt,
              (double)g->n_prompt / g->prompt_s, (long long)g->n_new, g->n_new ? (double)g->n_new / g->new_s : 0,
              stop_reason_names[g->stop]);
    return ERR_OK;
  }
  json_t *ids = json_array(), *logprobs = json_array();
  for (int64_t i = g->n_prompt; i < s->kv.length; i++) {
    json_array_append_new(ids, json_integer(s->ids[i]));
    json_array_append_new(logprobs, json_real((double)s->logprob[i]));
  }
  json_t *out =
      json_pack("{s:o, s:o, s:o, s:s, s:I, s:f, s:f}", "text", cli_json_text(p->text.data ? p->text.data : "", p->text.size),
                "ids", ids, "logprobs", logprobs, "stop", stop_reason_names[g->stop], "prompt_tokens", (json_int_t)g->n_prompt,
                "prompt_s", g->prompt_s, "new_s", g->new_s);
  return cli_json(out, "the result");
}

Err cmd_generate(int argc, char **argv) {
  if (cli_help(argc, argv, help)) {
    Options o = {0};
    SamplerConfig c;
    options_bind(&o, sampler_fields, &c);
    options_help(&o, stdout);
    return ERR_OK;
  }
  static Request r;
  Err err = ERR_OK;
  Opened m = {0};
  Engine e = {0};
  Session s = {0};
  Ids ids = {0};
  Printer p = {0};
  GenerateResult result;
  TRY_OUT(take_request(&r, &argc, argv));
  TRY_OUT(opened_open(&m, &r.open));
  CHECK_OUT(m.tokenizer, ERR_ARG, "%s names no tokenizer; give --tokenizer F", r.open.path);
  p = (Printer){.tokenizer = m.tokenizer, .logprobs = r.logprobs, .quiet = r.json};
  TRY_OUT(compare_expected(&r, &m));
  TRY_OUT(encode_prompt(&r, &m, &ids));
  int64_t context = r.context ? r.context : ids.count + r.max_new;
  if (context > m.model.rotary.positions) context = m.model.rotary.positions;
  TRY_OUT(engine_open(&e, &m.model, &m.dev, m.type, (EngineOptions){.rows_max = 256, .latent = strcmp(r.mla, "latent") == 0}));
  TRY_OUT(session_open(&s, &e, context));
  int32_t eos = tokenizer_eos(m.tokenizer);
  GenerateOptions o = {.max_new = r.max_new,
                       .stop_ids = &eos,
                       .n_stop_ids = eos >= 0,
                       .stop_texts = r.stop,
                       .sampler = r.config.sampler,
                       .on_text = print_text,
                       .context = &p};
  TRY_OUT(generate(&s, m.tokenizer, ids.id, ids.count, false, &o, &result));
  TRY_OUT(print_result(&r, &s, &p, &result));
out:
  session_close(&s);
  engine_close(&e);
  ids_free(&ids);
  free(p.text.data);
  opened_close(&m);
  free(r.expected);
  return err;
}
