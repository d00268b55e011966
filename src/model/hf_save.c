#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/json.h"
#include "model/hf_config.h"
#include "model/hf_files.h"

static const size_t shard_bytes_default = 5000000000;

typedef struct {
  char name[PARAM_NAME_BYTES + 32];
  StType type;
  const Param *param;
  int64_t shard;
} Out;

typedef struct {
  const char *folder;  // the one that is written aside
  Out *out;
  int64_t n, n_shards;
  size_t total_bytes;
} Saver;

static size_t out_bytes(const Out *o) { return (size_t)o->param->n * st_type_bytes(o->type); }

static void add(Saver *s, const Param *p, StType type, const char *format, ...) __attribute__((format(printf, 4, 5)));
static void add(Saver *s, const Param *p, StType type, const char *format, ...) {
  Out *o = &s->out[s->n++];
  *o = (Out){.param = p, .type = p->role == PARAM_BALANCE ? ST_F32 : type};
  va_list args;
  va_start(args, format);
  vsnprintf(o->name, sizeof o->name, format, args);
  va_end(args);
}

// As the safetensors library orders a file: wider types first, then by name.
static int by_file_order(const void *a, const void *b) {
  const Out *x = a, *y = b;
  if (x->shard != y->shard) return x->shard < y->shard ? -1 : 1;
  if (x->type != y->type) return x->type == ST_F32 ? -1 : 1;
  return strcmp(x->name, y->name);
}

static Err list_tensors(Saver *s, const ModelConfig *c, const ParamList *list, const HfSave *o) {
  s->out = calloc((size_t)list->count + 2, sizeof *s->out);
  CHECK(s->out, ERR_MEMORY, "no memory for the list of %lld tensors", (long long)list->count);
  StType type = o->type == DT_BF16 ? ST_BF16 : ST_F32;
  for (int64_t i = 0; i < list->count; i++) add(s, &list->param[i], type, "%s", list->param[i].name);
  if (c->mtp.layers > 0) {
    const Param *embedding = params_role(list, PARAM_EMBEDDING);
    const Param *head = c->model.tied ? embedding : params_role(list, PARAM_HEAD);
    add(s, embedding, type, "model.layers.%lld.embed_tokens.weight", (long long)c->model.layers);
    add(s, head, type, "model.layers.%lld.shared_head.head.weight", (long long)c->model.layers);
  }
  size_t limit = o->shard_bytes ? o->shard_bytes : shard_bytes_default, used = 0;
  for (int64_t i = 0; i < s->n; i++) {
    size_t bytes = out_bytes(&s->out[i]);
    if (used > 0 && used + bytes > limit) s->n_shards++, used = 0;
    used += bytes;
    s->total_bytes += bytes;
    s->out[i].shard = s->n_shards;
  }
  s->n_shards++;
  qsort(s->out, (size_t)s->n, sizeof *s->out, by_file_order);
  return ERR_OK;
}

static void shard_file(const Saver *s, int64_t shard, char out[64]) {
  if (s->n_shards == 1) snprintf(out, 64, "model.safetensors");
  else snprintf(out, 64, "model-%05lld-of-%05lld.safetensors", (long long)shard + 1, (long long)s->n_shards);
}

static Err write_tensor(SafeTensorsWriter *w, const Out *o) {
  enum { CHUNK = 8192 };
  if (o->type == ST_F32) return safetensors_write(w, o->param->w, out_bytes(o));
  Bf16 chunk[CHUNK];
  for (int64_t i = 0; i < o->param->n; i += CHUNK) {
    int64_t n = o->param->n - i < CHUNK ? o->param->n - i : CHUNK;
    for (int64_t k = 0; k < n; k++) chunk[k] = bf16_from_f32(o->param->w[i + k]);
    TRY(safetensors_write(w, chunk, (size_t)n * sizeof chunk[0]));
  }
  return ERR_OK;
}

static Err write_shard(const Saver *s, int64_t shard) {
  char name[64], path[PATH_BYTES];
  shard_file(s, shard, name);
  TRY(path_join(path, s->folder, name));
  SafeTensorsWriter w;
  TRY(safetensors_create(&w, path));
  Err err = ERR_OK;
  TRY_OUT(safetensors_meta(&w, "format", "pt"));
  for (int64_t i = 0; i < s->n; i++) {
    const Out *o = &s->out[i];
    if (o->shard == shard) TRY_OUT(safetensors_declare(&w, o->name, o->type, o->param->n_dims, o->param->dim));
  }
  TRY_OUT(safetensors_begin(&w));
  for (int64_t i = 0; i < s->n; i++)
    if (s->out[i].shard == shard) TRY_OUT(write_tensor(&w, &s->out[i]));
  TRY_OUT(safetensors_commit(&w));
  return ERR_OK;
out:
  safetensors_abandon(&w);
  return err;
}

