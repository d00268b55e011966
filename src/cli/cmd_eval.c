// pleiad eval
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/eval_logits.h"
#include "cli/formats.h"
#include "data/token_bytes.h"
#include "train/feed.h"
#include "train/score.h"

static const char help_text[] =
    "pleiad eval --model MODEL [--data BLEND] [options]\n"
    "\n"
    "Loss, perplexity and bits per byte of a model on token files.\n" FORMATS_LINE
    "\n"
    "  --data BLEND       a prefix of .bin and .idx, or \"weight prefix weight prefix ...\"; without it, the held-out data of "
    "the run\n"
    "  --seq_length N     tokens of a sequence (the run's; else 512)\n"
    "  --micro_batch N    sequences at a time (8)\n"
    "  --samples N        sequences to score (all)\n"
    "  --tokenizer F      for bits per byte (the run's)\n"
    "  --ids F --logits F instead: reads \"input_ids\", I64 [B, T], from a safetensors file, and writes \"logits\", F32 [B, T, "
    "V],\n"
    "                     to compare with other programs (tools/check_export.py)\n"
    "  --dtype T          fp32, bf16 (as it was trained or stored), or int8: weights of 8 bits, the rest as bf16\n"
    "  --threads N, --json\n"
    "\n"
    "  pleiad eval --model out/run\n"
    "  pleiad eval --model out/run/checkpoints/step-200 --data out/data/zh --json\n";

typedef struct {
  OpenOptions open;
  const char *data, *ids, *logits;
  int64_t seq_length, micro_batch, samples;
  bool json;
} Request;

static Err take_count(int *argc, char **argv, const char *name, int64_t *value) {
  const char *text = NULL;
  TRY(cli_value(argc, argv, name, &text));
  if (!text) return ERR_OK;
  char *end;
  *value = strtoll(text, &end, 10);
  CHECK(*text && *end == '\0' && *value > 0, ERR_ARG, "%s %s: a number of at least 1 is wanted", name, text);
  return ERR_OK;
}

static Err take_request(Request *q, int *argc, char **argv) {
  static const char *const known[] = {"--model", "--data",    "--seq_length", "--micro_batch", "--samples", "--tokenizer",
                                      "--dtype", "--threads", "--json",       "--ids",         "--logits",  NULL};
  *q = (Request){.micro_batch = 8};
  TRY(open_options(&q->open, argc, argv));
  TRY(cli_value(argc, argv, "--data", &q->data));
  TRY(cli_value(argc, argv, "--ids", &q->ids));
  TRY(cli_value(argc, argv, "--logits", &q->logits));
  CHECK(!q->ids == !q->logits, ERR_ARG, "eval: --ids and --logits go together");
  TRY(take_count(argc, argv, "--seq_length", &q->seq_length));
  TRY(take_count(argc, argv, "--micro_batch", &q->micro_batch));
  TRY(take_count(argc, argv, "--samples", &q->samples));
  q->json = cli_flag(argc, argv, "--json");
  return cli_no_more(*argc, argv, known);
}

// The run file of the folder, or of the run that the checkpoint is in; defaults where there is none.
static Err find_config(RunConfig *c, const char *path, bool *found) {
  char manifest[PATH_BYTES], at[PATH_BYTES];
  Options o = run_options(c);
  options_defaults(&o);
  TRY(path_join(manifest, path, "manifest.json"));
  TRY(path_join(at, path, file_exists(manifest) ? "../../config.yaml" : "config.yaml"));
  *found = file_exists(at);
  return *found ? run_config_load(c, at) : ERR_OK;
}

// Held-out data: --data whole, else data.valid whole, else the run's share of data.train.
static Err open_data(const Request *q, const RunConfig *c, bool is_run, int64_t T, Dataset **d) {
  int64_t samples = q->samples ? q->samples : ONE_EPOCH;
  if (q->data) return feed_open_set(d, c, q->data, "--data", "1,0,0", SPLIT_TRAIN, T, samples, NULL, "eval");
  CHECK(is_run && (*c->data.valid || *c->data.train), ERR_ARG,
        "eval needs --data: %s is not in a run's folder, whose held-out data could be taken", q->open.path);
  if (*c->data.valid)
    return feed_open_set(d, c, c->data.valid, "data.valid", "1,0,0", SPLIT_TRAIN, T, samples, NULL, q->open.path);
  return feed_open_set(d, c, c->data.train, "data.train", c->data.split, SPLIT_VALID, T, samples, NULL, q->open.path);
}

