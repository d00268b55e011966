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

#include "base/file.h"

enum { BEGIN_BYTES = 1 << 25 };

Err file_create(FileWriter *w, const char *path) {
  *w = (FileWriter){.fd = -1};
  CHECK(!file_is_folder(path), ERR_IO, "%s is a folder; a file is to be written", path);
  int n = snprintf(w->path, sizeof w->path, "%s", path);
  int m = snprintf(w->temp, sizeof w->temp, "%s.tmp.%ld", path, (long)getpid());
  CHECK(n < (int)sizeof w->path && m < (int)sizeof w->temp, ERR_ARG, "%.100s...: a path longer than %d bytes", path,
        PATH_BYTES - 1);
  w->buffer = malloc(FILE_BUFFER_BYTES);
  CHECK(w->buffer, ERR_MEMORY, "%s: no memory for a write buffer", path);
  w->fd = open(w->temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (w->fd >= 0) {
    (void)flock(w->fd, LOCK_EX | LOCK_NB);  // for file_sweep
    return ERR_OK;
  }
  int cause = errno;
  free(w->buffer);
  w->buffer = NULL;
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

static Err write_out(FileWriter *w, const uint8_t *data, size_t size) {
  while (size > 0) {
    ssize_t n = write(w->fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
      FAIL(ERR_IO, "%s: no space left after %llu bytes (%s); free some space or choose another place", w->path,
           (unsigned long long)(w->written - w->buffered), strerror(errno));
    CHECK(n > 0, ERR_IO, "%s: %s", w->path, n < 0 ? strerror(errno) : "nothing could be written");
    data += n;
    size -= (size_t)n;
  }
  return ERR_OK;
}

static Err flush(FileWriter *w) {
  TRY(write_out(w, w->buffer, w->buffered));
  w->buffered = 0;
  return ERR_OK;
}

// What is written is sent on its way while the caller makes more. Only a matter of speed: a refusal does not matter.
static void begin_sync(FileWriter *w) {
  uint64_t out = w->written - w->buffered;
  if (out - w->begun < BEGIN_BYTES) return;
  (void)sync_file_range(w->fd, (off_t)w->begun, (off_t)(out - w->begun), SYNC_FILE_RANGE_WRITE);
  w->begun = out;
}

Err file_write(FileWriter *w, const void *data, size_t size) {
  assert(w->buffer && "written before file_create or after its end");
  if (size > FILE_BUFFER_BYTES - w->buffered) TRY(flush(w));
  if (size >= FILE_BUFFER_BYTES) {
    TRY(write_out(w, data, size));
  } else if (size > 0) {
    memcpy(w->buffer + w->buffered, data, size);
    w->buffered += size;
  }
  w->written += size;
  begin_sync(w);
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
  Err err = ERR_OK;
  TRY_OUT(flush(w));
  CHECK_OUT(fsync(w->fd) == 0 || errno == EINVAL, ERR_IO, "%s: cannot be synced: %s", w->path, strerror(errno));
  CHECK_OUT(close(w->fd) == 0, ERR_IO, "%s: %s", w->path, (w->fd = -1, strerror(errno)));
  w->fd = -1;
  CHECK_OUT(rename(w->temp, w->path) == 0, ERR_IO, "%s: cannot be put in place: %s", w->path, strerror(errno));
  w->temp[0] = '\0';
  TRY_OUT(sync_parent(w->path));
out:
  file_abandon(w);
  return err;
}

void file_abandon(FileWriter *w) {
  if (!w->buffer) return;
  if (w->fd >= 0) close(w->fd);
  if (w->temp[0]) unlink(w->temp);
  free(w->buffer);
  *w = (FileWriter){.fd = -1};
}

Err file_replace(const char *path, const void *data, size_t size) {
  FileWriter w;
  TRY(file_create(&w, path));
  Err err = file_write(&w, data, size);
  if (!err) return file_commit(&w);
  file_abandon(&w);
  return err;
}
