#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/checkpoint_convert.h"
#include "train/checkpoint_file.h"
#include "train/config.h"

typedef struct {
  char path[PATH_BYTES];
  CheckpointReader reader;
  FileStream *stream;
  Parts *parts;  // one for each tensor of the source, in the order of the parameters
} Source;

Err checkpoint_find(char out[PATH_BYTES], const char *path) {
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
  CHECK(newest >= 0, ERR_IO, "%s: no checkpoint in it; want a run's folder or a checkpoint", path);
  return checkpoint_path(out, folder, newest);
}

// ---- the arrays of the weights

static Err take_array(WeightSource *s, WeightTensor *t, Parts *p) {
  const Source *c = s->own;
  const Manifest *m = &c->reader.manifest;
  CheckpointArray a = {.type = ST_F32, .n_dims = t->n_dims, .dim = {t->dim[0], t->dim[1]}};
  const json_t *parts;
  snprintf(a.name, sizeof a.name, "model/%s", t->name);
  if (!json_object_get(m->arrays, a.name)) return weights_fault(s->missing, "%s", t->name);
  Err err = manifest_array(m, &a, &t->type, &parts);
  if (err == ERR_FORMAT) return weights_fault(s->other, "%s", err_text());
  TRY(err);
  a.type = t->type;
  return manifest_parts(m, a.name, parts, array_bytes(&a), p);  // the place of every byte: reading needs no JSON
}

static Err find_left_over(WeightSource *s) {
  const Source *c = s->own;
  json_t *known = json_object();
  Err err = ERR_OK;
  CHECK_OUT(known, ERR_MEMORY, "%s: no memory", c->path);
  for (int64_t i = 0; i < s->count; i++) json_object_set_new(known, s->tensor[i].name, json_true());
  const char *name;
  json_t *entry;
  json_object_foreach(c->reader.manifest.arrays, name,
                      entry) if (strncmp(name, "model/", 6) == 0 && !json_object_get(known, name + 6))
      TRY_OUT(weights_fault(s->left, "%s", name + 6));
out:
  json_decref(known);
  return err;
}

static int by_place(const void *a, const void *b) {
  const Parts *p = ((const WeightTensor *)a)->own, *q = ((const WeightTensor *)b)->own;
  if (!p->count || !q->count) return (p->count > 0) - (q->count > 0);
  if (p->part->shard != q->part->shard) return p->part->shard < q->part->shard ? -1 : 1;
  return p->part->offset < q->part->offset ? -1 : p->part->offset > q->part->offset;
}

static Err take_arrays(WeightSource *s) {
  Source *c = s->own;
  c->parts = calloc((size_t)s->count + 1, sizeof *c->parts);
  CHECK(c->parts, ERR_MEMORY, "%s: no memory for %lld arrays", c->path, (long long)s->count);
  for (int64_t i = 0; i < s->count; i++) {
    s->tensor[i].own = &c->parts[i];
    TRY(take_array(s, &s->tensor[i], &c->parts[i]));
  }
  qsort(s->tensor, (size_t)s->count, sizeof *s->tensor, by_place);
  return find_left_over(s);
}

// ---- the source

static Err read_tensor(WeightSource *s, int64_t i, int64_t first, int64_t n, void *out) {
  Source *c = s->own;
  const Parts *p = s->tensor[i].own;
  size_t size = st_type_bytes(s->tensor[i].type), begin = (size_t)first * size, end = begin + (size_t)n * size, at = 0;
  for (int64_t k = 0; k < p->count; at += p->part[k++].bytes) {
    const Part *part = &p->part[k];
    size_t low = begin > at ? begin : at, high = end < at + part->bytes ? end : at + part->bytes;
    if (low < high) TRY(checkpoint_reader_part(&c->reader, part, low - at, high - low, (uint8_t *)out + (low - begin)));
  }
  return ERR_OK;
}

static void describe(const WeightSource *s, int64_t i, char *out, size_t size) {
  const Parts *p = s->tensor[i].own;
  char shard[SHARD_NAME_BYTES] = "no shard";
  if (p->count) shard_name(p->part->shard, shard);
  snprintf(out, size, "model/%s %s in %s", s->tensor[i].name, st_type_name(s->tensor[i].type), shard);
}

static void close_source(WeightSource *s) {
  Source *c = s->own;
  if (!c) return;
  for (int64_t i = 0; c->parts && i < s->count; i++) free(c->parts[i].part);
  free(c->parts);
  file_stream_close(c->stream);
  if (c->reader.shard) checkpoint_reader_close(&c->reader);
  free(c);
}

// A folder of tokenizer files that goes with the checkpoint, wherever both were moved to.
static void find_tokenizer(WeightSource *s, const RunConfig *config) {
  static const char *const up[] = {"../../tokenizer", "../tokenizer"};
  const Source *c = s->own;
  for (int i = 0; i < 2; i++)
    if (path_join(s->tokenizer, c->path, up[i]) == ERR_OK && file_is_folder(s->tokenizer)) return;
  snprintf(s->tokenizer, sizeof s->tokenizer, "%s", config->data.tokenizer);
}

static Err parse_config(const Manifest *m, RunConfig *config) {
  Options options = run_options(config);
  options_defaults(&options);
  return options_parse(&options, m->config, strlen(m->config), m->path);
}

// *c belongs to the source from the moment there is one.
static Err open_reader(WeightSource **out, Source *c, RunConfig *config) {
  TRY(checkpoint_reader_open(&c->reader, c->path));
  TRY(file_stream_open(&c->stream));
  c->reader.stream = c->stream;
  TRY(parse_config(&c->reader.manifest, config));
  TRY(weights_want_room(&config->model, (double)json_object_size(c->reader.manifest.arrays), c->path));
  TRY(weights_new(out, "checkpoint", c->path, &config->model));
  WeightSource *s = *out;
  s->own = c;
  s->close = close_source;
  s->read = read_tensor;
  s->describe = describe;
  s->step = c->reader.manifest.step;
  s->type = (Dtype)config->train.dtype;
  s->layout = json_incref(json_object_get(c->reader.manifest.state, "layout"));
  find_tokenizer(s, config);
  return take_arrays(s);
}

Err checkpoint_source_open(WeightSource **out, const char *path) {
  *out = NULL;
  RunConfig *config = calloc(1, sizeof *config);
  Source *c = calloc(1, sizeof *c);
  Err err = ERR_OK;
  CHECK_OUT(config && c, ERR_MEMORY, "%s: no memory", path);
  TRY_OUT(checkpoint_find(c->path, path));
  TRY_OUT(open_reader(out, c, config));
out:
  free(config);
  if (err && *out) weights_close(*out);
  else if (err && c) {
    file_stream_close(c->stream);
    if (c->reader.shard) checkpoint_reader_close(&c->reader);
    free(c);
  }
  if (err) *out = NULL;
  return err;
}
