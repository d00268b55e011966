// Text to token ids and back, by the model's own files.
//
// A Tokenizer is read once and never changes: any number of threads may share it, each with a TokenizerWork of its own. Ids of
// special tokens come from the files, never from code. Ids equal those of the reference libraries (SentencePiece, Hugging Face
// tokenizers).
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

typedef struct Tokenizer Tokenizer;
typedef struct TokenizerWork TokenizerWork;

// Growing arrays; start as {0}, owned by the caller, free with ids_free / bytes_free. Reused, they stop allocating.
typedef struct {
  int32_t *id;
  int64_t count, capacity;
} Ids;
typedef struct {
  char *data;
  size_t size, capacity;
} Bytes;
void ids_free(Ids *ids);
void bytes_free(Bytes *b);
// Room for `more` elements after the present ones. ERR_MEMORY names the size.
Err ids_reserve(Ids *ids, int64_t more);
Err bytes_reserve(Bytes *b, size_t more);
static inline Err ids_push(Ids *ids, int32_t id) {
  if (ids->count == ids->capacity) TRY(ids_reserve(ids, 1));
  ids->id[ids->count++] = id;
  return ERR_OK;
}
static inline Err bytes_append(Bytes *b, const void *data, size_t size) {
  if (b->capacity - b->size < size) TRY(bytes_reserve(b, size));
  if (size) memcpy(b->data + b->size, data, size);
  b->size += size;
  return ERR_OK;
}

// Opens a SentencePiece .model, a Hugging Face tokenizer.json, or a folder that holds one of them (tokenizer.json, else
// tokenizer.model; the special tokens of tokenizer_config.json and generation_config.json beside them are read too), or the one
// in a GGUF file. What the file is, is decided by its bytes, not its name.
Err tokenizer_open(Tokenizer **t, const char *path);
void tokenizer_close(Tokenizer *t);
const char *tokenizer_kind(const Tokenizer *t);  // "sentencepiece bpe", "sentencepiece unigram", "huggingface bpe", ...

int64_t tokenizer_vocab(const Tokenizer *t);  // ids are 0 .. vocab - 1
// -1 where the files name none.
int32_t tokenizer_bos(const Tokenizer *t);
int32_t tokenizer_eos(const Tokenizer *t);
int32_t tokenizer_pad(const Tokenizer *t);
// The id whose piece or special token is exactly `name`, -1 if none.
int32_t tokenizer_id(const Tokenizer *t, const char *name);
// The piece of an id as in the file (NUL-terminated, owned by t), NULL out of range.
const char *tokenizer_piece(const Tokenizer *t, int32_t id);
bool tokenizer_is_special(const Tokenizer *t, int32_t id);

// Special tokens in a text: SPECIAL_TEXT takes their letters as any others (a document cannot inject a control token),
// SPECIAL_PARSE makes them their ids: leftmost, longest; the text between is encoded alone.
typedef enum { SPECIAL_TEXT, SPECIAL_PARSE } SpecialPolicy;
// Replaces the set of special tokens (names and ids), as a test or a checkpoint's own configuration may want.
Err tokenizer_set_specials(Tokenizer *t, const char *const *names, const int32_t *ids, int64_t count);

Err tokenizer_work_open(TokenizerWork **w, const Tokenizer *t);
void tokenizer_work_close(TokenizerWork *w);

// Appends the ids of text[0, size) (any bytes; broken UTF-8 becomes U+FFFD, one a byte) to *out. Time and memory are linear in
// `size`.
Err tokenizer_encode(const Tokenizer *t, TokenizerWork *w, const char *text, size_t size, SpecialPolicy special, Ids *out);
// As above, with what the model's post-processor adds (bos, eos, template).
Err tokenizer_encode_special(const Tokenizer *t, TokenizerWork *w, const char *text, size_t size, SpecialPolicy special,
                             Ids *out);
// Appends the text as the model's own normaliser leaves it, before it is cut (spaces are U+2581). ERR_ARG unless t is a
// SentencePiece model.
Err tokenizer_normalize(const Tokenizer *t, const char *text, size_t size, Bytes *out);
// Appends the text of the ids. keep_special: the names of special tokens are written, else left out. An id out of range:
// ERR_ARG names it and its place.
Err tokenizer_decode(const Tokenizer *t, TokenizerWork *w, const int32_t *id, int64_t count, bool keep_special, Bytes *out);

#endif
