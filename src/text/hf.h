// A Hugging Face tokenizer.json in memory. Internal to text/: hf_read.c fills it, hf_encode.c and hf_decode.c use it.
//
// The way of a text: added tokens are cut out (hf_added), what lies between is normalised (hf_normalize), added tokens that
// want normalised text are cut out of that, the rest is cut into words (hf_pretoken), and each word is merged (hf_model).
// `truncation` and `padding` of the file are not for this library's callers and are ignored. Source of the semantics: Hugging
// Face tokenizers 0.23.3.
#ifndef TEXT_HF_H
#define TEXT_HF_H

#include "base/json.h"
#include "text/bpe.h"
#include "text/hf_regex.h"
#include "text/strmap.h"
#include "text/tokenizer_backend.h"
#include "text/trie.h"

enum { HF_STEPS_MAX = 16 };  // of a chain of normalizers, pre-tokenizers or decoders, sequences within sequences included

// ---- normalizer
typedef enum { HF_NFC, HF_NFD, HF_NFKC, HF_NFKD, HF_LOWERCASE, HF_STRIP, HF_PREPEND, HF_REPLACE } HfNormalizerKind;
typedef struct {
  HfNormalizerKind kind;
  bool left, right;  // HF_STRIP
  HfRegex *regex;    // HF_REPLACE
  char *text;        // what is prepended, or put in place
  size_t size;
} HfNormalizer;

// ---- pre-tokenizer
typedef enum { HF_ISOLATED, HF_REMOVED, HF_MERGED_WITH_PREVIOUS, HF_MERGED_WITH_NEXT, HF_CONTIGUOUS } HfBehavior;
typedef enum { HF_SPLIT, HF_BYTE_LEVEL, HF_METASPACE } HfPretokenKind;
typedef enum { HF_ALWAYS, HF_FIRST, HF_NEVER } HfPrepend;
typedef struct {
  HfPretokenKind kind;
  HfRegex *regex;               // HF_SPLIT; HF_METASPACE: of the replacement
  HfBehavior behavior;          // HF_SPLIT
  bool invert;                  // HF_SPLIT
  bool add_space, use_pattern;  // HF_BYTE_LEVEL
  HfPrepend prepend;            // HF_METASPACE
  bool split;                   // HF_METASPACE
  char text[8];                 // HF_METASPACE: the replacement
  size_t size;
} HfPretoken;

// ---- decoder
typedef enum { HF_D_BYTE_LEVEL, HF_D_REPLACE, HF_D_BYTE_FALLBACK, HF_D_FUSE, HF_D_STRIP, HF_D_METASPACE } HfDecoderKind;
typedef struct {
  HfDecoderKind kind;
  HfRegex *regex;  // HF_D_REPLACE
  char *text;      // HF_D_REPLACE: the content
  size_t size;
  uint32_t letter;      // HF_D_STRIP, HF_D_METASPACE
  int64_t start, stop;  // HF_D_STRIP
  bool prefixed;        // HF_D_METASPACE: the first token lost a prefix
} HfDecoder;

// ---- added tokens
typedef struct {
  char *text;
  size_t size;
  char *decoded;  // the normalised text where it differs, else `text` itself
  size_t decoded_size;
  int32_t id;
  bool special, single_word, lstrip, rstrip, normalized;
} HfAdded;

typedef struct {
  Trie trie;
  bool first[256];  // bytes that one begins with
  int only;         // the only such byte, -1 if several, -2 if none
} HfTrie;

// ---- model
typedef struct {
  StrMap vocab;      // item: piece; value: id
  int64_t *item_of;  // [ids]: index of the piece in vocab, -1 for a hole
  BpeTable merges;   // rank: place in the list
  BpeTable joints;   // pairs of first symbols that some merge may join: words are cut between all others
  int32_t unk;       // -1 if none
  bool has_unk_name, fuse_unk, byte_fallback, ignore_merges;
  int32_t byte_piece[256];  // "<0x0A>", -1 if none
  bool byte_level;          // words come as bytes, each standing for its byte-level character
  int32_t byte_first[256];  // byte_level: the id of the byte's character, -1 if none
  StrMap byte_words;        // byte_level, ignore_merges: pieces as bytes
  int32_t *char_first;      // [HF_CHARS]: the id of a character of the basic plane, -1 if none
} HfModel;
enum { HF_CHARS = 0x10000 };

