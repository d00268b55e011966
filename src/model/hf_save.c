#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "model/hf_config.h"
#include "model/hf_files.h"

static const size_t shard_bytes_default = 5000000000;

typedef struct {
  char name[PARAM_NAME_BYTES + 32];
  StType type;
  int64_t tensor, bytes;  // of the source
  int64_t shard, place;   // place: within the shard as it lay, or 0
} Out;

typedef struct {
  const char *folder;  // the one that is written aside
  WeightSource *source;
  const HfSave *option;
  Out *out;
  int64_t n, capacity, n_shards;
  const json_t *layout;  // the source's, where it is followed
  size_t total_bytes;
} Saver;

static StType stored_type(const Saver *s, const WeightTensor *t) {
  StType type = s->option->type;
  if (type != ST_OTHER && t->role != PARAM_BALANCE) return type;
  return t->type == ST_BF16 || t->type == ST_F16 ? t->type : ST_F32;
}

static Err add(Saver *s, int64_t tensor, const char *format, ...) __attribute__((format(printf, 3, 4)));
static Err add(Saver *s, int64_t tensor, const char *format, ...) {
  if (s->n == s->capacity) {
    s->capacity = s->capacity ? 2 * s->capacity : 256;
    Out *grown = realloc(s->out, (size_t)s->capacity * sizeof *grown);
    CHECK(grown, ERR_MEMORY, "no memory for the list of %lld tensors", (long long)s->capacity);
    s->out = grown;
  }
  const WeightTensor *t = &s->source->tensor[tensor];
  Out *o = &s->out[s->n++];
  *o = (Out){.tensor = tensor, .type = stored_type(s, t)};
  o->bytes = t->n * (int64_t)st_type_bytes(o->type);
  va_list args;
  va_start(args, format);
  vsnprintf(o->name, sizeof o->name, format, args);
  va_end(args);
  return ERR_OK;
}

// As the safetensors library orders a file: wider types first, then by name. Or as they lay.
static int by_file_order(const void *a, const void *b) {
  const Out *x = a, *y = b;
  if (x->shard != y->shard) return x->shard < y->shard ? -1 : 1;
  if (x->place != y->place) return x->place < y->place ? -1 : 1;
  if (x->type != y->type) return x->type > y->type ? -1 : 1;
  return strcmp(x->name, y->name);
}

// ---- files as they lay before

static int64_t find_tensor(const json_t *index, const json_t *entry, const char **name) {
  *name = json_string_value(json_is_array(entry) ? json_array_get(entry, 0) : entry);
  const char *param = json_string_value(json_is_array(entry) ? json_array_get(entry, 1) : entry);
  const json_t *at = param ? json_object_get(index, param) : NULL;
  return *name && at ? json_integer_value(at) : -1;
}

// Whether every entry is a parameter's and every parameter has one; the list is made on the way.
static Err list_by_layout(Saver *s, const json_t *layout, const json_t *index, bool *whole) {
  bool *seen = calloc((size_t)s->source->count + 1, 1);
  CHECK(seen, ERR_MEMORY, "no memory for a list of tensors");
  Err err = ERR_OK;
  const char *file;
  const json_t *names, *entry;
  size_t i;
  int64_t covered = 0;
  *whole = true;
  json_object_foreach((json_t *)(uintptr_t)layout, file, names) {
    json_array_foreach(names, i, entry) {
      const char *name;
      int64_t tensor = find_tensor(index, entry, &name);
      *whole = *whole && tensor >= 0 && strlen(name) < sizeof s->out->name;
      if (!*whole) goto out;
      TRY_OUT(add(s, tensor, "%s", name));
      s->out[s->n - 1].shard = s->n_shards, s->out[s->n - 1].place = (int64_t)i + 1;
      if (!seen[tensor]) covered++;
      seen[tensor] = true;
    }
    *whole = *whole && *file && *file != '.' && !strchr(file, '/');
    s->n_shards++;
  }
  *whole = *whole && covered == s->source->count;
out:
  free(seen);
  return err;
}

static Err follow_layout(Saver *s) {
  json_t *layout = s->source->layout, *index = json_object();
  bool whole = false;
  Err err = ERR_OK;
  CHECK_OUT(index, ERR_MEMORY, "no memory for a list of tensors");
  for (int64_t i = 0; i < s->source->count; i++)
    CHECK_OUT(json_object_set_new(index, s->source->tensor[i].name, json_integer(i)) == 0, ERR_MEMORY,
              "no memory for a list of tensors");
  TRY_OUT(list_by_layout(s, layout, index, &whole));
  if (whole) s->layout = layout;
  else s->n = s->n_shards = 0;
out:
  json_decref(index);
  return err;
}

