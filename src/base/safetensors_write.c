#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/safetensors.h"

enum { ALIGN_BYTES = 8 };  // the data begins at a multiple of it: spaces pad the header

Err safetensors_create(SafeTensorsWriter *w, const char *path) {
  *w = (SafeTensorsWriter){0};
  return file_create(&w->file, path);
}

Err safetensors_meta(SafeTensorsWriter *w, const char *key, const char *value) {
  char **grown = realloc(w->meta, (size_t)(2 * w->meta_count + 2) * sizeof *grown);
  CHECK(grown, ERR_MEMORY, "no memory to write %s", w->file.path);
  w->meta = grown;
  grown[2 * w->meta_count] = strdup(key);
  grown[2 * w->meta_count + 1] = strdup(value);
  w->meta_count++;
  CHECK(grown[2 * w->meta_count - 2] && grown[2 * w->meta_count - 1], ERR_MEMORY, "no memory to write %s", w->file.path);
  return ERR_OK;
}

Err safetensors_declare(SafeTensorsWriter *w, const char *name, StType type, int n_dims, const int64_t *dim) {
  assert(type < ST_OTHER && n_dims >= 0 && n_dims <= TENSOR_DIMS);
  if (w->count == w->capacity) {
    int64_t capacity = w->capacity ? 2 * w->capacity : 64;
    StTensor *grown = realloc(w->tensor, (size_t)capacity * sizeof *grown);
    CHECK(grown, ERR_MEMORY, "no memory to write %s", w->file.path);
    w->tensor = grown;
    w->capacity = capacity;
  }
  StTensor *t = &w->tensor[w->count];
  *t = (StTensor){.type = type, .n_dims = n_dims, .name = strdup(name)};
  CHECK(t->name, ERR_MEMORY, "no memory to write %s", w->file.path);
  for (int i = 0; i < n_dims; i++) t->dim[i] = dim[i];
  t->size = (size_t)st_elements(t) * st_type_bytes(type);
  w->count++;
  return ERR_OK;
}

static json_t *tensor_json(const StTensor *t, size_t begin) {
  json_t *shape = json_array();
  for (int i = 0; i < t->n_dims; i++) json_array_append_new(shape, json_integer(t->dim[i]));
  json_int_t first = (json_int_t)begin, end = first + (json_int_t)t->size;
  return json_pack("{s:s, s:o, s:[I, I]}", "dtype", st_type_name(t->type), "shape", shape, "data_offsets", first, end);
}

// The header's JSON text (free() it), or why it cannot be.
static Err header_text(const SafeTensorsWriter *w, char **text) {
  Err err = ERR_OK;
  json_t *root = json_object(), *meta = w->meta_count ? json_object() : NULL;
  for (int64_t i = 0; i < w->meta_count; i++)
    CHECK_OUT(json_object_set_new(meta, w->meta[2 * i], json_string(w->meta[2 * i + 1])) == 0, ERR_ARG,
              "%s: the metadata \"%s\" is not UTF-8", w->file.path, w->meta[2 * i]);
  if (meta) json_object_set(root, "__metadata__", meta);
  size_t begin = 0;
  for (int64_t i = 0; i < w->count; i++) {
    const char *name = w->tensor[i].name;
    CHECK_OUT(strcmp(name, "__metadata__") != 0 && !json_object_get(root, name), ERR_ARG,
              "%s: tensor \"%s\" is declared twice or has a reserved name", w->file.path, name);
    CHECK_OUT(json_object_set_new(root, name, tensor_json(&w->tensor[i], begin)) == 0, ERR_ARG,
              "%s: the tensor name \"%s\" is not UTF-8", w->file.path, name);
    begin += w->tensor[i].size;
  }
  *text = json_dumps(root, JSON_COMPACT);
  CHECK_OUT(*text, ERR_MEMORY, "no memory to write %s", w->file.path);
out:
  json_decref(meta);
  json_decref(root);
  return err;
}

// Past tensors that are whole, those without bytes among them.
static void pass_whole(SafeTensorsWriter *w) {
  while (w->written < w->count && w->given == w->tensor[w->written].size) w->written++, w->given = 0;
}

Err safetensors_begin(SafeTensorsWriter *w) {
  char *text = NULL;
  TRY(header_text(w, &text));
  size_t size = strlen(text), padded = (size + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
  uint8_t length[8];
  for (int i = 0; i < 8; i++) length[i] = (uint8_t)(padded >> (8 * i));
  Err err = file_write(&w->file, length, sizeof length);
  if (!err) err = file_write(&w->file, text, size);
  if (!err) err = file_write(&w->file, "        ", padded - size);
  free(text);
  pass_whole(w);
  return err;
}

Err safetensors_write(SafeTensorsWriter *w, const void *data, size_t size) {
  const uint8_t *p = data;
  while (size > 0) {
    CHECK(w->written < w->count, ERR_SHAPE, "%s: %zu bytes more than were declared", w->file.path, size);
    size_t left = w->tensor[w->written].size - w->given, part = size < left ? size : left;
    TRY(file_write(&w->file, p, part));
    p += part;
    size -= part;
    w->given += part;
    pass_whole(w);
  }
  return ERR_OK;
}

static void release(SafeTensorsWriter *w) {
  for (int64_t i = 0; i < w->count; i++) free((char *)(uintptr_t)w->tensor[i].name);
  for (int64_t i = 0; i < 2 * w->meta_count; i++) free(w->meta[i]);
  free(w->tensor);
  free(w->meta);
  *w = (SafeTensorsWriter){0};
}

Err safetensors_commit(SafeTensorsWriter *w) {
  CHECK(w->written == w->count, ERR_SHAPE, "%s: tensor \"%s\" has %zu of its %zu bytes", w->file.path,
        w->tensor[w->written].name, w->given, w->tensor[w->written].size);
  TRY(file_commit(&w->file));
  release(w);
  return ERR_OK;
}

void safetensors_abandon(SafeTensorsWriter *w) {
  file_abandon(&w->file);
  release(w);
}
