#include "data/input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

enum { FOLDER_DEPTH_MAX = 64 };

// The ending of a name, of .gz and .zst the one before: "a.jsonl.gz" -> ".jsonl". Into out, "" if there is none.
static void ending_of(const char *path, char out[16]) {
  const char *name = path_name(path);
  size_t n = strlen(name);
  if (n > 3 && strcmp(name + n - 3, ".gz") == 0) n -= 3;
  else if (n > 4 && strcmp(name + n - 4, ".zst") == 0) n -= 4;
  size_t dot = n;
  while (dot > 0 && name[dot - 1] != '.') dot--;
  out[0] = '\0';
  if (dot == 0 || n - dot + 2 > 16) return;
  memcpy(out, name + dot - 1, n - dot + 1);
  out[n - dot + 1] = '\0';
}

static bool among(const char *ending, const char *const *list) {
  for (; *list; list++) {
    if (strcasecmp(ending, *list) == 0) return true;
  }
  return false;
}

static InputFormat format_of(const char *path, bool in_folder) {
  static const char *const lines[] = {".jsonl", ".json", ".ndjson", NULL}, *const text[] = {".txt", ".text", ".md", ".rst",
                                                                                            NULL};
  char ending[16];
  ending_of(path, ending);
  if (among(ending, lines)) return INPUT_JSONL;
  return !in_folder || among(ending, text) ? INPUT_TEXT : INPUT_AUTO;
}

static Err add_file(Inputs *in, const char *path, InputFormat format, const struct stat *st) {
  if (in->count == in->capacity) {
    int64_t capacity = in->capacity * 2 + 16;
    InputFile *grown = realloc(in->file, (size_t)capacity * sizeof *grown);
    CHECK(grown, ERR_MEMORY, "no memory for %lld file names", (long long)capacity);
    in->file = grown;
    in->capacity = capacity;
  }
  char *copy = strdup(path);
  CHECK(copy, ERR_MEMORY, "no memory for the name %s", path);
  InputFile *f = &in->file[in->count++];
  *f = (InputFile){.path = copy, .format = format};
  if (st && S_ISREG(st->st_mode)) {
    f->size_bytes = st->st_size;
    f->changed_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
  }
  in->bytes += f->size_bytes;
  return ERR_OK;
}

static Err add_path(Inputs *in, const char *path, InputFormat format, int depth);

static Err add_folder(Inputs *in, const char *path, InputFormat format, int depth) {
  char **names = NULL;
  size_t count = 0;
  CHECK(depth < FOLDER_DEPTH_MAX, ERR_IO, "%s: folders nested deeper than %d (a link that leads back?)", path,
        FOLDER_DEPTH_MAX);
  TRY(folder_list(path, &names, &count));
  Err err = ERR_OK;
  for (size_t i = 0; i < count && !err; i++) {
    if (names[i][0] == '.') continue;
    char inside[PATH_BYTES];
    err = path_join(inside, path, names[i]);
    if (!err) err = add_path(in, inside, format, depth + 1);
  }
  names_free(names, count);
  return err;
}

static Err add_path(Inputs *in, const char *path, InputFormat format, int depth) {
  struct stat st;
  if (strcmp(path, "-") == 0) {
    CHECK(!in->stdin_used, ERR_ARG, "-: the standard input is named twice");
    in->stdin_used = true;
    return add_file(in, path, format == INPUT_TEXT ? INPUT_TEXT : INPUT_JSONL, NULL);
  }
  CHECK(stat(path, &st) == 0, ERR_IO, "%s: %s", path, errno == ENOENT ? "no such file or folder" : strerror(errno));
  if (S_ISDIR(st.st_mode)) return add_folder(in, path, format, depth);
  if (format == INPUT_AUTO) format = format_of(path, depth > 0);
  if (format != INPUT_AUTO) return add_file(in, path, format, &st);
  if (in->skipped++ == 0) in->first_skipped = strdup(path);
  return ERR_OK;
}

Err inputs_take(Inputs *in, const char *const *path, int64_t count, InputFormat format) {
  *in = (Inputs){0};
  Err err = ERR_OK;
  for (int64_t i = 0; i < count; i++) TRY_OUT(add_path(in, path[i], format, 0));
  CHECK_OUT(in->count > 0, ERR_ARG, "no input files%s%s%s", in->skipped ? ": the endings of " : "",
            in->skipped ? in->first_skipped : "",
            in->skipped ? " and others say neither JSON lines nor text; --format says what they are" : "");
out:
  if (err) inputs_free(in);
  return err;
}

void inputs_free(Inputs *in) {
  for (int64_t i = 0; i < in->count; i++) free(in->file[i].path);
  free(in->file);
  free(in->first_skipped);
  *in = (Inputs){0};
}
