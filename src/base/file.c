// Reading files, paths and folders. Writing is in file_write.c.
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *kind_name(mode_t mode) {
  return S_ISFIFO(mode) ? "a named pipe" : S_ISSOCK(mode) ? "a socket" : S_ISDIR(mode) ? "a folder" : "a device";
}

// Whether a path names what this process was handed open; a shell writes <(command) as /dev/fd/63.
static bool is_handed(const char *path) {
  static const char *const begins[] = {"/dev/fd/", "/proc/self/fd/"};
  for (int i = 0; i < 2; i++)
    if (strncmp(path, begins[i], strlen(begins[i])) == 0) return true;
  return strcmp(path, "/dev/stdin") == 0;
}

// O_NONBLOCK does not wait for somebody to write to a named pipe.
static Err open_read(const char *path, bool stream, int *fd, struct stat *st) {
  *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (*fd < 0) {
    int cause = errno;
    CHECK(cause != ENXIO || stat(path, st) != 0, ERR_IO, "%s is %s; a plain file is wanted", path, kind_name(st->st_mode));
    FAIL(ERR_IO, "%s: %s", path, cause == ENOENT ? "no such file" : strerror(cause));
  }
  Err err = ERR_OK;
  CHECK_OUT(fstat(*fd, st) == 0, ERR_IO, "%s: %s", path, strerror(errno));
  if (S_ISREG(st->st_mode)) return ERR_OK;
  CHECK_OUT(!S_ISDIR(st->st_mode), ERR_IO, "%s is a folder; a file is wanted", path);
  CHECK_OUT(stream, ERR_IO, "%s is %s; a plain file is wanted", path, kind_name(st->st_mode));
  CHECK_OUT(is_handed(path), ERR_IO, "%s is %s; a plain file is wanted, or what another program writes by /dev/stdin", path,
            kind_name(st->st_mode));
  CHECK_OUT(fcntl(*fd, F_SETFL, 0) == 0, ERR_IO, "%s: %s", path, strerror(errno));
out:
  if (err) close(*fd), *fd = -1;
  return err;
}

Err file_open(const char *path, int *fd) {
  struct stat st;
  return open_read(path, false, fd, &st);
}

Err file_open_stream(const char *path, int *fd) {
  struct stat st;
  return open_read(path, true, fd, &st);
}

Err file_map_begin(FileMap *f, const char *path, size_t limit_bytes, int *fd, size_t *file_bytes) {
  static const uint8_t nothing[1];
  *f = (FileMap){.data = nothing};
  *fd = -1;
  struct stat st;
  TRY(open_read(path, false, fd, &st));
  Err err = ERR_OK;
  char *copy = strdup(path);
  CHECK_OUT(copy, ERR_MEMORY, "%s: no memory", path);
  *file_bytes = (size_t)st.st_size;
  size_t size = *file_bytes < limit_bytes ? *file_bytes : limit_bytes;
  if (size > 0) {
    void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, *fd, 0);
    CHECK_OUT(p != MAP_FAILED, ERR_IO, "%s: cannot map %zu bytes: %s", path, size, strerror(errno));
    f->data = p;
    f->size = size;
  }
  f->path = copy;
  copy = NULL;
out:
  free(copy);
  if (err) close(*fd), *fd = -1;
  return err;
}

Err file_map(FileMap *f, const char *path) {
  int fd;
  size_t size;
  TRY(file_map_begin(f, path, SIZE_MAX, &fd, &size));
  close(fd);
  return ERR_OK;
}

void file_unmap(FileMap *f) {
  if (f->size) munmap((void *)(uintptr_t)f->data, f->size);
  free((void *)(uintptr_t)f->path);
  *f = (FileMap){0};
}

Err file_read(const char *path, size_t limit_bytes, char **text, size_t *size) {
  *text = NULL;
  int fd = -1;
  struct stat st;
  TRY(open_read(path, true, &fd, &st));
  Err err = ERR_OK;
  size_t used = 0, room = 0;
  char *buffer = NULL;
  for (;;) {  // grows with what comes: pipes and system files claim no size
    if (used == room) {
      bool known = S_ISREG(st.st_mode) && st.st_size > 0 && (size_t)st.st_size < limit_bytes;
      room = room ? 2 * room : known ? (size_t)st.st_size + 1 : 65536;
      char *grown = realloc(buffer, room + 1);
      CHECK_OUT(grown, ERR_MEMORY, "%s: no memory for %zu bytes", path, room);
      buffer = grown;
    }
    ssize_t got = read(fd, buffer + used, room - used);
    if (got < 0 && errno == EINTR) continue;
    CHECK_OUT(got >= 0, ERR_IO, "%s: %s", path, strerror(errno));
    if (got == 0) break;
    used += (size_t)got;
    CHECK_OUT(used <= limit_bytes, ERR_FORMAT, "%s: larger than %zu bytes, the limit for this kind of file", path, limit_bytes);
  }
  buffer[used] = '\0';
  *text = buffer;
  *size = used;
  buffer = NULL;
out:
  free(buffer);
  close(fd);
  return err;
}

Err file_read_at(int fd, const char *path, size_t offset, size_t size, void *out) {
  enum { WINDOW = 1 << 23 };
  char *to = out;
  size_t next = ((offset + size) / WINDOW + 1) * WINDOW;
  if (offset % WINDOW == 0 || offset / WINDOW != (offset + size) / WINDOW)
    (void)posix_fadvise(fd, (off_t)next, WINDOW, POSIX_FADV_WILLNEED);
  while (size > 0) {
    ssize_t n = pread(fd, to, size, (off_t)offset);
    if (n < 0 && errno == EINTR) continue;
    CHECK(n > 0, ERR_IO, "%s: %s at offset %zu", path, n < 0 ? strerror(errno) : "ends", offset);
    to += n;
    offset += (size_t)n;
    size -= (size_t)n;
  }
  return ERR_OK;
}

bool file_exists(const char *path) { return access(path, F_OK) == 0; }

bool file_is_plain(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool file_is_folder(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

const char *path_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

void path_folder(char out[PATH_BYTES], const char *path) {
  const char *slash = strrchr(path, '/');
  snprintf(out, PATH_BYTES, "%.*s", slash && slash > path ? (int)(slash - path) : 1, slash ? path : ".");
}

Err path_join(char out[PATH_BYTES], const char *dir, const char *name) {
  size_t n = strlen(dir);
  const char *slash = n == 0 || dir[n - 1] == '/' ? "" : "/";
  int length = snprintf(out, PATH_BYTES, "%s%s%s", dir, slash, name);
  CHECK(length >= 0 && length < PATH_BYTES, ERR_ARG, "%.100s...: a path longer than %d bytes", dir, PATH_BYTES - 1);
  return ERR_OK;
}

bool path_ends(const char *path, const char *end) {
  size_t n = strlen(path), m = strlen(end);
  return n >= m && strcmp(path + n - m, end) == 0;
}

bool folder_holds(const char *folder, const char *name) {
  char path[PATH_BYTES];
  return path_join(path, folder, name) == ERR_OK && file_exists(path);
}
