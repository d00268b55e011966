// How many bytes of text each token stands for: what turns a loss per token into bits per byte, the same for every tokenizer.
#ifndef DATA_TOKEN_BYTES_H
#define DATA_TOKEN_BYTES_H

#include <stdint.h>

#include "base/err.h"
#include "text/tokenizer.h"

// table[id] for id in [0, vocab), by the caller: bytes of the UTF-8 text that the token decodes to within a text. A byte piece,
// and each letter of a byte-level piece, is 1 byte; U+2581 is the space it stands for; special tokens and holes are 0. The sum
// over the ids of a text is the size of what they decode to (where the decoder only joins), but for the space that
// SentencePiece adds in front.
Err data_token_bytes(const Tokenizer *t, int32_t *table);

#endif
