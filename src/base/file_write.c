// Writing aside: nobody ever sees half a file under its real name.
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/file_direct.h"
#include "base/lane.h"

enum { SLOT_BYTES = 1 << 20, SLOTS = FILE_BUFFER_BYTES / SLOT_BYTES, BEHIND_FROM = 1 << 22 };
// A file that becomes DIRECT_FROM long goes from there on past the page cache.
enum { DIRECT_FROM = 1 << 24, BEGIN_BYTES = 1 << 25 };

typedef struct {
  struct FileOut *out;
  uint8_t *data;
  size_t size;
  LaneJob job;
} Slot;

// Where the bytes go. With a lane only its thread touches what is before `lane`.
struct FileOut {
  int fd;
  char path[PATH_BYTES];
  uint64_t done;   // bytes given to the system
  uint64_t begun;  // bytes on their way to the disk, so that the sync at the end has little to wait for
  bool direct;     // past the page cache
  bool refused;    // there is no such way here, or no gain
  double trial_s;  // that the first DIRECT_TRIAL_BYTES of it took
  Lane *lane;      // NULL: the caller writes
  Slot slot[SLOTS];
  int at;  // the slot being filled
};

// What is written is sent on its way while the caller makes more. Only a matter of speed: a refusal does not matter.
static void begin_sync(struct FileOut *o) {
  if (o->done - o->begun < BEGIN_BYTES) return;
  (void)sync_file_range(o->fd, (off_t)o->begun, (off_t)(o->done - o->begun), SYNC_FILE_RANGE_WRITE);
  o->begun = o->done;
}

