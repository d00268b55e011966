// From one form of a model to another: what import and export share.
#ifndef CLI_CONVERT_H
#define CLI_CONVERT_H

#include "cli/formats.h"

typedef struct {
  const char *from, *out;
  const char *to;         // a format's name
  const char *tokenizer;  // a file or folder, "none", NULL: the source's own
  FormatSave save;
  bool dry, json;  // dry: only say what would be done
} Conversion;

// Takes --dtype T, --tokenizer F, --allow-nan, --json out of argv.
Err conversion_options(Conversion *c, int *argc, char **argv);
// Opens, checks (the tokenizer's size too), writes, and prints what was done.
Err convert(const Conversion *c);

#endif