static int by_name(const void *a, const void *b) { return strcmp(((const Out *)a)->name, ((const Out *)b)->name); }

static Err write_json(const Saver *s, const char *name, json_t *root) {
  char path[PATH_BYTES];
  Err err =
      root ? path_join(path, s->folder, name) : err_set(ERR_MEMORY, __func__, __FILE__, __LINE__, "no memory for %s", name);
  if (!err) err = json_write(root, path);
  json_decref(root);
  return err;
}

static Err write_index(const Saver *s) {
  if (s->n_shards == 1) return ERR_OK;
  qsort(s->out, (size_t)s->n, sizeof *s->out, by_name);
  json_t *map = json_object();
  for (int64_t i = 0; i < s->n; i++) {
    char file[64];
    shard_file(s, s->out[i].shard, file);
    json_object_set_new(map, s->out[i].name, json_string(file));
  }
  return write_json(s, "model.safetensors.index.json",
                    json_pack("{s:{s:I}, s:o}", "metadata", "total_size", (json_int_t)s->total_bytes, "weight_map", map));
}

static Err write_configs(const Saver *s, const ModelConfig *c, Dtype type) {
  json_t *config, *generation = json_pack("{s:b}", "_from_model_config", 1);
  const struct {
    const char *key;
    int64_t id;
  } token[] = {{"bos_token_id", c->model.bos}, {"eos_token_id", c->model.eos}, {"pad_token_id", c->model.pad}};
  for (int i = 0; i < 3; i++)
    if (token[i].id >= 0) json_object_set_new(generation, token[i].key, json_integer(token[i].id));
  Err err = write_json(s, "generation_config.json", generation);
  if (!err) err = hf_config_make(c, type, &config);
  return err ? err : write_json(s, "config.json", config);
}

// ---- the tokenizer's files, as they are

static Err copy_file(const char *from, const char *folder, const char *name) {
  char to[PATH_BYTES];
  FileMap f;
  TRY(path_join(to, folder, name));
  TRY(file_map(&f, from));
  Err err = file_replace(to, f.data, f.size);
  file_unmap(&f);
  return err;
}

static Err copy_tokenizer(const char *from, const char *folder) {
  static const char *const names[] = {
      "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
      "vocab.json",     "merges.txt",      "chat_template.jinja"};
  if (!file_is_folder(from)) {
    const char *dot = strrchr(from, '.');
    return copy_file(from, folder, dot && strcmp(dot, ".json") == 0 ? "tokenizer.json" : "tokenizer.model");
  }
  int copied = 0;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char path[PATH_BYTES];
    TRY(path_join(path, from, names[i]));
    if (!file_exists(path)) continue;
    TRY(copy_file(path, folder, names[i]));
    copied++;
  }
  CHECK(copied > 0, ERR_ARG, "%s: holds no tokenizer file (tokenizer.json, tokenizer.model, ...)", from);
  return ERR_OK;
}

static Err write_all(Saver *s, const ModelConfig *c, const ParamList *list, const HfSave *o) {
  if (!o->allow_nan) TRY(params_check_finite(list, s->folder));
  TRY(list_tensors(s, c, list, o));
  TRY(write_configs(s, c, o->type));
  for (int64_t i = 0; i < s->n_shards; i++) TRY(write_shard(s, i));
  TRY(write_index(s));
  return o->tokenizer ? copy_tokenizer(o->tokenizer, s->folder) : ERR_OK;
}

Err hf_save(const char *folder, const ModelConfig *c, const ParamList *list, const HfSave *o) {
  char temp[PATH_BYTES], trimmed[PATH_BYTES];
  int n = snprintf(trimmed, sizeof trimmed, "%s", folder);
  CHECK(n > 0 && n < PATH_BYTES - 16, ERR_ARG, "\"%.100s\": not a path that a folder can have", folder);
  while (n > 1 && trimmed[n - 1] == '/') trimmed[--n] = '\0';
  memcpy(temp, trimmed, (size_t)n);
  memcpy(temp + n, ".tmp", 5);
  if (file_exists(trimmed)) {
    char **names;
    size_t count;
    TRY(folder_list(trimmed, &names, &count));
    names_free(names, count);
    CHECK(count == 0, ERR_ARG, "%s: there already and not empty; remove it or choose another name", trimmed);
  }
  Saver s = {.folder = temp};
  Err err = ERR_OK;
  TRY_OUT(folder_remove(temp));
  TRY_OUT(folder_make(temp));
  TRY_OUT(write_all(&s, c, list, o));
  TRY_OUT(folder_sync(temp));
  CHECK_OUT(rename(temp, trimmed) == 0, ERR_IO, "%s: cannot be put in place: %s", trimmed, strerror(errno));
out:
  free(s.out);
  if (err) {
    ErrInfo info;
    err_take(&info);  // removing sets an error of its own
    (void)folder_remove(temp);
    (void)err_give(&info);
  }
  return err;
}