static Err print_score(const Request *q, const Opened *m, const Score *s, int64_t sequences) {
  double loss = s->nll / (double)s->labels, bits = s->bytes ? s->nll / log(2) / (double)s->bytes : NAN;
  if (!q->json) {
    printf("%s: %lld tokens in %lld sequences: loss %.4f, perplexity %.3f", m->from, (long long)s->labels, (long long)sequences,
           loss, exp(loss));
    printf(s->bytes ? ", %.4f bits per byte\n" : "\n", bits);
    return ERR_OK;
  }
  json_t *j = json_pack("{s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:o}", "model", m->from, "step", (json_int_t)m->step, "tokens",
                        (json_int_t)s->labels, "sequences", (json_int_t)sequences, "bytes", (json_int_t)s->bytes, "loss", loss,
                        "perplexity", exp(loss), "bits_per_byte", s->bytes ? json_real(bits) : json_null());
  return cli_json(j, "the result");
}

static Err evaluate(const Request *q, RunConfig *c, bool is_run, Opened *m, int64_t T) {
  Dataset *d = NULL;
  int32_t *bytes = NULL;
  Err err = ERR_OK;
  int64_t vocab = m->model.config.model.vocab;
  TRY_OUT(open_data(q, c, is_run, T, &d));
  if (m->tokenizer) {
    CHECK_OUT(tokenizer_vocab(m->tokenizer) <= vocab, ERR_CONFIG, "the tokenizer has %lld tokens, the model %lld",
              (long long)tokenizer_vocab(m->tokenizer), (long long)vocab);
    bytes = calloc((size_t)vocab, sizeof *bytes);
    CHECK_OUT(bytes, ERR_MEMORY, "no memory for a table of %lld tokens", (long long)vocab);
    TRY_OUT(data_token_bytes(m->tokenizer, bytes));
  } else {
    log_info("no tokenizer is known, so no bits per byte; give --tokenizer");
  }
  Score s;
  int64_t sequences = q->samples ? q->samples : dataset_samples(d);
  model_prepare(&m->model, &m->dev);
  TRY_OUT(score_dataset(&m->model, &m->dev, m->type, d, sequences, q->micro_batch, bytes, true, &s));
  CHECK_OUT(s.labels > 0, ERR_CONFIG, "the data has no token that counts");
  TRY_OUT(print_score(q, m, &s, sequences));
out:
  dataset_close(d);
  free(bytes);
  return err;
}

static Err run(Request *q, RunConfig *c) {
  bool is_run = false;
  Opened m;
  TRY(find_config(c, q->open.path, &is_run));
  int64_t T = q->seq_length ? q->seq_length : c->data.seq_length;
  q->open.positions = T;
  Err err = opened_open(&m, &q->open);
  if (!err) {
    c->model = m.model.config;
    err = T > c->model.model.max_length ? ERR_HERE(ERR_CONFIG, "--seq_length %lld is longer than the model's %lld",
                                                   (long long)T, (long long)c->model.model.max_length)
                                        : evaluate(q, c, is_run, &m, T);
  }
  opened_close(&m);
  return err;
}

static Err run_logits(const Request *q) {
  Opened m;
  Err err = opened_open(&m, &q->open);
  if (!err) err = eval_logits(&m, q->ids, q->logits);
  opened_close(&m);
  return err;
}

Err cmd_eval(int argc, char **argv) {
  if (cli_help(argc, argv, help_text)) return ERR_OK;
  Request q;
  TRY(take_request(&q, &argc, argv));
  if (q.logits) return run_logits(&q);
  RunConfig *c = calloc(1, sizeof *c);
  CHECK(c, ERR_MEMORY, "no memory for a run file");
  Err err = run(&q, c);
  free(c);
  return err;
}
