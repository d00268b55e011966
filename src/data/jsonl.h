// One line of JSON lines: the text under one key, read strictly and fast.
//
// JSON as RFC 8259 has it; of a repeated key the last wins, numbers may be of any size (they are not read), nesting goes to
// 512. No tree is built: 10 times as fast as one, so that reading costs little beside tokenising.
#ifndef DATA_JSONL_H
#define DATA_JSONL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "text/tokenizer.h"

// The strings of one document: string i is data[end[i - 1], end[i]). Starts as {0}; reused, it stops allocating.
typedef struct {
  char *data;
  size_t size, capacity;
  size_t *end;
  int64_t count, end_capacity;
} Strings;

void strings_free(Strings *s);
Err strings_append(Strings *s, const char *text, size_t size);  // to the string being made
Err strings_end(Strings *s);                                    // that string is whole

// Sets *out to the string, or list of strings, under `key` of the object in line[0, size) (no newline). ERR_FORMAT says what is
// wrong and at which byte of the line (from 0), but not in which file and line. Linear in size; no recursion.
Err jsonl_text(const char *line, size_t size, const char *key, Strings *out);

// As above, but only strings, under whichever of keys[0, n_keys) comes first in that list: *which, or n_keys if none of them
// has a string, which is no error.
Err jsonl_string(const char *line, size_t size, const char *const *keys, int n_keys, Strings *out, int *which);

// Appends the list of whole numbers under `key` to *out. ERR_FORMAT as above, also where one is no int32.
Err jsonl_ids(const char *line, size_t size, const char *key, Ids *out);

#endif
