#include "data/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/file.h"

enum { IN_BYTES = 1 << 17 };

Packing packing_of(const char *path) {
  return path_ends(path, ".gz") ? PACKED_GZIP : path_ends(path, ".zst") ? PACKED_ZSTD : PACKED_NOT;
}

// Reads more packed bytes when all are used; in_at == in_end afterwards is the end of the file.
static Err fill(Stream *s) {
  if (s->in_at < s->in_end) return ERR_OK;
  ssize_t n;
  do n = read(s->fd, s->in, IN_BYTES);
  while (n < 0 && errno == EINTR);
  CHECK(n >= 0, ERR_IO, "%s: cannot read: %s", s->path, strerror(errno));
  s->in_at = 0;
  s->in_end = (size_t)n;
  return ERR_OK;
}

static Err check_magic(const Stream *s) {
  const uint8_t *b = s->in;
  bool gzip = s->in_end >= 2 && b[0] == 0x1F && b[1] == 0x8B, zstd = s->in_end >= 4 && memcmp(b, "\x28\xB5\x2F\xFD", 4) == 0;
  if (s->packing == PACKED_NOT) {
    CHECK(!gzip, ERR_FORMAT, "%s: gzip data; name it .gz, or unpack it first (zcat)", s->path);
    CHECK(!zstd, ERR_FORMAT, "%s: Zstandard data; name it .zst, or unpack it first (zstdcat)", s->path);
    return ERR_OK;
  }
  CHECK(s->in_end > 0, ERR_FORMAT, "%s: empty; packed data is wanted", s->path);
  CHECK(s->packing != PACKED_GZIP || gzip, ERR_FORMAT, "%s: offset 0: not gzip data, though it is named so", s->path);
  bool skippable = s->in_end >= 4 && (b[0] & 0xF0) == 0x50 && b[1] == 0x2A && b[2] == 0x4D && b[3] == 0x18;
  CHECK(s->packing != PACKED_ZSTD || zstd || skippable, ERR_FORMAT, "%s: offset 0: not Zstandard data, though it is named so",
        s->path);
  return ERR_OK;
}

static Err open_unpacker(Stream *s) {
  if (s->packing == PACKED_GZIP) {
    z_stream *z = calloc(1, sizeof *z);
    s->unpacker = z;
    CHECK(z && inflateInit2(z, 15 + 16) == Z_OK, ERR_MEMORY, "%s: no memory to unpack", s->path);
  } else if (s->packing == PACKED_ZSTD) {
    s->unpacker = ZSTD_createDStream();
    CHECK(s->unpacker, ERR_MEMORY, "%s: no memory to unpack", s->path);
  }
  return ERR_OK;
}

Err stream_open(Stream *s, const char *path) {
  *s = (Stream){.path = path, .fd = -1, .packing = packing_of(path)};
  Err err = ERR_OK;
  if (strcmp(path, "-") == 0) s->fd = dup(STDIN_FILENO);
  else TRY_OUT(file_open_stream(path, &s->fd));
  CHECK_OUT(s->fd >= 0, ERR_IO, "-: %s", strerror(errno));
  (void)posix_fadvise(s->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  s->in = malloc(IN_BYTES);
  CHECK_OUT(s->in, ERR_MEMORY, "%s: no memory to read", path);
  TRY_OUT(fill(s));
  TRY_OUT(check_magic(s));
  TRY_OUT(open_unpacker(s));
out:
  if (err) stream_close(s);
  return err;
}

void stream_close(Stream *s) {
  if (s->unpacker && s->packing == PACKED_GZIP) inflateEnd(s->unpacker), free(s->unpacker);
  if (s->unpacker && s->packing == PACKED_ZSTD) ZSTD_freeDStream(s->unpacker);
  if (s->path && s->fd >= 0) close(s->fd);
  free(s->in);
  *s = (Stream){.fd = -1};
}

// One call of the library over what is in the buffer. *used, *made: bytes.
static Err unpack_gzip(Stream *s, void *out, size_t size, size_t *used, size_t *made) {
  z_stream *z = s->unpacker;
  if (s->between && inflateReset(z) != Z_OK) FAIL(ERR_MEMORY, "%s: no memory to unpack", s->path);
  s->between = false;
  size_t room = size < 1u << 30 ? size : 1u << 30;
  z->next_in = s->in + s->in_at;
  z->avail_in = (uInt)(s->in_end - s->in_at);
  z->next_out = out;
  z->avail_out = (uInt)room;
  int code = inflate(z, Z_NO_FLUSH);
  *used = s->in_end - s->in_at - z->avail_in;
  *made = room - z->avail_out;
  CHECK(code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR, ERR_FORMAT, "%s: offset %lld: damaged gzip data (%s)",
        s->path, (long long)(s->consumed + (int64_t)*used), z->msg ? z->msg : "no reason given");
  s->between = code == Z_STREAM_END;
  return ERR_OK;
}

static Err unpack_zstd(Stream *s, void *out, size_t size, size_t *used, size_t *made) {
  ZSTD_inBuffer in = {s->in + s->in_at, s->in_end - s->in_at, 0};
  ZSTD_outBuffer to = {out, size, 0};
  size_t left = ZSTD_decompressStream(s->unpacker, &to, &in);
  *used = in.pos;
  *made = to.pos;
  CHECK(!ZSTD_isError(left), ERR_FORMAT, "%s: offset %lld: damaged Zstandard data (%s)", s->path,
        (long long)(s->consumed + (int64_t)in.pos), ZSTD_getErrorName(left));
  s->between = left == 0;
  return ERR_OK;
}

static Err read_plain(Stream *s, void *out, size_t size, size_t *got) {
  TRY(fill(s));
  size_t have = s->in_end - s->in_at;
  *got = have < size ? have : size;
  memcpy(out, s->in + s->in_at, *got);
  s->in_at += *got;
  s->consumed += (int64_t)*got;
  return ERR_OK;
}

Err stream_read(Stream *s, void *out, size_t size, size_t *got) {
  *got = 0;
  if (s->packing == PACKED_NOT) {
    TRY(read_plain(s, out, size, got));
    s->given += (int64_t)*got;
    return ERR_OK;
  }
  while (!s->ended && *got == 0) {
    TRY(fill(s));
    bool over = s->in_at == s->in_end;
    if (over && s->between) {
      s->ended = true;
      break;
    }
    size_t used = 0;
    TRY(s->packing == PACKED_GZIP ? unpack_gzip(s, out, size, &used, got) : unpack_zstd(s, out, size, &used, got));
    s->in_at += used;
    s->consumed += (int64_t)used;
    CHECK(!over || *got, ERR_FORMAT, "%s: the packed data ends too early, at offset %lld; the file is truncated", s->path,
          (long long)s->consumed);
  }
  s->given += (int64_t)*got;
  return ERR_OK;
}

Err stream_skip_to(Stream *s, int64_t offset) {
  int64_t buffered = (int64_t)(s->in_end - s->in_at);
  if (s->packing == PACKED_NOT && offset - s->given > buffered && lseek(s->fd, offset, SEEK_SET) == offset) {
    s->in_at = s->in_end = 0;
    s->given = s->consumed = offset;
    return ERR_OK;
  }
  uint8_t dump[1 << 14];
  while (s->given < offset) {
    size_t got, want = offset - s->given < (int64_t)sizeof dump ? (size_t)(offset - s->given) : sizeof dump;
    TRY(stream_read(s, dump, want, &got));
    CHECK(got > 0, ERR_FORMAT, "%s: ends at byte %lld, before %lld", s->path, (long long)s->given, (long long)offset);
  }
  return ERR_OK;
}
