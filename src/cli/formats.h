// The forms in which models are found and written: the only list of them. Whoever opens, imports or exports a model goes
// through it.
#ifndef CLI_FORMATS_H
#define CLI_FORMATS_H

#include "model/weights.h"

// What can be named where a model is wanted, for messages and --help.
#define FORMATS_TEXT "a run's folder, a checkpoint, a Hugging Face folder, or a GGUF file"
#define FORMATS_LINE "MODEL is " FORMATS_TEXT ".\n"  // of every command's help that takes one

typedef struct {
  const char *dtype;   // type of the weights in the files, NULL: each as the source has it; its names are the format's
  size_t shard_bytes;  // of one file, 0: the format's usual
  bool allow_nan;
} FormatSave;

typedef struct {
  const char *name;  // "hf"
  bool (*is)(const char *path);
  // Faults of its tensors are in the source (weights_check); an error is what cannot be read at all.
  Err (*open)(WeightSource **source, const char *path);
  Err (*save)(const char *path, WeightSource *source, const FormatSave *o);
} Format;

// What writes a tokenizer's files where they are not to be copied (a GGUF file); else NULL.
typedef Err TokenizerWriter(WeightSource *source, const char *folder);
TokenizerWriter *format_tokenizer_writer(const char *tokenizer);
// Opens what lies at the path, by looking at it. ERR_IO says what is wanted.
Err format_open(WeightSource **source, const char *path);
// By its name; ERR_ARG lists the names.
Err format_named(const Format **format, const char *name);

#endif
