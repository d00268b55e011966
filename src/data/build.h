// Text to token files: JSON lines or plain text, packed or not, into PREFIX.bin and PREFIX.idx, the same bytes as Megatron's
// own tool.
//
// One pass in bounded memory: one thread at a time cuts the input into chunks of whole documents, all tokenise, and the results
// are written in input order, so the bytes do not depend on the thread count. Every few seconds what is written reaches the
// disk and a journal (PREFIX.journal) says how far it goes: a killed build goes on from there when it is started again, to the
// same bytes.
#ifndef DATA_BUILD_H
#define DATA_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "data/indexed.h"
#include "data/input.h"
#include "text/tokenizer.h"

typedef enum { DOCUMENT_IS_FILE, DOCUMENT_IS_PARAGRAPH, DOCUMENT_IS_LINE } TextSplit;

enum { BUILD_NAMED = 8, BUILD_NAME_BYTES = 512, BUILD_CHUNK_BYTES = 1 << 18, BUILD_DOCUMENT_BYTES_MAX = 1 << 30 };

typedef struct {
  const char *output;        // PREFIX; its folder is made
  const char *const *input;  // [inputs], as inputs_take takes them
  int64_t inputs;
  InputFormat format;
  TextSplit split;  // of plain text: a document is a file, what stands between blank lines, or a line that is not blank
  const char *key;  // of JSON lines: where the text is
  const Tokenizer *tokenizer;
  const char *tokenizer_path;  // for the journal: another one is another build
  int32_t eod;                 // ends every document that has tokens; -1: none
  bool skip_bad;               // leave out what cannot be read, and count it; else the first ends the build
  bool fresh;                  // forget an earlier, unfinished build of this output
  int threads;                 // 0: one a core
  double journal_s;            // seconds between journals
  bool progress;               // draw a bar
} BuildOptions;

typedef struct {
  TokenType type;
  int64_t documents, sequences, tokens;
  int64_t text_bytes;                         // of input, unpacked
  int64_t resumed_documents;                  // of these, made by an earlier run
  int64_t skipped;                            // bad lines or files
  char named[BUILD_NAMED][BUILD_NAME_BYTES];  // the first of them: file, line, reason
  int64_t ignored_files;                      // in folders, of another kind
  double seconds;                             // of this run
} BuildReport;

// ERR_FORMAT for a bad line: file, line and reason; then nothing of this build stays. ERR_STATE: another process builds this
// output, or an unfinished build of other inputs or options is there (`fresh` forgets it). After any other error (no space
// left) the same call goes on where it stopped, unless the standard input was read.
Err data_build(const BuildOptions *o, BuildReport *report);

#endif
