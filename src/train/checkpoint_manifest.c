#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "train/checkpoint_file.h"

static const char kind[] = "pleiad checkpoint";

void hex64(uint64_t v, char out[HEX64_BYTES]) { snprintf(out, HEX64_BYTES, "%016llx", (unsigned long long)v); }

void shard_name(int64_t index, char out[SHARD_NAME_BYTES]) {
  snprintf(out, SHARD_NAME_BYTES, "shard-%04lld.bin", (long long)index);
}

static Err hex_value(const json_t *value, const char *where, const char *what, uint64_t *out) {
  const char *text = json_string_value(value);
  CHECK(text && strlen(text) == 16 && strspn(text, "0123456789abcdef") == 16, ERR_FORMAT,
        "%s: %s is not a hash of 16 hexadecimal digits", where, what);
  *out = strtoull(text, NULL, 16);
  return ERR_OK;
}

static Err checksum(const json_t *root, const char *where, uint64_t *out) {
  char *text = json_dumps(root, JSON_COMPACT);
  CHECK(text, ERR_MEMORY, "%s: cannot be written as JSON (no memory)", where);
  *out = hash64(text, strlen(text), CHECKPOINT_VERSION);
  free(text);
  return ERR_OK;
}

Err manifest_write(json_t *root, const char *folder) {
  char path[PATH_BYTES], hex[HEX64_BYTES];
  uint64_t sum;
  TRY(path_join(path, folder, "manifest.json"));
  TRY(checksum(root, path, &sum));
  hex64(sum, hex);
  CHECK(json_object_set_new(root, "checksum", json_string(hex)) == 0, ERR_MEMORY, "%s: no memory", path);
  return json_write(root, path);
}

static Err check_checksum(const Manifest *m) {
  uint64_t want, got;
  TRY(hex_value(json_object_get(m->root, "checksum"), m->path, "\"checksum\"", &want));
  json_object_del(m->root, "checksum");
  TRY(checksum(m->root, m->path, &got));
  CHECK(got == want, ERR_FORMAT, "%s: damaged (its checksum does not fit)", m->path);
  return ERR_OK;
}

static Err parse(Manifest *m) {
  const char *magic;
  int64_t format;
  TRY(json_text(m->root, "kind", m->path, &magic));
  CHECK(strcmp(magic, kind) == 0, ERR_FORMAT, "%s: not the manifest of a checkpoint (\"kind\" is \"%.40s\")", m->path, magic);
  TRY(json_int(m->root, "format", m->path, &format));
  CHECK(format == CHECKPOINT_VERSION, ERR_FORMAT, "%s: format %lld; this program reads %d", m->path, (long long)format,
        CHECKPOINT_VERSION);
  TRY(check_checksum(m));
  TRY(json_int(m->root, "step", m->path, &m->step));
  CHECK(m->step >= 0, ERR_FORMAT, "%s: step %lld", m->path, (long long)m->step);
  TRY(hex_value(json_object_get(m->root, "stamp"), m->path, "\"stamp\"", &m->stamp));
  TRY(json_text(m->root, "version", m->path, &m->version));
  TRY(json_text(m->root, "identity", m->path, &m->identity));
  TRY(json_text(m->root, "config", m->path, &m->config));
  m->state = json_object_get(m->root, "state");
  m->shards = json_object_get(m->root, "shards");
  m->arrays = json_object_get(m->root, "arrays");
  CHECK(json_is_object(m->state) && json_is_array(m->shards) && json_is_object(m->arrays), ERR_FORMAT,
        "%s: \"state\", \"shards\" or \"arrays\" is missing", m->path);
  return ERR_OK;
}

Err manifest_read(Manifest *m, const char *folder) {
  *m = (Manifest){0};
  char path[PATH_BYTES];
  TRY(path_join(path, folder, "manifest.json"));
  CHECK(file_is_folder(folder), ERR_IO, "%s: no such folder of a checkpoint", folder);
  TRY(json_read(&m->root, path, true));
  m->path = strdup(path);
  Err err = m->path ? parse(m) : ERR_HERE(ERR_MEMORY, "%s: no memory", path);
  if (err) manifest_free(m);
  return err;
}

void manifest_free(Manifest *m) {
  json_decref(m->root);
  free((char *)(uintptr_t)m->path);
  *m = (Manifest){0};
}

static Err size_of(const json_t *value, const char *where, const char *what, size_t *out) {
  CHECK(json_is_integer(value) && json_integer_value(value) >= 0, ERR_FORMAT, "%s: %s is not a size", where, what);
  *out = (size_t)json_integer_value(value);
  return ERR_OK;
}

