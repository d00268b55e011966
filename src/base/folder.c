// Folders: made, listed, removed, locked.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

Err folder_make(const char *path) {
  char part[PATH_BYTES];
  size_t n = strlen(path);
  CHECK(n > 0 && n < sizeof part, ERR_ARG, "\"%.100s\": not a path of 1 to %d bytes", path, PATH_BYTES - 1);
  for (size_t i = 1; i <= n; i++) {
    if (i < n && path[i] != '/') continue;
    memcpy(part, path, i);
    part[i] = '\0';
    if (mkdir(part, 0777) == 0 || file_is_folder(part)) continue;
    if (errno == EEXIST) FAIL(ERR_IO, "%s: cannot make the folder: %s is a file", path, part);
    FAIL(ERR_IO, "%s: cannot make the folder: %s: %s", path, part, strerror(errno));
  }
  return ERR_OK;
}

// Removes what is in the folder `name` of the open folder `at`, then itself. Depth is bounded by the path length the system
// has.
static int remove_at(int at, const char *name) {
  if (unlinkat(at, name, 0) == 0 || errno == ENOENT) return 0;
  if (errno != EISDIR && errno != EPERM) return -1;
  int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
  if (!dir) {
    if (fd >= 0) close(fd);
    return -1;
  }
  int bad = 0;
  const struct dirent *entry;
  while (!bad && (entry = readdir(dir)))
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) bad = remove_at(dirfd(dir), entry->d_name);
  int cause = errno;
  closedir(dir);
  errno = cause;
  return bad ? bad : unlinkat(at, name, AT_REMOVEDIR);
}

Err folder_remove(const char *path) {
  CHECK(remove_at(AT_FDCWD, path) == 0, ERR_IO, "%s: cannot be removed: %s", path, strerror(errno));
  return ERR_OK;
}

Err folder_sync(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  CHECK(fd >= 0, ERR_IO, "%s: %s", path, strerror(errno));
  int failed = fsync(fd) != 0 && errno != EINVAL && errno != EROFS;  // some file systems cannot sync folders, and need not
  int cause = errno;
  close(fd);
  CHECK(!failed, ERR_IO, "%s: cannot be synced: %s", path, strerror(cause));
  return ERR_OK;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

Err folder_list(const char *path, char ***names, size_t *count) {
  *names = NULL;
  *count = 0;
  DIR *dir = opendir(path);
  CHECK(dir, ERR_IO, "%s: %s", path, errno == ENOENT ? "no such folder" : errno == ENOTDIR ? "not a folder" : strerror(errno));
  Err err = ERR_OK;
  char **list = NULL;
  size_t n = 0, room = 0;
  for (;;) {
    errno = 0;
    const struct dirent *entry = readdir(dir);
    CHECK_OUT(entry || errno == 0, ERR_IO, "%s: %s", path, strerror(errno));
    if (!entry) break;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (n == room) {
      room = room ? 2 * room : 64;
      char **grown = realloc(list, room * sizeof *list);
      CHECK_OUT(grown, ERR_MEMORY, "%s: no memory for %zu names", path, room);
      list = grown;
    }
    list[n] = strdup(entry->d_name);
    CHECK_OUT(list[n], ERR_MEMORY, "%s: no memory for a name", path);
    n++;
  }
  if (n) qsort(list, n, sizeof *list, by_bytes);
  *names = list;
  *count = n;
  list = NULL;
out:
  if (list) names_free(list, n);
  closedir(dir);
  return err;
}

void names_free(char **names, size_t count) {
  for (size_t i = 0; i < count; i++) free(names[i]);
  free(names);
}

Err folder_lock(int *lock, const char *folder) {
  *lock = -1;
  char path[PATH_BYTES];
  TRY(path_join(path, folder, "lock"));
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  CHECK(fd >= 0, ERR_IO, "%s: cannot be written: %s", path, strerror(errno));
  char owner[64] = "";
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    int cause = errno;
    ssize_t n = pread(fd, owner, sizeof owner - 1, 0);
    owner[n > 0 ? strcspn(owner, "\n") : 0] = '\0';
    close(fd);
    CHECK(cause == EWOULDBLOCK, ERR_IO, "%s: cannot be locked: %s", path, strerror(cause));
    FAIL(ERR_STATE, "%s: in use by %s; wait for it, stop it, or choose another folder", folder,
         *owner ? owner : "another process");
  }
  int n = snprintf(owner, sizeof owner, "process %ld\n", (long)getpid());
  if (ftruncate(fd, 0) != 0 || pwrite(fd, owner, (size_t)n, 0) != n) {
    int cause = errno;
    close(fd);
    FAIL(ERR_IO, "%s: cannot be written: %s", path, strerror(cause));
  }
  *lock = fd;
  return ERR_OK;
}

// The file stays: removing it would let two processes hold locks on two files of one name.
void folder_unlock(int *lock) {
  if (*lock >= 0) close(*lock);
  *lock = -1;
}
