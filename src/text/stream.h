// Tokens to text as they come: gives out only what later tokens cannot change, so never half a character.
#ifndef TEXT_STREAM_H
#define TEXT_STREAM_H

#include "text/tokenizer.h"

enum { STREAM_CONTEXT = 8 };

typedef struct {
  const Tokenizer *tokenizer;     // borrowed
  TokenizerWork *work;            // owned
  Ids ids;                        // owned: the window that is decoded again
  Bytes before, after;            // owned
  int64_t done;                   // ids of the window whose text is given out
  int64_t begin[STREAM_CONTEXT];  // where the last pieces that were given out begin in the window
  int n_begin;
  bool keep_special;
} TextStream;

Err text_stream_open(TextStream *s, const Tokenizer *t, bool keep_special);
void text_stream_close(TextStream *s);
// Forgets everything, or takes ids whose text is already shown (a prompt) as what comes before.
Err text_stream_start(TextStream *s, const int32_t *ids, int64_t count);
// Takes one more id; appends what became certain to *out. A character whose bytes are spread over tokens comes with its last
// one. Cost: a window of few tokens is decoded, whatever came before.
Err text_stream_push(TextStream *s, int32_t id, Bytes *out);
// Appends what is left: the text ends here, broken characters too.
Err text_stream_end(TextStream *s, Bytes *out);

#endif
