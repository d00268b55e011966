// How far a build has come, in PREFIX.journal. Internal to data/build.c.
#ifndef DATA_BUILD_JOURNAL_H
#define DATA_BUILD_JOURNAL_H

#include "data/build.h"
#include "data/build_chunk.h"

typedef struct {
  BuildPlace place;  // the first document that is not in the output
  IndexedMark mark;  // what is
  int64_t text_bytes, skipped;
  int64_t consumed;  // packed bytes of input
  char named[BUILD_NAMED][BUILD_NAME_BYTES];
} BuildState;

// What makes two builds the same: inputs with sizes and times, options, tokenizer. 16 hexadecimal digits.
Err build_digest(const BuildOptions *o, const Inputs *inputs, char out[17]);

Err build_journal_write(const char *path, const char *digest, const BuildState *s);
// *found false if there is none. ERR_STATE if it is of another build, ERR_FORMAT if damaged.
Err build_journal_read(const char *path, const char *digest, const Inputs *inputs, BuildState *s, bool *found);

#endif