// ---- files of our own

static Err list_by_name(Saver *s) {
  const ModelConfig *c = &s->source->config;
  for (int64_t i = 0; i < s->source->count; i++) TRY(add(s, i, "%s", s->source->tensor[i].name));
  const WeightTensor *first = s->source->tensor, *embedding = weights_role(s->source, PARAM_EMBEDDING);
  const WeightTensor *head = c->model.tied ? embedding : weights_role(s->source, PARAM_HEAD);
  if (c->mtp.layers > 0 && embedding && head) {
    TRY(add(s, embedding - first, "model.layers.%lld.embed_tokens.weight", (long long)c->model.layers));
    TRY(add(s, head - first, "model.layers.%lld.shared_head.head.weight", (long long)c->model.layers));
  }
  size_t limit = s->option->shard_bytes ? s->option->shard_bytes : shard_bytes_default, used = 0;
  for (int64_t i = 0; i < s->n; i++) {
    size_t bytes = (size_t)s->out[i].bytes;
    if (used > 0 && used + bytes > limit) s->n_shards++, used = 0;
    used += bytes;
    s->out[i].shard = s->n_shards;
  }
  s->n_shards++;
  return ERR_OK;
}

static Err list_tensors(Saver *s) {
  bool as_it_lay = s->option->type == ST_OTHER && s->option->shard_bytes == 0;
  if (json_object_size(s->source->layout) > 0 && as_it_lay) TRY(follow_layout(s));
  if (!s->layout) TRY(list_by_name(s));
  for (int64_t i = 0; i < s->n; i++) s->total_bytes += (size_t)s->out[i].bytes;
  if (s->n > 0) qsort(s->out, (size_t)s->n, sizeof *s->out, by_file_order);
  return ERR_OK;
}

static void shard_file(const Saver *s, int64_t shard, char out[PARAM_NAME_BYTES]) {
  if (s->layout) {
    void *at = json_object_iter((json_t *)(uintptr_t)s->layout);
    for (int64_t i = 0; i < shard; i++) at = json_object_iter_next((json_t *)(uintptr_t)s->layout, at);
    snprintf(out, PARAM_NAME_BYTES, "%s", json_object_iter_key(at));
  } else if (s->n_shards == 1) {
    snprintf(out, PARAM_NAME_BYTES, "model.safetensors");
  } else {
    snprintf(out, PARAM_NAME_BYTES, "model-%05lld-of-%05lld.safetensors", (long long)shard + 1, (long long)s->n_shards);
  }
}

static Err to_file(void *context, const void *data, size_t bytes) { return safetensors_write(context, data, bytes); }

static Err write_shard(Saver *s, int64_t shard) {
  char name[PARAM_NAME_BYTES], path[PATH_BYTES];
  shard_file(s, shard, name);
  TRY(path_join(path, s->folder, name));
  SafeTensorsWriter w;
  TRY(safetensors_create(&w, path));
  Err err = ERR_OK;
  TRY_OUT(safetensors_meta(&w, "format", "pt"));
  for (int64_t i = 0; i < s->n; i++) {
    const Out *o = &s->out[i];
    const WeightTensor *t = &s->source->tensor[o->tensor];
    if (o->shard == shard) TRY_OUT(safetensors_declare(&w, o->name, o->type, t->n_dims, t->dim));
  }
  TRY_OUT(safetensors_begin(&w));
  for (int64_t i = 0; i < s->n; i++) {
    const Out *o = &s->out[i];
    if (o->shard == shard) TRY_OUT(weights_pump(s->source, o->tensor, o->type, s->option->allow_nan, to_file, &w));
  }
  TRY_OUT(safetensors_commit(&w));
  return ERR_OK;
out:
  safetensors_abandon(&w);
  return err;
}

static int by_name(const void *a, const void *b) { return strcmp(((const Out *)a)->name, ((const Out *)b)->name); }

static Err write_json(const Saver *s, const char *name, json_t *root) {
  char path[PATH_BYTES];
  Err err = root ? path_join(path, s->folder, name) : ERR_HERE(ERR_MEMORY, "no memory for %s", name);
  if (!err) err = json_write(root, path);
  json_decref(root);
  return err;
}

