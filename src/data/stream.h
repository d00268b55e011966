// A file read from front to back: plain, gzip (.gz, several members too), Zstandard (.zst, several frames too), or "-", the
// standard input.
#ifndef DATA_STREAM_H
#define DATA_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef enum { PACKED_NOT, PACKED_GZIP, PACKED_ZSTD } Packing;

typedef struct {
  const char *path;  // borrowed
  int fd;            // -1: closed
  Packing packing;
  void *unpacker;  // z_stream or ZSTD_DStream
  uint8_t *in;     // packed bytes read and not yet used: in[in_at, in_end)
  size_t in_at, in_end;
  bool between;  // at the end of a member or frame: the file may end here
  bool ended;
  int64_t consumed;  // bytes of the file used so far
  int64_t given;     // bytes given to the caller so far
} Stream;

// What the name says: .gz, .zst, else plain.
Packing packing_of(const char *path);

// ERR_IO: missing, not permitted, or no file or handed pipe (file_open_stream). The file's first bytes must agree with its
// name: ERR_FORMAT says "gzip data" of a .jsonl that is.
Err stream_open(Stream *s, const char *path);
void stream_close(Stream *s);
// Up to `size` bytes; *got 0 is the end. ERR_FORMAT for damaged or truncated packed data, with the offset in the file.
Err stream_read(Stream *s, void *out, size_t size, size_t *got);
// Goes on to byte `offset` of the unpacked text. ERR_FORMAT if it ends before.
Err stream_skip_to(Stream *s, int64_t offset);

#endif
