// Writing a checkpoint's folder from arrays that come one after the other.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "train/checkpoint_file.h"
#include "train/trainer.h"

enum { ARRAY_ALIGN = 64 };
static const size_t shard_bytes_default = (size_t)1 << 30;

size_t array_room(const CheckpointArray *a) { return (array_bytes(a) + ARRAY_ALIGN - 1) / ARRAY_ALIGN * ARRAY_ALIGN; }

Err checkpoint_stream_open(CheckpointStream *s, const CheckpointHead *head) {
  *s = (CheckpointStream){.head = *head, .stamp = hash64(head->identity, strlen(head->identity), (uint64_t)head->step)};
  if (!s->head.shard_bytes) s->head.shard_bytes = shard_bytes_default;
  for (int64_t i = 0; i < head->n_arrays; i++) s->total += array_room(&head->array[i]);
  s->shards = json_array(), s->arrays = json_object();
  s->part_hash = hash_open(0);
  Err err = ERR_OK;
  CHECK_OUT(s->shards && s->arrays && s->part_hash, ERR_MEMORY, "%s: no memory", head->folder);
  TRY_OUT(folder_make(head->folder));
out:
  if (err) checkpoint_stream_close(s);
  return err;
}

static json_t *hex_json(uint64_t v) {
  char hex[HEX64_BYTES];
  hex64(v, hex);
  return json_string(hex);
}

static Err begin_shard(CheckpointStream *s) {
  char name[SHARD_NAME_BYTES], path[PATH_BYTES];
  size_t left = s->total - s->at, bytes = left < s->head.shard_bytes ? left : s->head.shard_bytes;
  shard_name(s->n_shards, name);
  TRY(path_join(path, s->head.folder, name));
  return shard_create(&s->shard, path, s->n_shards++, s->stamp, bytes);
}

static Err end_shard(CheckpointStream *s) {
  char name[SHARD_NAME_BYTES];
  size_t bytes = s->shard.bytes;
  uint64_t hash;
  shard_name(s->n_shards - 1, name);
  memory_look();
  TRY(shard_commit(&s->shard, &hash));
  json_t *entry = json_pack("{s:s, s:I, s:o}", "file", name, "bytes", (json_int_t)bytes, "hash", hex_json(hash));
  CHECK(json_array_append_new(s->shards, entry) == 0, ERR_MEMORY, "%s: no memory", s->head.folder);
  return ERR_OK;
}

static Err end_part(CheckpointStream *s) {
  size_t bytes = s->at - s->part_begin;
  if (bytes == 0) return ERR_OK;
  json_t *part =
      json_pack("[I, I, I, o]", (json_int_t)(s->part_begin / s->head.shard_bytes),
                (json_int_t)(s->part_begin % s->head.shard_bytes), (json_int_t)bytes, hex_json(hash_end(s->part_hash)));
  s->part_begin = s->at;
  CHECK(json_array_append_new(s->parts, part) == 0, ERR_MEMORY, "%s: no memory", s->head.folder);
  return ERR_OK;
}

// Bytes to the shards, which end where they are full. in_part: of an array, not between two.
static Err put(CheckpointStream *s, const void *data, size_t bytes, bool in_part) {
  const char *p = data;
  while (bytes > 0) {
    if (!s->shard.block) TRY(begin_shard(s));
    size_t left = s->shard.bytes - s->at % s->head.shard_bytes, n = bytes < left ? bytes : left;
    TRY(shard_write(&s->shard, p, n));
    if (in_part) hash_add(s->part_hash, p, n);
    s->at += n;
    p += n;
    bytes -= n;
    if (n == left && in_part) TRY(end_part(s));
    if (n == left) TRY(end_shard(s));
  }
  return ERR_OK;
}

static Err begin_array(CheckpointStream *s) {
  const CheckpointArray *a = &s->head.array[s->array];
  json_t *shape = json_array();
  for (int d = 0; d < a->n_dims; d++) json_array_append_new(shape, json_integer(a->dim[d]));
  s->parts = json_array();
  json_t *entry = json_pack("{s:s, s:o, s:o}", "dtype", st_type_name(a->type), "shape", shape, "parts", s->parts);
  CHECK(entry && json_object_set_new(s->arrays, a->name, entry) == 0, ERR_MEMORY, "%s: no memory", s->head.folder);
  s->part_begin = s->at;
  return ERR_OK;
}

static Err end_array(CheckpointStream *s) {
  static const char zeros[ARRAY_ALIGN];
  const CheckpointArray *a = &s->head.array[s->array];
  TRY(end_part(s));
  TRY(put(s, zeros, array_room(a) - array_bytes(a), false));
  s->array++;
  s->given = 0;
  return ERR_OK;
}

// Past arrays without elements.
static Err pass_empty(CheckpointStream *s) {
  while (s->array < s->head.n_arrays && array_bytes(&s->head.array[s->array]) == 0) {
    TRY(begin_array(s));
    TRY(end_array(s));
  }
  return ERR_OK;
}

Err checkpoint_stream_write(CheckpointStream *s, const void *data, size_t bytes) {
  if (bytes == 0) return ERR_OK;
  TRY(pass_empty(s));
  assert(s->array < s->head.n_arrays && s->given + bytes <= array_bytes(&s->head.array[s->array]));
  if (s->given == 0) TRY(begin_array(s));
  TRY(put(s, data, bytes, true));
  s->given += bytes;
  return s->given == array_bytes(&s->head.array[s->array]) ? end_array(s) : ERR_OK;
}

Err checkpoint_stream_commit(CheckpointStream *s, const json_t *state) {
  const CheckpointHead *h = &s->head;
  TRY(pass_empty(s));
  assert(s->array == h->n_arrays && "less than was announced");
  json_t *root =
      json_pack("{s:s, s:i, s:s, s:I, s:o, s:s, s:s, s:o, s:O, s:O, s:O}", "kind", "pleiad checkpoint", "format",
                CHECKPOINT_VERSION, "version", h->version, "step", (json_int_t)h->step, "stamp", hex_json(s->stamp), "identity",
                h->identity, "config", h->config, "config_hash", hex_json(hash64(h->config, strlen(h->config), 0)), "state",
                state, "shards", s->shards, "arrays", s->arrays);
  CHECK(root, ERR_ARG, "%s: the manifest cannot be made (a text is not UTF-8, or no memory)", h->folder);
  Err err = manifest_write(root, h->folder);
  json_decref(root);
  return err ? err : folder_sync(h->folder);
}

void checkpoint_stream_close(CheckpointStream *s) {
  shard_abandon(&s->shard);
  hash_close(s->part_hash);
  json_decref(s->shards);
  json_decref(s->arrays);
  *s = (CheckpointStream){0};
}
