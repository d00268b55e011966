// The files of a checkpoint (docs/formats.md): what checkpoint_save.c writes and checkpoint_load.c reads.
//
// A shard is a header of 64 bytes, the payload, one XXH3 a block of the payload, and one of those hashes. The seed of a block's
// hash is the stamp of the checkpoint and the block's index, so blocks cannot change places nor shards their checkpoint.
// manifest.json binds shards (by the hash of their hashes) to names, types, shapes and places; "checksum" is the hash of the
// rest of it as compact JSON in the order of its keys.
#ifndef TRAIN_CHECKPOINT_FILE_H
#define TRAIN_CHECKPOINT_FILE_H

#include "base/file_stream.h"
#include "base/hash.h"
#include "train/checkpoint.h"

enum { SHARD_BLOCK_BYTES = 1 << 20, SHARD_HEADER_BYTES = 64, SHARD_NAME_BYTES = 32, HEX64_BYTES = 17 };

// ---- shards
// Writes one of `bytes` payload, in runs; *hash binds it to the manifest. Memory: a block and the hashes.
typedef struct {
  FileWriter file;
  size_t bytes, written, held;  // held: in `block`
  uint64_t stamp, *hashes;
  uint8_t *block;
} ShardWriter;

Err shard_create(ShardWriter *w, const char *path, int64_t index, uint64_t stamp, size_t bytes);
Err shard_write(ShardWriter *w, const void *data, size_t bytes);
Err shard_commit(ShardWriter *w, uint64_t *hash);  // all of the payload is given
void shard_abandon(ShardWriter *w);                // safe after shard_commit and on a zeroed writer

typedef struct {
  char *path;  // NULL: not open
  int fd;
  FileStream *stream;  // of whoever reads long runs, borrowed; NULL: none
  size_t bytes;
  uint64_t stamp, *hashes;
  uint8_t *block;  // the last of which a part was wanted
  int64_t held;    // its index, -1: none
} Shard;

// Checks size, header and the hashes' hash; blocks are checked when they are read.
Err shard_open(Shard *s, const char *path, int64_t index, uint64_t stamp, size_t bytes, uint64_t hash);
void shard_close(Shard *s);
// Copies [offset, offset + bytes) of the payload, which is within it, to `out`.
Err shard_read(Shard *s, size_t offset, size_t bytes, void *out);

// ---- a checkpoint's folder, written array after array. Memory: a block of a shard.
typedef struct {
  const char *folder;  // made if missing; the rest of it is borrowed too
  int64_t step;
  const char *identity, *config, *version;
  const CheckpointArray *array;  // `data` is not looked at
  int64_t n_arrays;
  size_t shard_bytes;  // 0: 1 GiB
} CheckpointHead;

typedef struct {
  CheckpointHead head;
  uint64_t stamp;
  size_t total, at;  // bytes of all shards' payloads; those written
  ShardWriter shard;
  int64_t n_shards;  // begun
  int64_t array;     // being written
  size_t given;      // of it
  HashState *part_hash;
  size_t part_begin;  // of the part being written, in `at`
  json_t *shards, *arrays, *parts;
} CheckpointStream;

Err checkpoint_stream_open(CheckpointStream *s, const CheckpointHead *head);
// The next bytes of the arrays, in their order, in runs of any size within an array.
Err checkpoint_stream_write(CheckpointStream *s, const void *data, size_t bytes);
// All is given: the manifest, last.
Err checkpoint_stream_commit(CheckpointStream *s, const json_t *state);
void checkpoint_stream_close(CheckpointStream *s);  // also on errors; the folder stays

// ---- manifest
typedef struct {
  int64_t shard;
  size_t offset, bytes;
  uint64_t hash;
} Part;

typedef struct {
  Part *part;
  int64_t count;
} Parts;

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
// Type and dims of an array of the manifest must be those of `a`, but where `a` is F32 the manifest may have BF16 or F16: *type
// is what it has. *parts is a JSON array.
Err manifest_array(const Manifest *m, const CheckpointArray *a, StType *type, const json_t **parts);
// The parts of an array of `bytes`, in order: each lies in its shard, together they are it. free() parts->part, on errors too.
Err manifest_parts(const Manifest *m, const char *name, const json_t *list, size_t bytes, Parts *parts);
// Puts "checksum" into root, which has none, and writes it.
Err manifest_write(json_t *root, const char *folder);

// ---- reading arrays in parts
typedef struct {
  const char *folder;  // borrowed
  Manifest manifest;
  Shard *shard;        // opened when first used
  FileStream *stream;  // borrowed, or NULL
} CheckpointReader;

Err checkpoint_reader_open(CheckpointReader *r, const char *folder);
void checkpoint_reader_close(CheckpointReader *r);
// The bytes of a part, or some of them, verified by block.
Err checkpoint_reader_part(CheckpointReader *r, const Part *part, size_t offset, size_t bytes, void *out);

// "step-120" END gives 120; any other name -1.
int64_t checkpoint_step_of(const char *name, const char *end);
size_t array_bytes(const CheckpointArray *a);
size_t array_room(const CheckpointArray *a);  // with what aligns the next one
void hex64(uint64_t v, char out[HEX64_BYTES]);
void shard_name(int64_t index, char out[SHARD_NAME_BYTES]);

#endif
