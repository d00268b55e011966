// The parts of `pleiad tokenizer`, a file each.
#ifndef CLI_TOKENIZER_H
#define CLI_TOKENIZER_H

#include "base/err.h"
#include "text/bpe_train.h"

Err tokenizer_train_command(int argc, char **argv);

// Reads the texts of files, folders and "-" (as `pleiad data build` takes them) into the trainer, with a progress bar: lines of
// plain text, strings under `key` of JSON lines. A bad line ends it: file, line, reason.
Err tokenizer_train_read(BpeTrainer *t, TrainFormat format, const char *const *input, int64_t inputs, const char *key);

#endif
