// Dialogs in JSON lines to a set of packed samples for training: PREFIX.bin and .idx with the tokens, PREFIX.mask.bin and .idx
// with what is learnt of them.
//
// Both are token files (data/indexed.h) of the same shape: a document is a sample, its sequences are its dialogs (telechat2:
// one for the whole sample). Reads files as data_build does (packed ones, folders, the standard input), line by line, in one
// pass and in bounded memory (data/sft_pack.h); the same bytes each time. Nothing is there under its name until all is.
#ifndef DATA_SFT_BUILD_H
#define DATA_SFT_BUILD_H

#include "data/build.h"
#include "data/sft_pack.h"
#include "data/sft_template.h"

typedef struct {
  const char *output;
  const char *const *input;
  int64_t inputs;
  SftRecipe recipe;
  int64_t length;
  bool original, skip_bad, progress;
  Tokenizer *tokenizer;
  const Chat *chat;      // SFT_TEMPLATE: the template,
  const json_t *kwargs;  // and more variables of it, or NULL
} SftBuildOptions;

typedef struct {
  TokenType type;
  SftCounts counts;
  int64_t text_bytes, skipped, longest;
  char named[BUILD_NAMED][BUILD_NAME_BYTES];  // the first bad lines: file, line, reason
  double seconds;
} SftBuildReport;

// ERR_FORMAT for a bad line: file, line and reason; then nothing of this build stays.
Err sft_build(const SftBuildOptions *o, SftBuildReport *report);

#endif
