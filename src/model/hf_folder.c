// The safetensors files of a Hugging Face folder.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/number.h"
#include "model/hf_files.h"

static Err open_one(HfFolder *h, const char *name) {
  char path[PATH_BYTES];
  TRY(path_join(path, h->folder, name));
  SafeTensors *s = &h->file[h->n_files];
  TRY(safetensors_open_header(s, path));
  s->stream = h->stream;
  h->used[h->n_files] = calloc((size_t)s->count + 1, sizeof **h->used);
  h->n_files++;
  CHECK(h->used[h->n_files - 1], ERR_MEMORY, "%s: no memory for %lld tensors", path, (long long)s->count);
  return ERR_OK;
}

static Err room_for(HfFolder *h, size_t n) {
  h->file = calloc(n + 1, sizeof *h->file);
  h->used = calloc(n + 1, sizeof *h->used);
  CHECK(h->file && h->used, ERR_MEMORY, "%s: no memory for %zu files", h->folder, n);
  return ERR_OK;
}

static Err open_named(HfFolder *h, const char *name, const char *index) {
  char path[PATH_BYTES];
  TRY(path_join(path, h->folder, name));
  CHECK(file_exists(path), ERR_IO, "%s: missing, and %s names it; fetch it again", path, index);
  return open_one(h, name);
}

// The index says which file has which tensor; each file is opened once, and each tensor must be where it is said to be.
static Err open_indexed(HfFolder *h, const json_t *index, const char *path) {
  const json_t *map = json_object_get(index, "weight_map");
  CHECK(json_is_object(map), ERR_FORMAT, "%s: \"weight_map\" is missing", path);
  json_t *at = json_object();  // file name -> its number
  Err err = ERR_OK;
  CHECK_OUT(at, ERR_MEMORY, "%s: no memory", path);
  TRY_OUT(room_for(h, json_object_size(map)));
  const char *tensor;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)map, tensor, value) {
    const char *name = json_string_value(value);
    CHECK_OUT(name && *name && *name != '.' && !strchr(name, '/'), ERR_FORMAT,
              "%s: the file of \"%.120s\" is %s%.100s%s, not a plain file name", path, tensor, name ? "\"" : "no text",
              name ? name : "", name ? "\"" : "");
    if (!json_object_get(at, name)) {
      json_object_set_new(at, name, json_integer(h->n_files));
      TRY_OUT(open_named(h, name, path));
    }
    int64_t i = json_integer_value(json_object_get(at, name));
    CHECK_OUT(safetensors_find(&h->file[i], tensor), ERR_FORMAT, "%s: \"%.120s\" is not in %s", path, tensor, name);
  }
out:
  json_decref(at);
  return err;
}

enum { SHARD_NAME_BYTES = 80 };

static void shard_name(int64_t number, int64_t of, char out[SHARD_NAME_BYTES]) {
  snprintf(out, SHARD_NAME_BYTES, "model-%05lld-of-%05lld.safetensors", (long long)number, (long long)of);
}

// "model-00002-of-00007.safetensors" gives 7.
static bool shard_count(const char *name, int64_t *of) {
  char again[SHARD_NAME_BYTES];
  const char *at = name;
  int64_t number;
  if (!number_take(&at, "model-", &number) || !number_take(&at, "-of-", of)) return false;
  shard_name(number, *of, again);
  return strcmp(again, name) == 0;
}

