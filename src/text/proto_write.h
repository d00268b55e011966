// Writing protocol buffers (wire format), as much of it as a SentencePiece model needs. Each appends to *b.
#ifndef TEXT_PROTO_WRITE_H
#define TEXT_PROTO_WRITE_H

#include "text/tokenizer.h"

Err proto_put_int(Bytes *b, unsigned field, int64_t v);
Err proto_put_float(Bytes *b, unsigned field, float v);
Err proto_put_bytes(Bytes *b, unsigned field, const void *data, size_t size);  // strings and messages too

#endif
