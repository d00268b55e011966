// seeds: fuzz/checkpoint.seed
// Any JSON as a manifest, a zero byte, any bytes as the payload of a shard. Checksums are put right, or nothing beyond them
// would ever be read; where the manifest speaks of a shard, it gets the hash of the one that is there. Refused, or every array
// can be read.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "train/checkpoint_convert.h"
#include "train/checkpoint_file.h"

enum { CHUNK = 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The stamp as the manifest gives it, if it does.
static uint64_t stamp_of(const json_t *root) {
  const char *text = json_string_value(json_object_get(root, "stamp"));
  return text ? strtoull(text, NULL, 16) : 0;
}

static void write_shard(const char *folder, json_t *root, const uint8_t *payload, size_t size) {
  char path[PATH_BYTES], hex[HEX64_BYTES];
  uint64_t hash;
  ShardWriter w;
  if (path_join(path, folder, "shard-0000.bin") || shard_create(&w, path, 0, stamp_of(root), size) ||
      shard_write(&w, payload, size) || shard_commit(&w, &hash))
    abort();
  hex64(hash, hex);
  json_t *shard = json_array_get(json_object_get(root, "shards"), 0);
  if (json_is_object(shard)) json_object_set_new(shard, "hash", json_string(hex));
}

static void read_source(const char *folder) {
  WeightSource *s;
  uint8_t out[CHUNK * 8];
  if (checkpoint_source_open(&s, folder) != ERR_OK) {
    if (!*err_text()) abort();
    return;
  }
  if (weights_check(s) == ERR_OK)
    for (int64_t i = 0; i < s->count; i++)
      for (int64_t at = 0; at < s->tensor[i].n; at += CHUNK)
        if (s->read(s, i, at, s->tensor[i].n - at < CHUNK ? s->tensor[i].n - at : CHUNK, out) != ERR_OK) break;
  weights_close(s);
}

static void read_array(const char *folder) {
  float weight[16 * 8];
  CheckpointArray a = {.name = "model/model.embed_tokens.weight", .type = ST_F32, .n_dims = 2, .dim = {16, 8}, .data = weight};
  json_t *state = NULL;
  if (checkpoint_load(folder, NULL, &a, 1, false, &state) != ERR_OK && !*err_text()) abort();
  json_decref(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *end = size ? memchr(data, 0, size) : NULL;
  json_t *root = NULL;
  char folder[64];
  if (!end || json_parse(&root, (const char *)data, (size_t)(end - data), "manifest", false) != ERR_OK) return 0;
  snprintf(folder, sizeof folder, "/dev/shm/fuzz.%ld.checkpoint", (long)getpid());
  if (folder_make(folder)) abort();
  if (json_is_object(root)) {
    json_object_del(root, "checksum");
    write_shard(folder, root, end + 1, size - (size_t)(end + 1 - data));
    if (manifest_write(root, folder) == ERR_OK) {
      CheckpointInfo info;
      if (checkpoint_info(folder, &info) == ERR_OK) checkpoint_info_free(&info);
      read_array(folder);
      read_source(folder);
    }
  }
  json_decref(root);
  if (folder_remove(folder)) abort();
  return 0;
}