typedef struct {
  int32_t *before, *after;  // what the post-processor puts around a text
  int64_t n_before, n_after;
} HfTemplate;

typedef struct {
  char *path;
  HfNormalizer normalizer[HF_STEPS_MAX];
  int n_normalizers;
  HfPretoken pretoken[HF_STEPS_MAX];
  int n_pretokens;
  HfDecoder decoder[HF_STEPS_MAX];
  int n_decoders;
  bool has_decoder;
  HfModel model;
  HfTemplate template;
  HfAdded *added;
  int64_t n_added;
  int32_t *added_of;       // [ids]: index of the added token, -1 if none
  HfTrie raw, normalized;  // of added tokens: values are n_added - 1 - index
  int64_t ids;             // 1 + the greatest id
} Hf;

// ---- what a thread writes to
typedef struct {
  size_t *end;  // of each token in its Bytes
  int64_t count, capacity;
} HfEnds;

typedef struct HfCache HfCache;
typedef struct {
  HfMatch *match;
  BpeWork bpe;
  Bytes valid;               // the text with broken UTF-8 mended
  Bytes normal[2];           // normalisation, from one to the other
  Bytes step[HF_STEPS_MAX];  // text that a pre-tokenizer changed
  Ids first;                 // first symbols of a word
  HfCache *cache;            // words merged lately
  uint32_t *codes;           // normalisation forms
  int64_t n_codes;
  Bytes list[2];  // decoding, from one to the other
  HfEnds ends[2];
} HfWork;

// ---- reading (each: the member of the root, may be NULL or null; `where` names it)
Err hf_read_normalizer(Hf *hf, const json_t *node, const char *where);
Err hf_read_pretokenizer(Hf *hf, const json_t *node, const char *where);
Err hf_read_decoder(Hf *hf, const json_t *node, const char *where);
Err hf_read_model(Hf *hf, const json_t *node, const char *where);
Err hf_read_template(Hf *hf, const json_t *node, const char *where);
Err hf_read_added(Hf *hf, const json_t *node, const char *where);
void hf_normalizer_free(HfNormalizer *n);
void hf_decoder_free(HfDecoder *d);
void hf_model_free(HfModel *m);
void hf_free(Hf *hf);

// "type" of an object, for the readers. ERR_FORMAT if there is none.
Err hf_type(const json_t *node, const char *where, const char **type);
// {"String": ...} or {"Regex": ...} of `key`.
Err hf_read_pattern(const json_t *node, const char *key, const char *where, HfRegex **regex);
// The member as a copy with its size (it may hold NUL).
Err hf_read_text(const json_t *node, const char *key, const char *where, char **text, size_t *size);

// ---- added tokens
// Makes hf->added_of and the tries; normalised forms are made with `w`. For opening and after a change of the set.
Err hf_added_prepare(Hf *hf, HfWork *w);
void hf_added_free(Hf *hf);
// The next added token in text[*from, size): *added is its index, [*begin, *end) what it takes with the spaces it strips;
// `taken` is where the last one ended. -1: none is left. *from moves on.
void hf_added_next(const Hf *hf, const HfTrie *trie, bool skip_special, const char *text, size_t size, size_t taken,
                   size_t *from, int64_t *added, size_t *begin, size_t *end);

// ---- encoding
// Normalises text[0, size) into *out, which is borrowed from w or is the text itself.
Err hf_normalize(const Hf *hf, HfWork *w, const char *text, size_t size, const char **out, size_t *out_size);
// Cuts text into words and appends their ids; `first`: text begins where the whole input began.
Err hf_pretokenize(const Hf *hf, HfWork *w, const char *text, size_t size, bool first, Ids *out);
// Appends the ids of one word.
Err hf_model_word(const HfModel *m, HfWork *w, const char *text, size_t size, Ids *out);
Err hf_cache_open(HfCache **cache);

// ---- decoding
Err hf_decode(const void *model, void *work, const int32_t *id, int64_t count, bool keep_special, Bytes *out);

#endif
