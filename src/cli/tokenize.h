// What `pleiad tokenize` and `pleiad detokenize` share: their options, a tokenizer, and what each thread works with.
#ifndef CLI_TOKENIZE_H
#define CLI_TOKENIZE_H

#include "base/thread.h"
#include "data/jsonl.h"
#include "text/tokenizer.h"

typedef struct {
  TokenizerWork *work;
  Ids ids;
  Bytes text;
  Strings string;                     // of a line of JSON
  int64_t lines, tokens, text_bytes;  // done
} TokenizeThread;

typedef struct {
  Tokenizer *tokenizer;
  Pool *pool;
  TokenizeThread *thread;
  SpecialPolicy special;
  bool jsonl, json;
} Tokenize;

// Takes --tokenizer, --threads, --special, --jsonl and --json out of argv, refuses anything else, and opens all.
Err tokenize_open(Tokenize *t, int argc, char **argv);
// Counts a line that a thread has done.
void tokenize_count(TokenizeThread *thread, int64_t tokens, size_t text_bytes);
// With --json: prints what was counted.
Err tokenize_report(const Tokenize *t);
void tokenize_close(Tokenize *t);

// A number of threads from an option's text: 1 .. 1024, NULL: 0, one a core.
Err tokenize_threads(const char *text, int *threads);
// Decimal numbers with `between` (at most 4 letters) between them.
Err append_ids(Bytes *out, const Ids *ids, const char *between);
// A JSON string with its quotes; text: valid UTF-8.
Err append_json_string(Bytes *out, const char *text, size_t size);

#endif
