// What a model format gives to the common front (tokenizer.c). Internal to text/.
//
// tokenizer.c finds the file, decides the format by its bytes, reads the configurations beside it, and calls these. A model is
// read once and never changes after tokenizer_set_specials; all that encoding needs to write lies in the work of the calling
// thread.
#ifndef TEXT_TOKENIZER_BACKEND_H
#define TEXT_TOKENIZER_BACKEND_H

#include "text/tokenizer.h"

typedef struct {
  const char *(*kind)(const void *model);                                     // "sentencepiece bpe", ...
  int64_t (*vocab)(const void *model);                                        // ids are 0 .. vocab - 1; holes are allowed
  int32_t (*find)(const void *model, const char *name, size_t size);          // the id of a piece or added token, -1 if none
  const char *(*piece)(const void *model, int32_t id);                        // NULL for a hole or out of range
  bool (*is_special)(const void *model, int32_t id);                          // of the present set
  void (*ends)(const void *model, int32_t *bos, int32_t *eos, int32_t *pad);  // -1 where the file names none
  Err (*set_specials)(void *model, const char *const *names, const int32_t *ids, int64_t count);

  Err (*work_open)(const void *model, void **work);
  void (*work_close)(void *work);

  // The contracts of tokenizer_encode, tokenizer_encode_special and tokenizer_decode: the whole text, special tokens included.
  // They append to *out; on an error *out may hold a part.
  Err (*encode)(const void *model, void *work, const char *text, size_t size, SpecialPolicy special, Ids *out);
  Err (*encode_special)(const void *model, void *work, const char *text, size_t size, SpecialPolicy special, Ids *out);
  // The text as the model sees it; NULL where the format has no single such form.
  Err (*normalize)(const void *model, const char *text, size_t size, Bytes *out);
  Err (*decode)(const void *model, void *work, const int32_t *id, int64_t count, bool keep_special, Bytes *out);

  void (*close)(void *model);
} TokenizerBackend;

// Each makes a model of the bytes [data, data + size); nothing of them is kept. `path` is for messages. On an error *model is
// NULL.
Err spm_open(const TokenizerBackend **backend, void **model, const char *path, const void *data, size_t size);
Err hf_tokenizer_open(const TokenizerBackend **backend, void **model, const char *path, const void *data, size_t size);

#endif