// Without an index the names say how many there are.
static Err open_numbered(HfFolder *h, char **names, size_t count) {
  int64_t of = 0, total = 0;
  const char *first = NULL;
  for (size_t i = 0; i < count; i++) {
    if (!shard_count(names[i], &of)) continue;
    CHECK(!first || of == total, ERR_FORMAT, "%s: %s and %s are of different sets; keep one set, or its index", h->folder,
          first, names[i]);
    first = names[i];
    total = of;
  }
  if (!first) {
    char path[PATH_BYTES];
    TRY(path_join(path, h->folder, "pytorch_model.bin"));
    CHECK(!file_exists(path), ERR_FORMAT, "%s: a PyTorch pickle, which is code and is not read; save it as safetensors", path);
    FAIL(ERR_IO,
         "%s: no weights in it: model.safetensors, model.safetensors.index.json or model-00001-of-N.safetensors is wanted",
         h->folder);
  }
  CHECK(total <= 100000, ERR_FORMAT, "%s: %s claims %lld files", h->folder, first, (long long)total);
  TRY(room_for(h, (size_t)total));
  for (int64_t i = 1; i <= total; i++) {
    char name[SHARD_NAME_BYTES];
    shard_name(i, total, name);
    TRY(open_named(h, name, first));
  }
  return ERR_OK;
}

static Err open_files(HfFolder *h) {
  char path[PATH_BYTES];
  TRY(path_join(path, h->folder, "model.safetensors.index.json"));
  if (file_exists(path)) {
    json_t *index;
    TRY(json_read(&index, path, true));
    Err err = open_indexed(h, index, path);
    json_decref(index);
    return err;
  }
  TRY(path_join(path, h->folder, "model.safetensors"));
  if (file_exists(path)) {
    TRY(room_for(h, 1));
    return open_one(h, "model.safetensors");
  }
  char **names;
  size_t count;
  TRY(folder_list(h->folder, &names, &count));
  Err err = open_numbered(h, names, count);
  names_free(names, count);
  return err;
}

static Err check_doubled(const HfFolder *h) {
  if (h->n_files < 2) return ERR_OK;
  json_t *at = json_object();
  Err err = ERR_OK;
  CHECK_OUT(at, ERR_MEMORY, "%s: no memory", h->folder);
  for (int64_t i = 0; i < h->n_files; i++)
    for (int64_t k = 0; k < h->file[i].count; k++) {
      const char *name = h->file[i].tensor[k].name;
      const json_t *before = json_object_get(at, name);
      CHECK_OUT(!before, ERR_FORMAT, "tensor %.120s is in %s and again in %s; one of the files does not belong here", name,
                h->file[json_integer_value(before)].map.path, h->file[i].map.path);
      CHECK_OUT(json_object_set_new(at, name, json_integer(i)) == 0, ERR_MEMORY, "%s: no memory", h->folder);
    }
out:
  json_decref(at);
  return err;
}

Err hf_open(HfFolder *h, const char *folder) {
  *h = (HfFolder){0};
  CHECK(file_is_folder(folder), ERR_IO, "%s: no such folder of a Hugging Face model", folder);
  h->folder = strdup(folder);
  CHECK(h->folder, ERR_MEMORY, "%s: no memory", folder);
  Err err = file_stream_open(&h->stream);
  if (!err) err = open_files(h);
  if (!err) err = check_doubled(h);
  if (err) hf_close(h);
  return err;
}

void hf_close(HfFolder *h) {
  file_stream_close(h->stream);
  for (int64_t i = 0; i < h->n_files; i++) {
    safetensors_close(&h->file[i]);
    free(h->used[i]);
  }
  free(h->file);
  free(h->used);
  free(h->folder);
  *h = (HfFolder){0};
}

double hf_bytes(const HfFolder *h) {
  double bytes = 0;
  for (int64_t i = 0; i < h->n_files; i++) bytes += (double)h->file[i].map.size;
  return bytes;
}

bool hf_has(const HfFolder *h, const char *name) {
  for (int64_t i = 0; i < h->n_files; i++)
    if (safetensors_find(&h->file[i], name)) return true;
  return false;
}

const StTensor *hf_take(const HfFolder *h, const char *name, const SafeTensors **file) {
  for (int64_t i = 0; i < h->n_files; i++) {
    const StTensor *t = safetensors_find(&h->file[i], name);
    if (!t) continue;
    h->used[i][t - h->file[i].tensor] = true;
    if (file) *file = &h->file[i];
    return t;
  }
  return NULL;
}

bool hf_is_folder(const char *path) { return file_is_folder(path) && folder_holds(path, "config.json"); }
