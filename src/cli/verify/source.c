#include "cli/verify/source.h"

#include <stdlib.h>
#include <string.h>

#include "train/checkpoint_file.h"

static const char weights_prefix[] = "model/";

bool source_is_checkpoint(const char *folder) { return folder_holds(folder, "manifest.json"); }
bool source_is_model(const char *folder) {
  return folder_holds(folder, "config.json") && !folder_holds(folder, "cases.safetensors");
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const CheckpointArray *)a)->name, ((const CheckpointArray *)b)->name);
}

static Err sort_arrays(Source *s) {
  qsort(s->array, (size_t)s->count, sizeof *s->array, by_name);
  for (int64_t i = 1; i < s->count; i++)
    CHECK(strcmp(s->array[i - 1].name, s->array[i].name) != 0, ERR_FORMAT, "%s: array \"%s\" is there twice", s->path,
          s->array[i].name);
  return ERR_OK;
}

// ---- checkpoints

static Err type_named(const char *name, const char *where, StType *type) {
  for (int t = 0; t < ST_OTHER; t++)
    if (strcmp(name, st_type_name((StType)t)) == 0) {
      *type = (StType)t;
      return ERR_OK;
    }
  FAIL(ERR_FORMAT, "%s: an array of type \"%.20s\"", where, name);
}

static Err list_array(CheckpointArray *a, const char *name, const json_t *entry, const char *where) {
  const json_t *shape = json_object_get(entry, "shape");
  const char *type;
  bool weights = strncmp(name, weights_prefix, strlen(weights_prefix)) == 0;
  CHECK(strlen(name) < sizeof a->name && json_array_size(shape) <= TENSOR_DIMS, ERR_FORMAT,
        "%s: array \"%.60s\" has too long a name or too many dimensions", where, name);
  snprintf(a->name, sizeof a->name, "%s", weights ? name + strlen(weights_prefix) : name);
  TRY(json_text(entry, "dtype", where, &type));
  TRY(type_named(type, where, &a->type));
  a->n_dims = (int)json_array_size(shape);
  double elements = 1;
  for (int i = 0; i < a->n_dims; i++) {
    a->dim[i] = json_integer_value(json_array_get(shape, (size_t)i));
    elements *= (double)a->dim[i];
    CHECK(a->dim[i] >= 0 && elements < 0x1p44, ERR_FORMAT, "%s: array \"%.120s\" has a shape that cannot be", where, name);
  }
  return ERR_OK;
}

static Err open_checkpoint(Source *s) {
  Manifest m;
  TRY(manifest_read(&m, s->path));
  Err err = ERR_OK;
  const char *name;
  json_t *entry;
  s->step = m.step;
  s->state = json_deep_copy(m.state);
  s->array = calloc(json_object_size(m.arrays) + 1, sizeof *s->array);
  CHECK_OUT(s->array && s->state, ERR_MEMORY, "no memory for the arrays of %s", s->path);
  json_object_foreach(m.arrays, name, entry) TRY_OUT(list_array(&s->array[s->count++], name, entry, m.path));
out:
  manifest_free(&m);
  return err;
}

// The names in the file are those that source_open took away.
static Err read_checkpoint(const Source *s, CheckpointArray *array, int64_t n) {
  CheckpointArray *named = calloc((size_t)n + 1, sizeof *named);
  CHECK(named, ERR_MEMORY, "no memory for the list of %lld arrays", (long long)n);
  for (int64_t i = 0; i < n; i++) {
    named[i] = array[i];
    if (!strchr(array[i].name, '/')) snprintf(named[i].name, sizeof named[i].name, "%s%.140s", weights_prefix, array[i].name);
  }
  Err err = checkpoint_load(s->path, NULL, named, n, false, NULL);
  free(named);
  return err;
}

// ---- a model's folder

static bool is_safetensors(const char *name) {
  size_t n = strlen(name), end = strlen(".safetensors");
  return n > end && strcmp(name + n - end, ".safetensors") == 0;
}

