// Which files a build reads, in which order, and what they are.
#ifndef DATA_INPUT_H
#define DATA_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

typedef enum { INPUT_AUTO, INPUT_JSONL, INPUT_TEXT } InputFormat;

typedef struct {
  char *path;
  InputFormat format;              // JSONL or TEXT
  int64_t size_bytes, changed_ns;  // 0 for the standard input
} InputFile;

typedef struct {
  InputFile *file;
  int64_t count, capacity;
  int64_t bytes;    // of all files, packed
  int64_t skipped;  // files in folders whose ending says neither text nor JSON lines
  char *first_skipped;
  bool stdin_used;
} Inputs;

// Takes paths in their order: files, folders (all files within, deeper ones too, sorted by path; hidden ones left out) and "-".
// INPUT_AUTO tells by the ending, before .gz and .zst: .jsonl .json .ndjson are JSON lines, everything else named as a file is
// text; in folders .txt .text .md .rst are text and other endings are left out. "-" is JSON lines unless format says text.
// ERR_IO names a missing one.
Err inputs_take(Inputs *in, const char *const *path, int64_t count, InputFormat format);
void inputs_free(Inputs *in);

#endif
