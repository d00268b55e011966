#include "cli/lines.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BATCH_BYTES = 1 << 20 };  // of input for a thread

typedef struct {
  Bytes out;
  int64_t lines;  // done
  Err err;
  ErrInfo info;
} Part;

typedef struct {
  LineFn *fn;
  void *context;
  const char *text;  // whole lines, each with its newline but perhaps the last
  size_t size;
  Part *part;
} Batch;

static size_t line_start(const Batch *b, int thread, int n_threads) {
  size_t at = b->size / (size_t)n_threads * (size_t)thread;
  if (thread == n_threads) return b->size;
  if (at == 0) return 0;
  const char *end = memchr(b->text + at - 1, '\n', b->size - at + 1);
  return end ? (size_t)(end - b->text) + 1 : b->size;
}

static void run_part(void *arg, int thread, int n_threads) {
  const Batch *b = arg;
  Part *p = &b->part[thread];
  size_t end = line_start(b, thread + 1, n_threads);
  p->out.size = 0;
  p->lines = 0;
  p->err = ERR_OK;
  for (size_t at = line_start(b, thread, n_threads); at < end && !p->err;) {
    const char *newline = memchr(b->text + at, '\n', end - at);
    size_t size = newline ? (size_t)(newline - b->text) - at : end - at;
    size_t written = p->out.size;
    p->err = b->fn(b->context, thread, b->text + at, size, &p->out);
    if (p->err) {
      p->out.size = written;
      err_take(&p->info);
    } else {
      p->lines++;
    }
    at += size + 1;
  }
}

static Err write_parts(const Batch *b, int n_threads, int64_t *line) {
  for (int i = 0; i < n_threads; i++) {
    const Part *p = &b->part[i];
    CHECK(fwrite(p->out.data ? p->out.data : "", 1, p->out.size, stdout) == p->out.size, ERR_IO,
          "cannot write to standard output");
    *line += p->lines;
    if (!p->err) continue;
    (void)err_give(&p->info);
    FAIL(p->err, "standard input, line %lld: %s", (long long)*line + 1, err_text());
  }
  CHECK(fflush(stdout) == 0, ERR_IO, "cannot write to standard output");
  return ERR_OK;
}

static bool more_waits(void) {
  struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
  return poll(&p, 1, 0) > 0;
}

// Reads until there is a batch of whole lines: *lines is their size within *in.
static Err read_batch(Bytes *in, size_t want, size_t *lines, bool *end) {
  size_t searched = 0;
  *lines = 0;
  for (;;) {
    for (size_t i = in->size; i > searched; i--)
      if (in->data[i - 1] == '\n') {
        *lines = i;
        break;
      }
    searched = in->size;
    if (*end || (*lines && (in->size >= want || !more_waits()))) break;
    TRY(bytes_reserve(in, in->size < want ? want - in->size : in->size));
    ssize_t got = read(STDIN_FILENO, in->data + in->size, in->capacity - in->size);
    if (got < 0 && errno == EINTR) continue;
    CHECK(got >= 0, ERR_IO, "standard input: %s", strerror(errno));
    in->size += (size_t)got;
    *end = got == 0;
  }
  if (*end) *lines = in->size;
  return ERR_OK;
}

Err lines_run(Pool *pool, LineFn *fn, void *context) {
  int n_threads = pool_threads(pool);
  Bytes in = {0};
  bool end = false;
  int64_t line = 0;
  Part *part = calloc((size_t)n_threads, sizeof *part);
  Err err = ERR_OK;
  CHECK_OUT(part, ERR_MEMORY, "no memory for %d threads", n_threads);
  while (!end) {
    size_t size;
    TRY_OUT(read_batch(&in, (size_t)n_threads * BATCH_BYTES, &size, &end));
    Batch b = {fn, context, in.data, size, part};
    if (size) pool_run(pool, run_part, &b);
    if (size) TRY_OUT(write_parts(&b, n_threads, &line));
    in.size -= size;
    if (in.size) memmove(in.data, in.data + size, in.size);
  }
out:
  for (int i = 0; part && i < n_threads; i++) bytes_free(&part[i].out);
  free(part);
  bytes_free(&in);
  return err;
}
