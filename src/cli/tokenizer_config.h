// What the transformers library wants to know of a bare SentencePiece model.
#ifndef CLI_TOKENIZER_CONFIG_H
#define CLI_TOKENIZER_CONFIG_H

#include "model/weights.h"
#include "text/tokenizer.h"

// If the source's tokenizer, which is open as t, is a .model without a tokenizer_config.json beside it, a writer that copies it
// will write one too: the class that reads such files as SentencePiece does, and the names of its special tokens. (A text that
// begins with a space gets one space fewer from that class.)
void tokenizer_config_add(WeightSource *s, const Tokenizer *t);

#endif
