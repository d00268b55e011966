#include "cli/opened.h"

#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "model/hf_config.h"
#include "model/hf_files.h"
#include "train/checkpoint.h"
#include "train/config.h"

Err open_options(OpenOptions *o, int *argc, char **argv) {
  int64_t threads = 0;
  *o = (OpenOptions){0};
  TRY(cli_value(argc, argv, "--model", &o->path));
  TRY(cli_value(argc, argv, "--tokenizer", &o->tokenizer));
  TRY(cli_value(argc, argv, "--dtype", &o->dtype));
  TRY(cli_int(argc, argv, "--threads", 0, 4096, &threads));
  o->threads = (int)threads;
  CHECK(o->path, ERR_ARG, "%s needs --model: a run's folder, a checkpoint, or a Hugging Face folder", argv[0]);
  return ERR_OK;
}

static Err choose_type(Opened *m, const OpenOptions *o, Dtype stored) {
  m->type = stored;
  if (!o->dtype) return ERR_OK;
  for (int i = 0; train_dtype_names[i]; i++)
    if (strcmp(o->dtype, train_dtype_names[i]) == 0) {
      m->type = (Dtype)i;
      return ERR_OK;
    }
  FAIL(ERR_ARG, "--dtype %s: want fp32 or bf16", o->dtype);
}

// Measures, reserves and declares; the weights are still to be read.
static Err declare(Opened *m, const ModelConfig *c, const OpenOptions *o) {
  int64_t positions = o->positions && o->positions < c->model.max_length ? o->positions : c->model.max_length;
  arena_measure(&m->weights, "weights");
  arena_measure(&m->other, "tables");
  TRY(model_init(&m->model, c, m->type, positions, &m->weights, NULL, &m->other));
  model_free(&m->model);
  TRY(arena_init(&m->weights, m->weights.name, m->weights.peak));
  TRY(arena_init(&m->other, m->other.name, m->other.peak));
  return model_init(&m->model, c, m->type, positions, &m->weights, NULL, &m->other);
}

static Err load_arrays(const Opened *m, const char *path) {
  const ParamList *list = &m->model.params;
  CheckpointArray *array = calloc((size_t)list->count, sizeof *array);
  CHECK(array, ERR_MEMORY, "no memory for the list of %lld arrays", (long long)list->count);
  for (int64_t i = 0; i < list->count; i++) {
    const Param *p = &list->param[i];
    array[i] = (CheckpointArray){.type = ST_F32, .n_dims = p->n_dims, .dim = {p->dim[0], p->dim[1]}, .data = p->w};
    snprintf(array[i].name, sizeof array[i].name, "model/%s", p->name);
  }
  Err err = checkpoint_load(path, NULL, array, list->count, false, NULL);
  free(array);
  return err ? err : params_check_finite(list, path);
}

static Err open_checkpoint(Opened *m, const OpenOptions *o, const char *path) {
  Err err = ERR_OK;
  CheckpointInfo info = {0};
  RunConfig *config = calloc(1, sizeof *config);
  CHECK_OUT(config, ERR_MEMORY, "no memory for a run file");
  TRY_OUT(checkpoint_info(path, &info));
  Options options = run_options(config);
  options_defaults(&options);
  TRY_OUT(options_parse(&options, info.config, strlen(info.config), path));
  TRY_OUT(choose_type(m, o, (Dtype)config->train.dtype));
  TRY_OUT(declare(m, &config->model, o));
  TRY_OUT(load_arrays(m, path));
  m->step = info.step;
  snprintf(m->from, sizeof m->from, "%s", path);
  if (o->tokenizer || config->data.tokenizer[0])
    TRY_OUT(tokenizer_open(&m->tokenizer, o->tokenizer ? o->tokenizer : config->data.tokenizer));
out:
  checkpoint_info_free(&info);
  free(config);
  return err;
}

static Err open_hugging_face(Opened *m, const OpenOptions *o, const char *config_path) {
  ModelConfig c;
  TRY(hf_config_load(config_path, &c));
  TRY(choose_type(m, o, DT_F32));
  TRY(declare(m, &c, o));
  TRY(hf_load(o->path, &c, &m->model.params, false));
  snprintf(m->from, sizeof m->from, "%s", o->path);
  return tokenizer_open(&m->tokenizer, o->tokenizer ? o->tokenizer : o->path);
}

// A checkpoint's own folder, or the newest in a folder of them.
static Err find_checkpoint(char out[PATH_BYTES], const char *path) {
  char inner[PATH_BYTES];
  TRY(path_join(inner, path, "manifest.json"));
  if (file_exists(inner)) {
    snprintf(out, PATH_BYTES, "%s", path);
    return ERR_OK;
  }
  TRY(path_join(inner, path, "checkpoints"));
  const char *folder = file_is_folder(inner) ? inner : path;
  int64_t *steps = NULL, count = 0;
  TRY(checkpoint_steps(folder, &steps, &count));
  int64_t newest = count ? steps[count - 1] : -1;
  free(steps);
  CHECK(newest >= 0, ERR_IO,
        "%s: no checkpoint in it, and no config.json; want a run's folder, a checkpoint, or a Hugging Face folder", path);
  return checkpoint_path(out, folder, newest);
}

Err opened_open(Opened *m, const OpenOptions *o) {
  char inner[PATH_BYTES];
  *m = (Opened){.step = -1};
  CHECK(file_is_folder(o->path), ERR_IO, "%s: not a folder; want a run's folder, a checkpoint, or a Hugging Face folder",
        o->path);
  TRY(dev_open(&m->dev, o->threads));
  TRY(path_join(inner, o->path, "config.json"));
  if (file_exists(inner)) return open_hugging_face(m, o, inner);
  TRY(find_checkpoint(inner, o->path));
  return open_checkpoint(m, o, inner);
}

void opened_close(Opened *m) {
  model_free(&m->model);
  arena_free(&m->weights);
  arena_free(&m->other);
  tokenizer_close(m->tokenizer);
  if (m->dev.pool) dev_close(&m->dev);
}
