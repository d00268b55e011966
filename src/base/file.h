// Files: reading by map, writing aside. A file is either there whole or not there.
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PATH_BYTES = 4096 };

// ---- reading. A path that is no plain file is refused with what it is, and never waited for.
typedef struct {
  const uint8_t *data;  // the whole file, read only; never NULL (an empty file points at nothing readable)
  size_t size;
  const char *path;  // owned copy
} FileMap;

// Maps the whole file. ERR_IO names the path and says missing, a folder, or not permitted.
Err file_map(FileMap *f, const char *path);
// Maps the first bytes, at most limit_bytes, and leaves the file open for file_read_at: *fd is the caller's, *file_bytes how
// many it has. Errors as above; then *fd is -1.
Err file_map_begin(FileMap *f, const char *path, size_t limit_bytes, int *fd, size_t *file_bytes);
void file_unmap(FileMap *f);

// Opens a plain file for reading; *fd is the caller's, -1 on ERR_IO.
Err file_open(const char *path, int *fd);
// The same, or a pipe, terminal or device that the process was handed open: "/dev/stdin", "/dev/fd/63" of a shell's <(...).
Err file_open_stream(const char *path, int *fd);

// As file_open_stream: reads a whole small file into a fresh NUL-terminated buffer (free() it). ERR_FORMAT if larger than
// limit_bytes.
Err file_read(const char *path, size_t limit_bytes, char **text, size_t *size);

// Reads [offset, offset + size) of an open file. Where reading comes into a new window of 8 MiB, the next is fetched meanwhile,
// for those who go on. ERR_IO names `path`, also where the file ends before.
Err file_read_at(int fd, const char *path, size_t offset, size_t size, void *out);

bool file_exists(const char *path);
bool file_is_folder(const char *path);
bool file_is_plain(const char *path);  // no folder, pipe or device
// Whether something of that name lies in the folder.
bool folder_holds(const char *folder, const char *name);

// ---- writing: to "path.tmp.PID", synced and renamed by file_commit; file_abandon removes it. Errors name path and cause
// (no space left: how much was wanted). The writer buffers; it owns one descriptor. What is longer than a few MB is written by
// a thread of its own (base/lane.h) while the caller makes more: an error then comes with a later call, the commit at the
// latest. From 16 MB on it goes past the page cache, where the file system can and the disk is fast: twice the speed.
enum { FILE_BUFFER_BYTES = 1 << 22 };  // of a writer at most, from the heap

typedef struct {
  char path[PATH_BYTES], temp[PATH_BYTES];
  struct FileOut *out;  // NULL: nothing is being written
} FileWriter;

Err file_create(FileWriter *w, const char *path);
// Removes what writers of `path` left that were killed; for files whose remains would fill the disk.
void file_sweep(const char *path);
Err file_write(FileWriter *w, const void *data, size_t size);
Err file_printf(FileWriter *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
Err file_commit(FileWriter *w);    // flush, fsync, rename, fsync the folder
void file_abandon(FileWriter *w);  // safe after file_commit and on a zeroed writer

// Writes a whole small file that way.
Err file_replace(const char *path, const void *data, size_t size);

// ---- folders
Err folder_make(const char *path);    // with its parents; fine if it exists
Err folder_remove(const char *path);  // with what is in it; fine if it does not exist
Err folder_sync(const char *path);
// The names in a folder, sorted by byte, without "." and ".."; free with names_free.
Err folder_list(const char *path, char ***names, size_t *count);
void names_free(char **names, size_t count);

// A folder written aside: to "path.tmp", renamed by folder_commit; folder_abandon removes it. What a kill left there is removed
// by the next one to write; ERR_STATE while another process is at it. ERR_ARG if path is there and not an empty folder.
typedef struct {
  char path[PATH_BYTES], temp[PATH_BYTES];
  int lock;
} FolderWriter;

Err folder_create(FolderWriter *w, const char *path);
Err folder_commit(FolderWriter *w);
void folder_abandon(FolderWriter *w);  // keeps this thread's error; safe after folder_commit and on a zeroed writer

// An exclusive lock on "folder/lock", held until released or the process ends. ERR_STATE names the process that has it.
Err folder_lock(int *lock, const char *folder);
void folder_unlock(int *lock);

// dir "/" name into out (PATH_BYTES). ERR_ARG if too long.
Err path_join(char out[PATH_BYTES], const char *dir, const char *name);
// The part of a path after its last slash.
const char *path_name(const char *path);
// The part before it: "." of "name", "/" of "/name". path: shorter than PATH_BYTES.
void path_folder(char out[PATH_BYTES], const char *path);
// Whether the path ends so, as in ".yaml".
bool path_ends(const char *path, const char *end);

#endif