Err manifest_shard(const Manifest *m, int64_t index, const char **file, size_t *bytes, uint64_t *hash) {
  const json_t *shard = json_array_get(m->shards, (size_t)index);
  CHECK(shard, ERR_FORMAT, "%s: shard %lld of %zu is asked for", m->path, (long long)index, json_array_size(m->shards));
  TRY(json_text(shard, "file", m->path, file));
  CHECK(**file && !strchr(*file, '/') && **file != '.', ERR_FORMAT, "%s: shard %lld: \"%.60s\" is not a plain file name",
        m->path, (long long)index, *file);
  TRY(size_of(json_object_get(shard, "bytes"), m->path, "a shard's \"bytes\"", bytes));
  CHECK(*bytes <= INT64_MAX / 2, ERR_FORMAT, "%s: shard %lld is said to have %zu bytes", m->path, (long long)index, *bytes);
  return hex_value(json_object_get(shard, "hash"), m->path, "a shard's \"hash\"", hash);
}

// "F32 [256, 64]"
static void shape_text(const char *type, const json_t *shape, char *out, size_t size) {
  char *dims = json_dumps(shape, JSON_ENCODE_ANY);
  snprintf(out, size, "%.12s %.80s", type, dims ? dims : "?");
  free(dims);
}

// The type the manifest has, where it can be read as `wanted`; else `wanted` itself, which will not agree.
static StType stored_type(const char *name, StType wanted) {
  static const StType narrower[] = {ST_BF16, ST_F16};
  for (int i = 0; i < 2 && wanted == ST_F32; i++)
    if (strcmp(name, st_type_name(narrower[i])) == 0) return narrower[i];
  return wanted;
}

Err manifest_array(const Manifest *m, const CheckpointArray *a, StType *stored, const json_t **parts) {
  const json_t *entry = json_object_get(m->arrays, a->name), *shape = json_object_get(entry, "shape");
  CHECK(entry, ERR_FORMAT, "%s: array \"%s\" is missing", m->path, a->name);
  const char *type;
  TRY(json_text(entry, "dtype", m->path, &type));
  *stored = stored_type(type, a->type);
  bool same = strcmp(type, st_type_name(*stored)) == 0 && json_is_array(shape) && json_array_size(shape) == (size_t)a->n_dims;
  for (int i = 0; same && i < a->n_dims; i++) same = json_integer_value(json_array_get(shape, (size_t)i)) == a->dim[i];
  if (!same) {
    char there[128], wanted[128];
    json_t *dims = json_array();
    for (int i = 0; i < a->n_dims; i++) json_array_append_new(dims, json_integer(a->dim[i]));
    shape_text(type, shape, there, sizeof there);
    shape_text(st_type_name(a->type), dims, wanted, sizeof wanted);
    json_decref(dims);
    FAIL(ERR_FORMAT, "%s: array \"%s\" is %s there and %s here", m->path, a->name, there, wanted);
  }
  *parts = json_object_get(entry, "parts");
  CHECK(json_is_array(*parts), ERR_FORMAT, "%s: array \"%s\" has no \"parts\"", m->path, a->name);
  return ERR_OK;
}

static Err part_of(const Manifest *m, const char *name, const json_t *parts, size_t i, Part *part) {
  const json_t *p = json_array_get(parts, i);
  const char *file;
  size_t shard, shard_bytes;
  uint64_t hash;
  TRY(size_of(json_array_get(p, 0), m->path, "a part's shard", &shard));
  TRY(size_of(json_array_get(p, 1), m->path, "a part's offset", &part->offset));
  TRY(size_of(json_array_get(p, 2), m->path, "a part's size", &part->bytes));
  TRY(hex_value(json_array_get(p, 3), m->path, "a part's hash", &part->hash));
  part->shard = (int64_t)shard;
  TRY(manifest_shard(m, part->shard, &file, &shard_bytes, &hash));
  CHECK(part->bytes <= shard_bytes && part->offset <= shard_bytes - part->bytes, ERR_FORMAT,
        "%s: array \"%s\": part %zu does not lie in its shard", m->path, name, i);
  return ERR_OK;
}

Err manifest_parts(const Manifest *m, const char *name, const json_t *list, size_t bytes, Parts *parts) {
  size_t n = json_array_size(list), at = 0;
  *parts = (Parts){.part = calloc(n + 1, sizeof *parts->part)};
  CHECK(parts->part, ERR_MEMORY, "%s: no memory for %zu parts", m->path, n);
  for (size_t i = 0; i < n; i++) {
    Part *part = &parts->part[i];
    TRY(part_of(m, name, list, i, part));
    CHECK(part->bytes <= bytes - at, ERR_FORMAT, "%s: the parts of array \"%s\" are larger than it", m->path, name);
    at += part->bytes;
    parts->count++;
  }
  CHECK(at == bytes, ERR_FORMAT, "%s: the parts of array \"%s\" have %zu of its %zu bytes", m->path, name, at, bytes);
  return ERR_OK;
}
