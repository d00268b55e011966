// The files of a checkpoint (docs/formats.md): what checkpoint_save.c writes and checkpoint_load.c reads.
//
// A shard is a header of 64 bytes, the payload, one XXH3 a block of the payload, and one of those hashes. The seed of a block's
// hash is the stamp of the checkpoint and the block's index, so blocks cannot change places nor shards their checkpoint.
// manifest.json binds shards (by the hash of their hashes) to names, types, shapes and places; "checksum" is the hash of the
// rest of it as compact JSON in the order of its keys.
#ifndef TRAIN_CHECKPOINT_FILE_H
#define TRAIN_CHECKPOINT_FILE_H

#include "train/checkpoint.h"

enum { SHARD_BLOCK_BYTES = 1 << 20, SHARD_HEADER_BYTES = 64, SHARD_NAME_BYTES = 32, HEX64_BYTES = 17 };

// ---- shards
// Writes one; *hash binds it to the manifest.
Err shard_write(const char *path, int64_t index, uint64_t stamp, const void *payload, size_t bytes, uint64_t *hash);

typedef struct {
  FileMap map;
  const uint8_t *payload;
  size_t bytes;
  uint64_t stamp;
  uint8_t *verified;  // a bit a block
} Shard;

// Checks size, header and the hashes' hash; blocks are checked when they are read.
Err shard_open(Shard *s, const char *path, int64_t index, uint64_t stamp, size_t bytes, uint64_t hash);
void shard_close(Shard *s);
// Copies [offset, offset + bytes) of the payload, which is within it, to `out`.
Err shard_read(Shard *s, size_t offset, size_t bytes, void *out);

// ---- manifest
typedef struct {
  int64_t shard;
  size_t offset, bytes;
  uint64_t hash;
} Part;

typedef struct {
  json_t *root;      // checked: checksum, magic, format
  const char *path;  // of the manifest; owned
  int64_t step;
  uint64_t stamp;
  const char *identity, *config, *version;  // into root
  json_t *state, *shards, *arrays;          // into root
} Manifest;

Err manifest_read(Manifest *m, const char *folder);
void manifest_free(Manifest *m);
// File name, payload bytes and hash of a shard.
Err manifest_shard(const Manifest *m, int64_t index, const char **file, size_t *bytes, uint64_t *hash);
// Type and dims of an array of the manifest must be those of `a`; *parts is a JSON array.
Err manifest_array(const Manifest *m, const CheckpointArray *a, const json_t **parts);
// Part i of an array, within its shard.
Err manifest_part(const Manifest *m, const char *name, const json_t *parts, size_t i, Part *part);
// Puts "checksum" into root, which has none, and writes it.
Err manifest_write(json_t *root, const char *folder);

size_t array_bytes(const CheckpointArray *a);
void hex64(uint64_t v, char out[HEX64_BYTES]);
void shard_name(int64_t index, char out[SHARD_NAME_BYTES]);

#endif
