#include "cli/info_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "model/family.h"
#include "model/model.h"

// The parameters by name, from a model that is only counted.
static Err declare(Model *m, const ModelConfig *c) {
  Arena weights, other;
  arena_measure(&weights, "weights");
  arena_measure(&other, "tables");
  return model_init(m, c, DT_F32, 1, &weights, NULL, &other);
}

static void note(int64_t *count, char first[INFO_NAME_BYTES], const char *name) {
  if ((*count)++ == 0) snprintf(first, INFO_NAME_BYTES, "%s", name);
}

// Copies that released files repeat (model/hf_files.h) have their place too.
static bool is_copy(const ModelConfig *c, const char *name) {
  const char *end = strrchr(name, '.');
  if (c->model.tied && strcmp(name, "lm_head.weight") == 0) return true;
  for (int64_t l = c->model.layers; c->mtp.layers > 0 && l <= c->model.layers + 1; l++) {
    char prefix[40];
    int n = snprintf(prefix, sizeof prefix, "model.layers.%lld.", (long long)l);
    if (strncmp(name, prefix, (size_t)n) != 0) continue;
    return strcmp(name + n, "embed_tokens.weight") == 0 || strcmp(name + n, "shared_head.head.weight") == 0;
  }
  return end && strcmp(end, ".inv_freq") == 0;
}

static void compare(const Model *m, json_t *map, InfoIndex *o) {
  json_t *rest = json_copy(map);
  int64_t n = 0;
  for (int64_t i = 0; i < m->params.count; i++) {
    const Param *p = &m->params.param[i];
    char older[PARAM_NAME_BYTES];
    snprintf(older, sizeof older, "%s", p->name);
    param_rename(family_of(&m->config)->older, older);
    n += p->n;
    if (json_object_del(rest, p->name) != 0 && json_object_del(rest, older) != 0) note(&o->missing, o->first_missing, p->name);
  }
  const char *name;
  json_t *value;
  json_object_foreach(rest, name, value) if (!is_copy(&m->config, name)) note(&o->left, o->first_left, name);
  o->weight_bytes = o->total_bytes / (double)n;
  json_decref(rest);
}

static Err read_index(const json_t *root, const char *path, const ModelConfig *c, InfoIndex *o) {
  json_t *map = json_object_get(root, "weight_map"), *files = json_object();
  Model *m = calloc(1, sizeof *m);
  Err err = ERR_OK;
  CHECK_OUT(m && files, ERR_MEMORY, "%s: no memory", path);
  CHECK_OUT(json_is_object(map), ERR_FORMAT, "%s: \"weight_map\" is missing", path);
  o->there = true;
  o->tensors = (int64_t)json_object_size(map);
  o->total_bytes = json_number_value(json_object_get(json_object_get(root, "metadata"), "total_size"));
  const char *name;
  json_t *file;
  json_object_foreach(map, name, file) if (json_is_string(file)) json_object_set(files, json_string_value(file), json_true());
  o->files = (int64_t)json_object_size(files);
  TRY_OUT(declare(m, c));
  compare(m, map, o);
out:
  if (m) model_free(m);
  free(m);
  json_decref(files);
  return err;
}

Err info_index(const char *path, const ModelConfig *config, InfoIndex *o) {
  char file[PATH_BYTES];
  json_t *root;
  *o = (InfoIndex){0};
  if (!file_is_folder(path)) return ERR_OK;
  TRY(path_join(file, path, "model.safetensors.index.json"));
  if (!file_exists(file)) return ERR_OK;
  TRY(json_read(&root, file, true));
  Err err = read_index(root, file, config, o);
  json_decref(root);
  return err;
}

void info_index_print(const InfoIndex *o) {
  if (!o->there) return;
  printf("files         %lld tensors in %lld files, %.2f GB, %.4g bytes a weight; ", (long long)o->tensors, (long long)o->files,
         o->total_bytes * 1e-9, o->weight_bytes);
  if (o->missing + o->left == 0) printf("every name is this model's\n");
  if (o->missing > 0) printf("%lld missing (%s)%s", (long long)o->missing, o->first_missing, o->left ? "; " : "\n");
  if (o->left > 0) printf("%lld that this model has no place for (%s)\n", (long long)o->left, o->first_left);
}

json_t *info_index_json(const InfoIndex *o) {
  if (!o->there) return json_null();
  return json_pack("{s:I, s:I, s:f, s:f, s:I, s:I}", "tensors", (json_int_t)o->tensors, "files", (json_int_t)o->files,
                   "total_bytes", o->total_bytes, "weight_bytes", o->weight_bytes, "missing", (json_int_t)o->missing, "left",
                   (json_int_t)o->left);
}
