#include "base/file_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/file_direct.h"
#include "base/lane.h"

enum { WINDOW = 1 << 22, WINDOWS = 3, LANES = 2, RUN_FROM = 1 << 20 };

typedef struct {
  FileStream *stream;
  uint8_t *data;
  size_t begin, got;  // of the file; bytes that could be read
  int direct;         // the file without the cache, -1: not so
  double seconds;     // that a read past the cache took
  Lane *lane;
  LaneJob job;
} Window;

struct FileStream {
  int fd, direct;  // the file being read; the same without the cache, -1: cannot be
  size_t size;     // of the file
  size_t next, run;
  bool running;  // the windows hold the file's bytes from the first one's begin on
  Window window[WINDOWS];
  int first;
  Lane *lane[LANES];
  double trial_s;
  size_t trial_bytes;
};

Err file_stream_open(FileStream **out) {
  FileStream *s = *out = calloc(1, sizeof *s);
  CHECK(s, ERR_MEMORY, "no memory for a stream");
  s->fd = s->direct = -1;
  return ERR_OK;
}

static void wait_all(FileStream *s) {
  for (int i = 0; i < WINDOWS; i++)
    if (s->window[i].lane) (void)lane_wait(s->window[i].lane, &s->window[i].job);
}

static void end_file(FileStream *s) {
  wait_all(s);
  if (s->direct >= 0) close(s->direct);
  s->fd = s->direct = -1;
  s->running = false;
  s->next = s->run = 0;
}

void file_stream_close(FileStream *s) {
  if (!s) return;
  end_file(s);
  for (int i = 0; i < LANES; i++) lane_close(s->lane[i]);
  for (int i = 0; i < WINDOWS; i++) free(s->window[i].data);
  free(s);
}

// ---- windows

// Whether most of a window lies in the page cache; also where the system will not say.
static bool is_cached(int fd, size_t begin, size_t size) {
  enum { PAGE = 4096 };
  unsigned char resident[WINDOW / PAGE];
  size_t count = 0, pages = (size + PAGE - 1) / PAGE;
  void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, (off_t)begin);
  if (map == MAP_FAILED) return true;
  bool known = mincore(map, size, resident) == 0;
  munmap(map, size);
  for (size_t i = 0; known && i < pages; i++) count += resident[i] & 1;
  return !known || 2 * count > pages;
}

static Err fetch(void *arg) {
  Window *w = arg;
  const FileStream *s = w->stream;  // which stays as it is meanwhile, in its file and size
  size_t size = s->size - w->begin < WINDOW ? s->size - w->begin : WINDOW;
  int fd = w->direct < 0 || is_cached(s->fd, w->begin, size) ? s->fd : w->direct;
  double start_s = clock_s();
  w->got = 0;
  w->seconds = 0;
  while (w->got < size) {
    ssize_t n = pread(fd, w->data + w->got, fd == s->fd ? size - w->got : WINDOW - w->got, (off_t)(w->begin + w->got));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 && fd == s->fd) break;  // whoever wants these bytes reads them by file_read_at, which says why not
    if (n > 0) w->got += (size_t)n;
    if (n <= 0 || w->got % DIRECT_UNIT) fd = s->fd;
  }
  if (fd != s->fd) w->seconds = clock_s() - start_s;
  return ERR_OK;
}

static void ask(FileStream *s, Window *w, size_t begin) {
  w->begin = begin;
  w->got = 0;
  w->direct = direct_is_slow(s->trial_s) ? -1 : s->direct;
  w->lane = NULL;
  if (begin >= s->size) return;
  w->lane = s->lane[begin / WINDOW % LANES];
  lane_put(w->lane, &w->job);
}

static bool take_memory(FileStream *s) {
  for (int i = 0; i < WINDOWS; i++) {
    Window *w = &s->window[i];
    if (!w->data && !(w->data = aligned_alloc(DIRECT_UNIT, WINDOW))) return false;
    w->stream = s;
    w->job = (LaneJob){.fn = fetch, .arg = w};
  }
  for (int i = 0; i < LANES; i++)
    if (!s->lane[i] && lane_open(&s->lane[i]) != ERR_OK) return false;
  return true;
}

static void begin_file(FileStream *s, int fd) {
  struct stat st;
  end_file(s);
  s->fd = fd;
  s->size = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (size_t)st.st_size : 0;
}

// The same file again, whatever its name has become.
static void open_direct(FileStream *s) {
  char path[64];
  if (s->direct >= 0 || direct_is_slow(s->trial_s)) return;
  snprintf(path, sizeof path, "/proc/self/fd/%d", s->fd);
  s->direct = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
}

static void begin_run(FileStream *s, size_t offset) {
  wait_all(s);
  s->running = s->size > offset && take_memory(s);
  if (!s->running) return;
  open_direct(s);
  s->first = 0;
  for (int i = 0; i < WINDOWS; i++) ask(s, &s->window[i], (offset / WINDOW + (size_t)i) * WINDOW);
}

// Two reads past the cache are under way at a time.
static void count_trial(FileStream *s, const Window *w) {
  if (w->seconds <= 0 || s->trial_bytes >= DIRECT_TRIAL_BYTES) return;
  s->trial_s += w->seconds / LANES;
  s->trial_bytes += w->got;
}

// The first window is the one that holds this place. False: it lies outside what is held or under way.
static Window *find_window(FileStream *s, size_t offset) {
  Window *w = &s->window[s->first];
  if (!s->running || offset < w->begin || offset >= w->begin + (size_t)WINDOWS * WINDOW) return NULL;
  for (; offset >= w->begin + WINDOW; w = &s->window[s->first]) {
    if (w->lane) (void)lane_wait(w->lane, &w->job);
    ask(s, w, w->begin + (size_t)WINDOWS * WINDOW);
    s->first = (s->first + 1) % WINDOWS;
  }
  if (w->lane && w->job.pending) {
    (void)lane_wait(w->lane, &w->job);
    count_trial(s, w);
  }
  return w;
}

// How many of the bytes could be given.
static size_t give(FileStream *s, size_t offset, size_t size, char *out) {
  size_t done = 0;
  while (done < size) {
    const Window *w = find_window(s, offset + done);
    size_t skip = w ? offset + done - w->begin : 0;
    if (!w || skip >= w->got) break;
    size_t n = w->got - skip < size - done ? w->got - skip : size - done;
    memcpy(out + done, w->data + skip, n);
    done += n;
  }
  return done;
}

Err file_stream_read(FileStream *s, int fd, const char *path, size_t offset, size_t size, void *out) {
  if (!s) return file_read_at(fd, path, offset, size, out);
  if (s->fd != fd) begin_file(s, fd);
  size_t done = give(s, offset, size, out);
  if (done == size) return ERR_OK;
  s->run = offset == s->next ? s->run + size : size;
  s->next = offset + size;
  TRY(file_read_at(fd, path, offset + done, size - done, (char *)out + done));
  if (s->run > RUN_FROM) begin_run(s, s->next);
  return ERR_OK;
}
