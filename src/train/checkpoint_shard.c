#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

// ---- writing

Err shard_create(ShardWriter *w, const char *path, int64_t index, uint64_t stamp, size_t bytes) {
  *w = (ShardWriter){.bytes = bytes, .stamp = stamp};
  size_t n = block_count(bytes);
  ShardHeader h = header_of(index, stamp, bytes);
  w->hashes = malloc((n + 1) * sizeof *w->hashes);
  w->block = malloc(SHARD_BLOCK_BYTES);
  Err err = ERR_OK;
  CHECK_OUT(w->hashes && w->block, ERR_MEMORY, "%s: no memory for %zu checksums", path, n);
  TRY_OUT(file_create(&w->file, path));
  TRY_OUT(file_write(&w->file, &h, sizeof h));
out:
  if (err) shard_abandon(w);
  return err;
}

static Err write_block(ShardWriter *w, const void *block) {
  size_t i = w->written / SHARD_BLOCK_BYTES, size = block_size(w->bytes, i);
  w->hashes[i] = hash64(block, size, w->stamp + i);
  w->written += size;
  return file_write(&w->file, block, size);
}

Err shard_write(ShardWriter *w, const void *data, size_t bytes) {
  const uint8_t *p = data;
  while (bytes > 0) {
    size_t at = w->written + w->held;
    assert(at < w->bytes && "more than was announced");
    size_t size = block_size(w->bytes, at / SHARD_BLOCK_BYTES), room = size - w->held, n = bytes < room ? bytes : room;
    if (n == size) {
      TRY(write_block(w, p));
    } else {
      memcpy(w->block + w->held, p, n);
      w->held += n;
      if (w->held == size) {
        w->held = 0;
        TRY(write_block(w, w->block));
      }
    }
    p += n;
    bytes -= n;
  }
  return ERR_OK;
}

Err shard_commit(ShardWriter *w, uint64_t *hash) {
  assert(w->written == w->bytes && "less than was announced");
  size_t n = block_count(w->bytes);
  *hash = w->hashes[n] = hash64(w->hashes, n * sizeof *w->hashes, w->stamp);
  Err err = file_write(&w->file, w->hashes, (n + 1) * sizeof *w->hashes);
  if (!err) err = file_commit(&w->file);
  shard_abandon(w);
  return err;
}

void shard_abandon(ShardWriter *w) {
  file_abandon(&w->file);
  free(w->hashes);
  free(w->block);
  *w = (ShardWriter){0};
}

// ---- reading

static Err check_file(Shard *s, int64_t index, uint64_t hash) {
  size_t n = block_count(s->bytes), want = SHARD_HEADER_BYTES + s->bytes + (n + 1) * sizeof(uint64_t);
  struct stat st;
  CHECK(fstat(s->fd, &st) == 0, ERR_IO, "%s: %s", s->path, strerror(errno));
  CHECK((size_t)st.st_size == want, ERR_FORMAT, "%s: %zu bytes, the manifest wants %zu; the file is torn", s->path,
        (size_t)st.st_size, want);
  ShardHeader wanted = header_of(index, s->stamp, s->bytes), got;
  TRY(file_read_at(s->fd, s->path, 0, sizeof got, &got));
  CHECK(memcmp(got.magic, magic, sizeof magic) == 0, ERR_FORMAT, "%s: not a shard of a checkpoint (no magic number)", s->path);
  CHECK(memcmp(&got, &wanted, sizeof got) == 0, ERR_FORMAT,
        "%s: the header is damaged, or of another checkpoint, place or version", s->path);
  s->hashes = malloc((n + 1) * sizeof *s->hashes);
  CHECK(s->hashes, ERR_MEMORY, "%s: no memory to read it", s->path);
  TRY(file_read_at(s->fd, s->path, SHARD_HEADER_BYTES + s->bytes, (n + 1) * sizeof *s->hashes, s->hashes));
  uint64_t table = hash64(s->hashes, n * sizeof *s->hashes, s->stamp);
  CHECK(s->hashes[n] == hash && table == hash, ERR_FORMAT, "%s: its checksums are damaged, or of another checkpoint", s->path);
  return ERR_OK;
}

Err shard_open(Shard *s, const char *path, int64_t index, uint64_t stamp, size_t bytes, uint64_t hash) {
  *s = (Shard){.bytes = bytes, .stamp = stamp, .held = -1};
  TRY(file_open(path, &s->fd));
  s->path = strdup(path);
  Err err = s->path ? check_file(s, index, hash) : ERR_HERE(ERR_MEMORY, "%s: no memory", path);
  if (err) {
    if (!s->path) close(s->fd);
    shard_close(s);
  }
  return err;
}

void shard_close(Shard *s) {
  if (s->path) close(s->fd);
  free(s->path);
  free(s->hashes);
  free(s->block);
  *s = (Shard){0};
}

// Reads block i to `out` and verifies it.
static Err read_block(const Shard *s, size_t i, void *out) {
  size_t offset = SHARD_HEADER_BYTES + i * SHARD_BLOCK_BYTES, size = block_size(s->bytes, i);
  TRY(file_stream_read(s->stream, s->fd, s->path, offset, size, out));
  CHECK(hash64(out, size, s->stamp + i) == s->hashes[i], ERR_FORMAT, "%s: damaged between offsets %zu and %zu (checksum)",
        s->path, offset, offset + size);
  return ERR_OK;
}

// A block of which a part is wanted is held: the next part is often of the same.
static Err hold_block(Shard *s, size_t i) {
  if (s->held == (int64_t)i) return ERR_OK;
  if (!s->block) s->block = malloc(SHARD_BLOCK_BYTES);
  CHECK(s->block, ERR_MEMORY, "%s: no memory to read it", s->path);
  s->held = -1;
  TRY(read_block(s, i, s->block));
  s->held = (int64_t)i;
  return ERR_OK;
}

Err shard_read(Shard *s, size_t offset, size_t bytes, void *out) {
  uint8_t *to = out;
  while (bytes > 0) {
    size_t i = offset / SHARD_BLOCK_BYTES, skip = offset % SHARD_BLOCK_BYTES, size = block_size(s->bytes, i);
    size_t n = size - skip < bytes ? size - skip : bytes;
    if (n == size) {
      TRY(read_block(s, i, to));
    } else {
      TRY(hold_block(s, i));
      memcpy(to, s->block + skip, n);
    }
    to += n;
    offset += n;
    bytes -= n;
  }
  return ERR_OK;
}
