#include "cli/lines.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/relay.h"

enum { BLOCK_BYTES = 1 << 17, BLOCKS_A_THREAD = 3, KEEP_BYTES = 8 * BLOCK_BYTES };

typedef struct {
  Bytes in, out;  // in: whole lines, each with its newline but perhaps the last of all
  int64_t lines;  // done
  Err err;        // of the line after them
  ErrInfo info;
} Block;

typedef struct {
  LineFn *fn;
  void *context;
  Block *block;
  Bytes carry;  // read, but of the next block
  bool end;     // of the input
  int stopped;  // an eventfd: reading shall wait no more
  int64_t line;
} Lines;

// Waits for input, or only looks whether there is some; false: none, or all is over.
static bool input_waits(const Lines *l, bool only_look) {
  struct pollfd p[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = l->stopped, .events = POLLIN}};
  while (poll(p, 2, only_look ? 0 : -1) < 0 && errno == EINTR) continue;
  return p[0].revents && !p[1].revents;
}

// Reads until there is a block of whole lines and none of their bytes waits. *cut: what belongs to the block.
static Err fill(Lines *l, Bytes *in, size_t *cut) {
  for (size_t searched = in->size;;) {
    const char *newline = in->size > searched ? memrchr(in->data + searched, '\n', in->size - searched) : NULL;
    if (newline) *cut = (size_t)(newline - in->data) + 1;
    searched = in->size;
    if ((*cut && in->size >= BLOCK_BYTES) || !input_waits(l, *cut > 0)) return ERR_OK;
    TRY(bytes_reserve(in, in->size < BLOCK_BYTES ? BLOCK_BYTES - in->size : in->size));
    ssize_t got = read(STDIN_FILENO, in->data + in->size, in->capacity - in->size);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    CHECK(got >= 0, ERR_IO, "standard input: %s", strerror(errno));
    in->size += (size_t)got;
    l->end = got == 0;
    if (!l->end) continue;
    *cut = in->size;
    return ERR_OK;
  }
}

static Err read_block(void *context, int64_t slot, bool *got) {
  Lines *l = context;
  Bytes *in = &l->block[slot].in;
  size_t cut = 0;
  in->size = 0;
  TRY(bytes_append(in, l->carry.data, l->carry.size));
  l->carry.size = 0;
  if (!l->end) TRY(fill(l, in, &cut));
  if (cut < in->size) TRY(bytes_append(&l->carry, in->data + cut, in->size - cut));
  in->size = cut;
  *got = cut > 0;
  return ERR_OK;
}

static Err run_block(void *context, int64_t slot, int thread) {
  Lines *l = context;
  Block *b = &l->block[slot];
  const char *at = b->in.data, *end = at + b->in.size;
  b->out.size = 0;
  b->lines = 0;
  b->err = ERR_OK;
  while (at < end && !b->err) {
    const char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline : end;
    size_t written = b->out.size;
    b->err = l->fn(l->context, thread, at, (size_t)(stop - at), &b->out);
    if (b->err) {
      b->out.size = written;
      err_take(&b->info);
    } else {
      b->lines++;
    }
    at = stop + 1;
  }
  return ERR_OK;
}

static Err write_block(void *context, int64_t slot) {
  Lines *l = context;
  Block *b = &l->block[slot];
  CHECK(fwrite(b->out.data ? b->out.data : "", 1, b->out.size, stdout) == b->out.size && fflush(stdout) == 0, ERR_IO,
        "cannot write to standard output");
  l->line += b->lines;
  if (b->err) {
    (void)err_give(&b->info);
    FAIL(b->err, "standard input, line %lld: %s", (long long)l->line + 1, err_text());
  }
  if (b->in.capacity > KEEP_BYTES) bytes_free(&b->in);  // one long line must not keep its memory
  if (b->out.capacity > KEEP_BYTES) bytes_free(&b->out);
  return ERR_OK;
}

static void stop_reading(void *context) {
  const Lines *l = context;
  (void)!eventfd_write(l->stopped, 1);
}

Err lines_run(Pool *pool, LineFn *fn, void *context) {
  int64_t blocks = (int64_t)pool_threads(pool) * BLOCKS_A_THREAD;
  Lines l = {.fn = fn, .context = context, .stopped = eventfd(0, EFD_CLOEXEC)};
  Relay relay = {read_block, run_block, write_block, stop_reading, &l, blocks};
  Err err = ERR_OK;
  l.block = calloc((size_t)blocks, sizeof *l.block);
  CHECK_OUT(l.block, ERR_MEMORY, "no memory for %lld blocks of lines", (long long)blocks);
  CHECK_OUT(l.stopped >= 0, ERR_IO, "cannot make an event: %s", strerror(errno));
  TRY_OUT(relay_run(pool, &relay));
out:
  for (int64_t i = 0; l.block && i < blocks; i++) {
    bytes_free(&l.block[i].in);
    bytes_free(&l.block[i].out);
  }
  free(l.block);
  bytes_free(&l.carry);
  if (l.stopped >= 0) close(l.stopped);
  return err;
}
