#include "train/checkpoint_convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/version.h"
#include "model/hf_files.h"
#include "train/checkpoint_file.h"
#include "train/config.h"

typedef struct {
  const char *folder;  // that is written aside
  const char *final;   // its name in the end
  WeightSource *source;
  const CheckpointConvert *option;
  CheckpointArray *array;
  RunConfig *config;
  char *text, *identity;
  json_t *state;
  CheckpointStream stream;
} Converter;

static Err list_arrays(Converter *c) {
  const WeightSource *s = c->source;
  c->array = calloc((size_t)s->count + 1, sizeof *c->array);
  CHECK(c->array, ERR_MEMORY, "%s: no memory for the list of %lld arrays", c->final, (long long)s->count);
  for (int64_t i = 0; i < s->count; i++) {
    const WeightTensor *t = &s->tensor[i];
    StType type = t->type == ST_BF16 || t->type == ST_F16 ? t->type : ST_F32;
    if (c->option->type != ST_OTHER) type = t->role == PARAM_BALANCE ? ST_F32 : c->option->type;
    c->array[i] = (CheckpointArray){.type = type, .n_dims = t->n_dims, .dim = {t->dim[0], t->dim[1]}};
    snprintf(c->array[i].name, sizeof c->array[i].name, "model/%s", t->name);
  }
  return ERR_OK;
}

static Err write_tokenizer(Converter *c) {
  char folder[PATH_BYTES];
  WeightSource *s = c->source;
  TRY(path_join(folder, c->folder, "tokenizer"));
  if (!s->write_tokenizer && !*s->tokenizer) return ERR_OK;
  TRY(folder_make(folder));
  snprintf(c->config->data.tokenizer, OPTION_TEXT_BYTES, "%.1000s/tokenizer", c->final);
  return s->write_tokenizer ? s->write_tokenizer(s, folder) : hf_copy_tokenizer(s->tokenizer, folder);
}

static Err make_config(Converter *c) {
  c->config = calloc(1, sizeof *c->config);
  CHECK(c->config, ERR_MEMORY, "%s: no memory for a run file", c->final);
  Options options = run_options(c->config);
  options_defaults(&options);
  c->config->model = c->source->config;
  c->config->train.dtype = (int)c->source->type;
  CHECK(strlen(c->final) <= 1000, ERR_ARG, "%.100s...: a path too long for a run file", c->final);
  snprintf(c->config->train.init, OPTION_TEXT_BYTES, "%s", c->final);
  TRY(write_tokenizer(c));
  TRY(run_config_text(c->config, c->folder, &c->text));
  return run_identity(&c->config->model, &c->identity);
}

static Err make_state(Converter *c) {
  c->state = json_pack("{s:s, s:s}", "from", c->source->kind, "path", c->source->path);
  CHECK(c->state, ERR_MEMORY, "%s: no memory for its state", c->final);
  // Files of another type are other files: they lie as new ones do.
  if (c->source->layout && c->option->type == ST_OTHER) json_object_set(c->state, "layout", c->source->layout);
  return ERR_OK;
}

static Err to_stream(void *context, const void *data, size_t bytes) { return checkpoint_stream_write(context, data, bytes); }

static Err write_arrays(Converter *c) {
  for (int64_t i = 0; i < c->source->count; i++)
    TRY(weights_pump(c->source, i, c->array[i].type, c->option->allow_nan, to_stream, &c->stream));
  return checkpoint_stream_commit(&c->stream, c->state);
}

static Err write_checkpoint(Converter *c) {
  char checkpoints[PATH_BYTES], path[PATH_BYTES];
  int64_t step = c->source->step < 0 ? 0 : c->source->step;
  TRY(path_join(checkpoints, c->folder, "checkpoints"));
  TRY(checkpoint_path(path, checkpoints, step));
  CheckpointHead head = {.folder = path,
                         .step = step,
                         .identity = c->identity,
                         .config = c->text,
                         .version = version_text(),
                         .array = c->array,
                         .n_arrays = c->source->count};
  TRY(checkpoint_stream_open(&c->stream, &head));
  Err err = write_arrays(c);
  checkpoint_stream_close(&c->stream);
  return err ? err : folder_sync(checkpoints);
}

static Err write_all(Converter *c) {
  TRY(weights_check(c->source));
  TRY(list_arrays(c));
  TRY(make_config(c));
  TRY(make_state(c));
  return write_checkpoint(c);
}

Err checkpoint_convert(const char *folder, WeightSource *source, const CheckpointConvert *o) {
  FolderWriter w;
  char final[PATH_BYTES];
  TRY(folder_create(&w, folder));
  char *whole = realpath(w.temp, NULL);
  Err err = whole ? ERR_OK : ERR_HERE(ERR_MEMORY, "%s: no memory", folder);
  if (!err) snprintf(final, sizeof final, "%.*s", (int)(strlen(whole) - strlen(".tmp")), whole);
  free(whole);
  Converter c = {.folder = w.temp, .final = final, .source = source, .option = o};
  if (!err) err = write_all(&c);
  if (!err) err = folder_commit(&w);
  folder_abandon(&w);
  free(c.array);
  free(c.config);
  free(c.text);
  free(c.identity);
  json_decref(c.state);
  return err;
}
