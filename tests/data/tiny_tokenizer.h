// A byte-level tokenizer of 257 tokens that the tests write themselves: one id a byte, and "</s>", id 256.
#ifndef TESTS_DATA_TINY_TOKENIZER_H
#define TESTS_DATA_TINY_TOKENIZER_H

#include "base/err.h"
#include "text/tokenizer.h"

enum { TINY_EOD = 256, TINY_VOCAB = 257 };

// Writes FOLDER/tokenizer.json and opens it.
Err tiny_tokenizer_open(Tokenizer **t, const char *folder);

// The same with these special tokens, ids from 256 on; NULL at the end.
Err tiny_tokenizer_named(Tokenizer **t, const char *folder, const char *const *name);

#endif