static void set_direct(struct FileOut *o, bool direct) {
  int flags = fcntl(o->fd, F_GETFL);
  if (flags >= 0 && fcntl(o->fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0) o->direct = direct;
  else o->refused = true;
}

static void choose_way(struct FileOut *o, size_t size) {
  bool direct = o->done >= DIRECT_FROM && o->done % DIRECT_UNIT == 0 && size % DIRECT_UNIT == 0 && !o->refused;
  if (direct != o->direct) set_direct(o, direct);
}

static ssize_t write_some(struct FileOut *o, const uint8_t *data, size_t size) {
  choose_way(o, size);
  const bool trial = o->direct && o->done < DIRECT_FROM + DIRECT_TRIAL_BYTES;
  double start_s = trial ? clock_s() : 0;
  ssize_t n = write(o->fd, data, size);
  if (!trial) return n;
  const int cause = errno;
  o->trial_s += clock_s() - start_s;
  if (o->done + size >= DIRECT_FROM + DIRECT_TRIAL_BYTES && direct_is_slow(o->trial_s)) o->refused = true;
  errno = cause;
  return n;
}

static Err write_out(struct FileOut *o, const uint8_t *data, size_t size) {
  while (size > 0) {
    ssize_t n = write_some(o, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EINVAL && o->direct && !o->refused) {  // a file system that says so only now, or has greater units
      o->refused = true;
      continue;
    }
    if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
      FAIL(ERR_IO, "%s: no space left after %llu bytes (%s); free some space or choose another place", o->path,
           (unsigned long long)o->done, strerror(errno));
    CHECK(n > 0, ERR_IO, "%s: %s", o->path, n < 0 ? strerror(errno) : "nothing could be written");
    data += n;
    size -= (size_t)n;
    o->done += (uint64_t)n;
  }
  begin_sync(o);
  return ERR_OK;
}

static Err write_slot(void *slot) {
  Slot *s = slot;
  return write_out(s->out, s->data, s->size);
}

static void out_free(struct FileOut *o) {
  lane_close(o->lane);
  if (o->fd >= 0) close(o->fd);
  for (int i = 0; i < SLOTS; i++) free(o->slot[i].data);
  free(o);
}

static struct FileOut *out_new(const char *path) {
  struct FileOut *o = calloc(1, sizeof *o);
  if (!o) return NULL;
  o->fd = -1;
  snprintf(o->path, sizeof o->path, "%s", path);
  for (int i = 0; i < SLOTS; i++) o->slot[i] = (Slot){.out = o, .job = {.fn = write_slot, .arg = &o->slot[i]}};
  o->slot[0].data = aligned_alloc(DIRECT_UNIT, SLOT_BYTES);
  if (o->slot[0].data) return o;
  out_free(o);
  return NULL;
}

// Without memory or a thread the caller goes on alone.
static void open_lane(struct FileOut *o) {
  for (int i = 0; i < SLOTS; i++)
    if (!o->slot[i].data && !(o->slot[i].data = aligned_alloc(DIRECT_UNIT, SLOT_BYTES))) return;
  if (lane_open(&o->lane) != ERR_OK) o->lane = NULL;
}

// The slot being filled goes out; then the next one, empty, is being filled.
static Err flush(struct FileOut *o) {
  Slot *s = &o->slot[o->at];
  if (!o->lane) {
    TRY(write_slot(s));
    s->size = 0;
    if (o->done >= BEHIND_FROM) open_lane(o);
    return ERR_OK;
  }
  lane_put(o->lane, &s->job);
  o->at = (o->at + 1) % SLOTS;
  s = &o->slot[o->at];
  TRY(lane_wait(o->lane, &s->job));
  s->size = 0;
  return ERR_OK;
}

// Until all that was written is with the system.
static Err drain(struct FileOut *o) {
  TRY(flush(o));
  for (int i = 0; o->lane && i < SLOTS; i++) TRY(lane_wait(o->lane, &o->slot[(o->at + i) % SLOTS].job));
  return ERR_OK;
}

Err file_create(FileWriter *w, const char *path) {
  *w = (FileWriter){0};
  CHECK(!file_is_folder(path), ERR_IO, "%s is a folder; a file is to be written", path);
  int n = snprintf(w->path, sizeof w->path, "%s", path);
  int m = snprintf(w->temp, sizeof w->temp, "%s.tmp.%ld", path, (long)getpid());
  CHECK(n < (int)sizeof w->path && m < (int)sizeof w->temp, ERR_ARG, "%.100s...: a path longer than %d bytes", path,
        PATH_BYTES - 1);
  struct FileOut *o = out_new(path);
  CHECK(o, ERR_MEMORY, "%s: no memory for a write buffer", path);
  o->fd = open(w->temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (o->fd >= 0) {
    (void)flock(o->fd, LOCK_EX | LOCK_NB);  // for file_sweep
    w->out = o;
    return ERR_OK;
  }
  int cause = errno;
  out_free(o);
  if (cause == ENOENT) FAIL(ERR_IO, "%s: cannot be written: its folder does not exist", path);
  FAIL(ERR_IO, "%s: cannot be written: %s", path, strerror(cause));
}

// Whether name is "base.tmp.PID" of a process that is gone.
static bool is_left_over(const char *name, const char *base) {
  size_t n = strlen(base);
  if (strncmp(name, base, n) != 0 || strncmp(name + n, ".tmp.", 5) != 0) return false;
  char *end;
  const char *digits = name + n + 5;
  errno = 0;
  long pid = strtol(digits, &end, 10);
  return end > digits && !*end && !errno && pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

// A process of another machine that shares the folder is known by its lock.
static void remove_unlocked(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) unlink(path);
  close(fd);
}

void file_sweep(const char *path) {
  char **names, folder[PATH_BYTES], full[PATH_BYTES];
  size_t count;
  path_folder(folder, path);
  if (folder_list(folder, &names, &count) != ERR_OK) return;
  for (size_t i = 0; i < count; i++)
    if (is_left_over(names[i], path_name(path)) && path_join(full, folder, names[i]) == ERR_OK) remove_unlocked(full);
  names_free(names, count);
}

Err file_write(FileWriter *w, const void *data, size_t size) {
  struct FileOut *o = w->out;
  const uint8_t *p = data;
  assert(o && "written before file_create or after its end");
  while (size > 0) {
    Slot *s = &o->slot[o->at];
    size_t room = SLOT_BYTES - s->size, n = size < room ? size : room;
    memcpy(s->data + s->size, p, n);
    s->size += n;
    p += n;
    size -= n;
    if (s->size == SLOT_BYTES) TRY(flush(o));
  }
  return ERR_OK;
}

Err file_printf(FileWriter *w, const char *format, ...) {
  char small[512], *text = small;
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int n = vsnprintf(small, sizeof small, format, args);
  if (n >= (int)sizeof small && vasprintf(&text, format, again) < 0) text = NULL;
  va_end(again);
  va_end(args);
  CHECK(n >= 0 && text, ERR_MEMORY, "%s: no memory to format a line", w->path);
  Err err = file_write(w, text, (size_t)n);
  if (text != small) free(text);
  return err;
}

static Err sync_parent(const char *path) {
  char dir[PATH_BYTES];
  path_folder(dir, path);
  return folder_sync(dir);
}

Err file_commit(FileWriter *w) {
  struct FileOut *o = w->out;
  Err err = ERR_OK;
  TRY_OUT(drain(o));
  CHECK_OUT(fsync(o->fd) == 0 || errno == EINVAL, ERR_IO, "%s: cannot be synced: %s", w->path, strerror(errno));
  CHECK_OUT(close(o->fd) == 0, ERR_IO, "%s: %s", w->path, (o->fd = -1, strerror(errno)));
  o->fd = -1;
  CHECK_OUT(rename(w->temp, w->path) == 0, ERR_IO, "%s: cannot be put in place: %s", w->path, strerror(errno));
  w->temp[0] = '\0';
  TRY_OUT(sync_parent(w->path));
out:
  file_abandon(w);
  return err;
}

void file_abandon(FileWriter *w) {
  if (!w->out) return;
  out_free(w->out);
  if (w->temp[0]) unlink(w->temp);
  *w = (FileWriter){0};
}

Err file_replace(const char *path, const void *data, size_t size) {
  FileWriter w;
  TRY(file_create(&w, path));
  Err err = file_write(&w, data, size);
  if (!err) return file_commit(&w);
  file_abandon(&w);
  return err;
}
