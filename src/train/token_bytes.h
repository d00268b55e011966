// How many bytes of text each token stands for: turns a loss a token into bits a byte, which compares between tokenizers.
#ifndef TRAIN_TOKEN_BYTES_H
#define TRAIN_TOKEN_BYTES_H

#include "text/tokenizer.h"

// bytes [vocab] out: special tokens and ids past the tokenizer's own 0; a byte piece 1; a byte-level piece its characters, each
// of which is a byte; any other what it adds to a text when it is decoded after another token. Cost: one short decode an id.
Err token_bytes(const Tokenizer *t, int64_t vocab, int32_t *bytes);

#endif
