// Folders written aside.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static Err want_empty(const char *path) {
  char **names;
  size_t count;
  if (!file_exists(path)) return ERR_OK;
  CHECK(file_is_folder(path), ERR_ARG, "%s: a file is there already; remove it or choose another name", path);
  TRY(folder_list(path, &names, &count));
  names_free(names, count);
  CHECK(count == 0, ERR_ARG, "%s: there already and not empty; remove it or choose another name", path);
  return ERR_OK;
}

// The lock is on the folder itself: it goes with it where it is renamed to, and no file is left.
static Err lock_folder(FolderWriter *w) {
  struct stat held, named;
  w->lock = open(w->temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  CHECK(w->lock >= 0, ERR_IO, "%s: %s", w->temp, strerror(errno));
  bool ours = flock(w->lock, LOCK_EX | LOCK_NB) == 0 && fstat(w->lock, &held) == 0 && stat(w->temp, &named) == 0 &&
              held.st_dev == named.st_dev && held.st_ino == named.st_ino;
  if (!ours) {
    close(w->lock);
    w->lock = -1;
  }
  CHECK(ours, ERR_STATE, "%s: another process writes it; wait for it, or choose another name", w->temp);
  return ERR_OK;
}

static Err clear(const char *folder) {
  char **names, path[PATH_BYTES];
  size_t count;
  TRY(folder_list(folder, &names, &count));
  Err err = ERR_OK;
  for (size_t i = 0; i < count && !err; i++) {
    err = path_join(path, folder, names[i]);
    if (!err) err = folder_remove(path);
  }
  names_free(names, count);
  return err;
}

Err folder_create(FolderWriter *w, const char *path) {
  *w = (FolderWriter){.lock = -1};
  int n = snprintf(w->path, sizeof w->path, "%s", path);
  CHECK(n > 0 && n < PATH_BYTES - 16, ERR_ARG, "\"%.100s\": not a path that a folder can have", path);
  while (n > 1 && w->path[n - 1] == '/') w->path[--n] = '\0';
  memcpy(w->temp, w->path, (size_t)n);
  memcpy(w->temp + n, ".tmp", 5);
  TRY(want_empty(w->path));
  TRY(folder_make(w->temp));
  TRY(lock_folder(w));
  Err err = want_empty(w->path);  // another may have ended just now
  if (!err) err = clear(w->temp);
  if (err) folder_abandon(w);
  return err;
}

Err folder_commit(FolderWriter *w) {
  Err err = ERR_OK;
  char parent[PATH_BYTES];
  TRY_OUT(folder_sync(w->temp));
  CHECK_OUT(rename(w->temp, w->path) == 0, ERR_IO, "%s: cannot be put in place: %s", w->path, strerror(errno));
  path_folder(parent, w->path);
  TRY_OUT(folder_sync(parent));
  close(w->lock);
  *w = (FolderWriter){.lock = -1};
out:
  if (err) folder_abandon(w);
  return err;
}

void folder_abandon(FolderWriter *w) {
  if (!*w->temp || w->lock < 0) return;
  ErrInfo info;
  err_take(&info);  // removing may set an error of its own
  (void)folder_remove(w->temp);
  if (info.kind) (void)err_give(&info);
  close(w->lock);
  *w = (FolderWriter){.lock = -1};
}
