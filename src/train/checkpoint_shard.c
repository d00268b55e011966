#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "train/checkpoint_file.h"

static const char magic[8] = {'P', 'L', 'E', 'I', 'A', 'D', 'C', 'K'};

typedef struct {
  char magic[8];
  uint32_t version, block_bytes;
  uint64_t payload_bytes, index, stamp, zero[2], hash;  // hash: of the bytes before it
} ShardHeader;
_Static_assert(sizeof(ShardHeader) == SHARD_HEADER_BYTES, "the header has no padding");

static ShardHeader header_of(int64_t index, uint64_t stamp, size_t bytes) {
  ShardHeader h = {.version = CHECKPOINT_VERSION,
                   .block_bytes = SHARD_BLOCK_BYTES,
                   .payload_bytes = bytes,
                   .index = (uint64_t)index,
                   .stamp = stamp};
  memcpy(h.magic, magic, sizeof h.magic);
  h.hash = hash64(&h, offsetof(ShardHeader, hash), 0);
  return h;
}

static size_t block_count(size_t bytes) { return bytes / SHARD_BLOCK_BYTES + (bytes % SHARD_BLOCK_BYTES != 0); }

static size_t block_size(size_t bytes, size_t block) {
  size_t left = bytes - block * SHARD_BLOCK_BYTES;
  return left < SHARD_BLOCK_BYTES ? left : SHARD_BLOCK_BYTES;
}

static uint64_t block_hash(const uint8_t *payload, size_t bytes, size_t block, uint64_t stamp) {
  return hash64(payload + block * SHARD_BLOCK_BYTES, block_size(bytes, block), stamp + block);
}

Err shard_write(const char *path, int64_t index, uint64_t stamp, const void *payload, size_t bytes, uint64_t *hash) {
  size_t n = block_count(bytes);
  ShardHeader h = header_of(index, stamp, bytes);
  FileWriter w = {0};
  Err err = ERR_OK;
  uint64_t *hashes = malloc((n + 1) * sizeof *hashes);
  CHECK_OUT(hashes, ERR_MEMORY, "%s: no memory for %zu checksums", path, n);
  TRY_OUT(file_create(&w, path));
  TRY_OUT(file_write(&w, &h, sizeof h));
  for (size_t i = 0; i < n; i++) {
    hashes[i] = block_hash(payload, bytes, i, stamp);
    TRY_OUT(file_write(&w, (const uint8_t *)payload + i * SHARD_BLOCK_BYTES, block_size(bytes, i)));
  }
  *hash = hashes[n] = hash64(hashes, n * sizeof *hashes, stamp);
  TRY_OUT(file_write(&w, hashes, (n + 1) * sizeof *hashes));
  TRY_OUT(file_commit(&w));
out:
  file_abandon(&w);
  free(hashes);
  return err;
}

// The hashes after the payload; it may end at any byte.
static uint64_t stored_hash(const Shard *s, size_t i) {
  uint64_t h;
  memcpy(&h, s->payload + s->bytes + i * sizeof h, sizeof h);
  return h;
}

static Err check_file(Shard *s, const char *path, int64_t index, uint64_t stamp, size_t bytes, uint64_t hash) {
  size_t n = block_count(bytes), want = SHARD_HEADER_BYTES + bytes + (n + 1) * sizeof(uint64_t);
  CHECK(s->map.size == want, ERR_FORMAT, "%s: %zu bytes, the manifest wants %zu; the file is torn", path, s->map.size, want);
  ShardHeader h = header_of(index, stamp, bytes);
  CHECK(memcmp(s->map.data, magic, sizeof magic) == 0, ERR_FORMAT, "%s: not a shard of a checkpoint (no magic number)", path);
  CHECK(memcmp(s->map.data, &h, sizeof h) == 0, ERR_FORMAT,
        "%s: the header is damaged, or of another checkpoint, place or version", path);
  s->payload = s->map.data + SHARD_HEADER_BYTES;
  uint64_t got = stored_hash(s, n), table = hash64(s->payload + bytes, n * sizeof(uint64_t), stamp);
  CHECK(got == hash && table == hash, ERR_FORMAT, "%s: its checksums are damaged, or of another checkpoint", path);
  s->verified = calloc(n / 8 + 1, 1);
  CHECK(s->verified, ERR_MEMORY, "%s: no memory to read it", path);
  return ERR_OK;
}

Err shard_open(Shard *s, const char *path, int64_t index, uint64_t stamp, size_t bytes, uint64_t hash) {
  *s = (Shard){.bytes = bytes, .stamp = stamp};
  TRY(file_map(&s->map, path));
  Err err = check_file(s, path, index, stamp, bytes, hash);
  if (err) shard_close(s);
  return err;
}

void shard_close(Shard *s) {
  if (s->map.path) file_unmap(&s->map);
  free(s->verified);
  *s = (Shard){0};
}

Err shard_read(Shard *s, size_t offset, size_t bytes, void *out) {
  if (bytes == 0) return ERR_OK;
  for (size_t i = offset / SHARD_BLOCK_BYTES; i <= (offset + bytes - 1) / SHARD_BLOCK_BYTES; i++) {
    if (s->verified[i / 8] >> (i % 8) & 1) continue;
    CHECK(block_hash(s->payload, s->bytes, i, s->stamp) == stored_hash(s, i), ERR_FORMAT,
          "%s: damaged between offsets %zu and %zu (checksum)", s->map.path, SHARD_HEADER_BYTES + i * SHARD_BLOCK_BYTES,
          SHARD_HEADER_BYTES + i * SHARD_BLOCK_BYTES + block_size(s->bytes, i));
    s->verified[i / 8] |= (uint8_t)(1u << (i % 8));
  }
  memcpy(out, s->payload + offset, bytes);
  return ERR_OK;
}
