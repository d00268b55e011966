#include "cli/opened.h"

#include <string.h>

#include "cli/cli.h"
#include "cli/formats.h"

Err open_options(OpenOptions *o, int *argc, char **argv) {
  int64_t threads = o->threads;
  TRY(cli_value(argc, argv, "--model", &o->path));
  TRY(cli_value(argc, argv, "--tokenizer", &o->tokenizer));
  TRY(cli_value(argc, argv, "--dtype", &o->dtype));
  TRY(cli_int(argc, argv, "--threads", 0, 4096, &threads));
  o->threads = (int)threads;
  CHECK(o->path, ERR_ARG, "%s needs --model: " FORMATS_TEXT, argv[0]);
  return ERR_OK;
}

const char *const opened_dtype_names[5] = {"stored", "fp32", "bf16", "int8", NULL};
const Dtype opened_dtypes[4] = {DT_F32, DT_F32, DT_BF16, DT_Q8};

static Err choose_type(Opened *m, const OpenOptions *o, Dtype stored) {
  m->type = stored;
  if (!o->dtype) return ERR_OK;
  for (int i = 1; opened_dtype_names[i]; i++)
    if (strcmp(o->dtype, opened_dtype_names[i]) == 0) {
      m->type = opened_dtypes[i];
      return ERR_OK;
    }
  FAIL(ERR_ARG, "--dtype %s: want fp32, bf16 or int8", o->dtype);
}

// Measures, reserves and declares; the weights are still to be read.
static Err declare(Opened *m, const ModelConfig *c, const OpenOptions *o) {
  int64_t positions = o->positions && o->positions < c->model.max_length ? o->positions : c->model.max_length;
  arena_measure(&m->weights, "weights");
  TRY(model_init(&m->model, c, m->type, positions, NULL, NULL, &m->weights));
  model_free(&m->model);
  TRY(arena_init(&m->weights, m->weights.name, m->weights.peak));
  return model_init(&m->model, c, m->type, positions, NULL, NULL, &m->weights);
}

static Err load(Opened *m, const OpenOptions *o, WeightSource *s) {
  const char *tokenizer = o->tokenizer ? o->tokenizer : *s->tokenizer ? s->tokenizer : NULL;
  TRY(weights_complete(s));
  TRY(choose_type(m, o, s->type));
  TRY(declare(m, &s->config, o));
  TRY(weights_load(s, &m->model.params, false));
  m->step = s->step;
  snprintf(m->from, sizeof m->from, "%s", s->path);
  return tokenizer ? tokenizer_open(&m->tokenizer, tokenizer) : ERR_OK;
}

Err opened_open(Opened *m, const OpenOptions *o) {
  WeightSource *source;
  *m = (Opened){.step = -1};
  TRY(format_open(&source, o->path));
  Err err = dev_open(&m->dev, o->threads);
  if (!err) err = load(m, o, source);
  weights_close(source);
  return err;
}

void opened_close(Opened *m) {
  model_free(&m->model);
  arena_free(&m->weights);
  tokenizer_close(m->tokenizer);
  if (m->dev.pool) dev_close(&m->dev);
}