static Err list_file(Source *s, const SafeTensors *file) {
  CheckpointArray *grown = realloc(s->array, (size_t)(s->count + file->count + 1) * sizeof *grown);
  CHECK(grown, ERR_MEMORY, "no memory for the arrays of %s", s->path);
  s->array = grown;
  for (int64_t i = 0; i < file->count; i++) {
    const StTensor *t = &file->tensor[i];
    CheckpointArray *a = &s->array[s->count++];
    CHECK(strlen(t->name) < sizeof a->name, ERR_FORMAT, "%s: too long a name: \"%.60s...\"", file->map.path, t->name);
    *a = (CheckpointArray){.type = t->type, .n_dims = t->n_dims};
    snprintf(a->name, sizeof a->name, "%s", t->name);
    memcpy(a->dim, t->dim, sizeof a->dim);
  }
  return ERR_OK;
}

static Err open_model(Source *s) {
  char **names, path[PATH_BYTES];
  size_t n;
  TRY(folder_list(s->path, &names, &n));
  Err err = ERR_OK;
  s->file = calloc(n + 1, sizeof *s->file);
  CHECK_OUT(s->file, ERR_MEMORY, "no memory for the files of %s", s->path);
  for (size_t i = 0; i < n; i++) {
    if (!is_safetensors(names[i])) continue;
    TRY_OUT(path_join(path, s->path, names[i]));
    TRY_OUT(safetensors_open(&s->file[s->n_files], path));
    TRY_OUT(list_file(s, &s->file[s->n_files++]));
  }
  CHECK_OUT(s->count > 0, ERR_IO, "%s: no safetensors file in it", s->path);
out:
  names_free(names, n);
  return err;
}

static const StTensor *tensor_named(const Source *s, const char *name) {
  const StTensor *t = NULL;
  for (int64_t f = 0; f < s->n_files && !t; f++) t = safetensors_find(&s->file[f], name);
  return t;
}

static Err read_model(const Source *s, CheckpointArray *array, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    const StTensor *t = tensor_named(s, array[i].name);
    CHECK(t, ERR_FORMAT, "%s: tensor \"%s\" is missing", s->path, array[i].name);
    memcpy(array[i].data, t->data, t->size);
  }
  return ERR_OK;
}

bool source_is_copy(const Source *s, const CheckpointArray *a) {
  const StTensor *t = tensor_named(s, a->name);
  for (int64_t i = 0; t && i < s->count; i++) {
    const StTensor *other = tensor_named(s, s->array[i].name);
    if (other != t && other->type == t->type && other->size == t->size && t->size && memcmp(other->data, t->data, t->size) == 0)
      return true;
  }
  return false;
}

// ---- either

Err source_open(Source *s, const char *folder) {
  *s = (Source){.step = -1};
  snprintf(s->path, sizeof s->path, "%s", folder);
  TRY(source_is_checkpoint(folder) ? open_checkpoint(s) : open_model(s));
  return sort_arrays(s);
}

void source_close(Source *s) {
  for (int64_t i = 0; i < s->n_files; i++) safetensors_close(&s->file[i]);
  free(s->file);
  free(s->array);
  json_decref(s->state);
  *s = (Source){0};
}

const CheckpointArray *source_find(const Source *s, const char *name) {
  CheckpointArray key = {0};
  snprintf(key.name, sizeof key.name, "%s", name);
  return bsearch(&key, s->array, (size_t)s->count, sizeof key, by_name);
}

int64_t source_elements(const CheckpointArray *a) {
  int64_t n = 1;
  for (int i = 0; i < a->n_dims; i++) n *= a->dim[i];
  return n;
}

size_t source_bytes(const CheckpointArray *a) { return (size_t)source_elements(a) * st_type_bytes(a->type); }

Err source_read(const Source *s, CheckpointArray *array, int64_t n) {
  return s->file ? read_model(s, array, n) : read_checkpoint(s, array, n);
}