static Err write_index(const Saver *s) {
  char only[PARAM_NAME_BYTES];
  shard_file(s, 0, only);
  if (s->n_shards == 1 && strcmp(only, "model.safetensors") == 0) return ERR_OK;
  qsort(s->out, (size_t)s->n, sizeof *s->out, by_name);
  json_t *map = json_object();
  for (int64_t i = 0; i < s->n; i++) {
    char file[PARAM_NAME_BYTES];
    shard_file(s, s->out[i].shard, file);
    json_object_set_new(map, s->out[i].name, json_string(file));
  }
  return write_json(s, "model.safetensors.index.json",
                    json_pack("{s:{s:I}, s:o}", "metadata", "total_size", (json_int_t)s->total_bytes, "weight_map", map));
}

// What most of the weights are stored in.
static StType main_type(const Saver *s) {
  int64_t bytes[ST_OTHER] = {0};
  StType most = ST_F32;
  for (int64_t i = 0; i < s->n; i++) bytes[s->out[i].type] += s->out[i].bytes;
  for (int i = 0; i < ST_OTHER; i++)
    if (bytes[i] > bytes[most]) most = (StType)i;
  return most;
}

static Err write_config(const Saver *s) {
  StType type = main_type(s);
  json_t *config;
  TRY(hf_config_make(&s->source->config, type == ST_BF16 ? DT_BF16 : DT_F32, &config));
  if (type == ST_F16) json_object_set_new(config, "torch_dtype", json_string("float16"));
  return write_json(s, "config.json", config);
}

static Err write_generation(const Saver *s) {
  const ModelConfig *c = &s->source->config;
  json_t *generation = json_pack("{s:b}", "_from_model_config", 1);
  const struct {
    const char *key;
    int64_t id;
  } token[] = {{"bos_token_id", c->model.bos}, {"eos_token_id", c->model.eos}, {"pad_token_id", c->model.pad}};
  for (int i = 0; i < 3; i++)
    if (token[i].id >= 0) json_object_set_new(generation, token[i].key, json_integer(token[i].id));
  return write_json(s, "generation_config.json", generation);
}

// ---- the tokenizer's files, as they are

static const char *const tokenizer_files[] = {
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.json",     "merges.txt",      "chat_template.jinja",   "chat_template.json",      "generation_config.json"};
enum { TOKENIZER_FILES = sizeof tokenizer_files / sizeof tokenizer_files[0], TOKENIZERS = 3 };  // TOKENIZERS: name one

static Err copy_file(const char *from, const char *folder, const char *name) {
  char to[PATH_BYTES];
  FileMap f;
  TRY(path_join(to, folder, name));
  TRY(file_map(&f, from));
  Err err = file_replace(to, f.data, f.size);
  file_unmap(&f);
  return err;
}

bool hf_has_tokenizer(const char *folder) {
  for (int i = 0; i < TOKENIZER_FILES; i++) {
    bool names_one = i < TOKENIZERS - 1 || strcmp(tokenizer_files[i], "vocab.json") == 0;
    if (names_one && folder_holds(folder, tokenizer_files[i])) return true;
  }
  return false;
}

Err hf_copy_tokenizer(const char *from, const char *folder) {
  if (!file_is_folder(from)) {
    const char *dot = strrchr(from, '.');
    return copy_file(from, folder, dot && strcmp(dot, ".json") == 0 ? "tokenizer.json" : "tokenizer.model");
  }
  CHECK(hf_has_tokenizer(from), ERR_ARG, "%s: holds no tokenizer file (tokenizer.json, tokenizer.model, ...)", from);
  for (int i = 0; i < TOKENIZER_FILES; i++) {
    char path[PATH_BYTES];
    TRY(path_join(path, from, tokenizer_files[i]));
    if (file_exists(path)) TRY(copy_file(path, folder, tokenizer_files[i]));
  }
  return ERR_OK;
}

static Err write_tokenizer(const Saver *s) {
  WeightSource *source = s->source;
  if (source->write_tokenizer) return source->write_tokenizer(source, s->folder);
  return *source->tokenizer ? hf_copy_tokenizer(source->tokenizer, s->folder) : ERR_OK;
}

static Err write_all(Saver *s) {
  TRY(weights_check(s->source));
  TRY(list_tensors(s));
  TRY(write_config(s));
  TRY(write_generation(s));
  TRY(write_tokenizer(s));
  for (int64_t i = 0; i < s->n_shards; i++) TRY(write_shard(s, i));
  return write_index(s);
}

Err hf_save(const char *folder, WeightSource *source, const HfSave *o) {
  FolderWriter w;
  TRY(folder_create(&w, folder));
  Saver s = {.folder = w.temp, .source = source, .option = o};
  Err err = write_all(&s);
  if (!err) err = folder_commit(&w);
  free(s.out);
  folder_abandon(&w);
  return err;
}
