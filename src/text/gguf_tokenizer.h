// The tokenizer in a GGUF file's key-values, as the file it once was: a tokenizer.json (tokenizer.ggml.model "gpt2") or a
// SentencePiece .model ("llama", "t5"). Whoever opens a GGUF as a tokenizer reads those bytes with the reader of that format.
//
// Kept: pieces, scores, merges, kinds of tokens, ends, whether a text begins with bos or a space, and the chat template. A GGUF
// does not say how an added token treats the spaces around it; they are left alone. "gpt2" names its pre-tokenizer
// (tokenizer.ggml.pre); the names known are in one table (gguf_pretokens), others are refused by name.
// Errors name the file and the key. Memory: a few times the key-values'.
// Source: ggml's docs/gguf.md; what each name cuts: the tokenizer.json of the models it is named after.
#ifndef TEXT_GGUF_TOKENIZER_H
#define TEXT_GGUF_TOKENIZER_H

#include "base/gguf.h"
#include "base/json.h"
#include "text/tokenizer.h"

// Appends the file's bytes; *name is "tokenizer.json" or "tokenizer.model". ERR_FORMAT: no tokenizer there, or none that is
// read.
Err gguf_tokenizer_file(const Gguf *g, Bytes *out, const char **name);
// Ids of the ends, -1 where the file names none.
Err gguf_tokenizer_ends(const Gguf *g, int32_t *bos, int32_t *eos, int32_t *pad);
// A tokenizer_config.json for beside it: ends, add_bos_token, chat_template. A new object.
Err gguf_tokenizer_config(const Gguf *g, json_t **config);
// Writes both from the file at `path` to a folder.
Err gguf_tokenizer_write(const char *path, const char *folder);

// Puts the key-values of a tokenizer: of whatever tokenizer_open takes, with the chat template beside it. rows: of the
// embedding; those without a token are named [PADn]. ends: bos, eos, pad of the model, for a tokenizer that names none; -1:
// none. ERR_CONFIG: more tokens than rows, or a tokenizer that has no form there.
Err gguf_put_tokenizer(GgufWriter *w, const char *path, int64_t rows, const int64_t ends[3]);

// A pre-tokenizer (and normalizer) by its name in GGUF.
typedef struct {
  const char *names;         // with a space between, the first is the one that is written
  const char *normalizer;    // JSON of a tokenizer.json
  const char *pretokenizer;  // likewise
  bool ignore_merges, add_bos;
} GgufPretoken;
extern const GgufPretoken gguf_pretokens[];  // ended by names NULL
// NULL if the name is not known.
const GgufPretoken *gguf_pretoken_named(GgufText name);

#endif
