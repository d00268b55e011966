// SentencePiece models made by a test, field by field.
#ifndef TESTS_TEXT_SPM_MAKE_H
#define TESTS_TEXT_SPM_MAKE_H

#include "text/spm_proto.h"
#include "text/tokenizer.h"

typedef struct {
  SpmModelType type;
  bool byte_fallback, treat_whitespace_as_suffix;
  bool no_dummy_prefix, keep_spaces;  // the opposites of the format's defaults
  const char *charsmap;
  size_t charsmap_size;
} MakeOptions;

// A piece, appended to the model. size 0: text is NUL-terminated.
void make_piece(Bytes *model, const char *text, size_t size, float score, SpmPieceType type);
// <unk>, <s>, </s>, and the 256 bytes if asked for.
void make_reserved(Bytes *model, bool bytes);
// Trainer's and normaliser's specification.
void make_options(Bytes *model, MakeOptions o);
// The model as a tokenizer (through a file in the test's folder).
Tokenizer *make_tokenizer(const Bytes *model);

#endif
