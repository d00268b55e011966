// SentencePiece's normaliser: rules of replacement, white space, the dummy prefix, broken UTF-8.
//
// At each place: a user-defined piece stays as it is; else the longest rule of the precompiled map replaces what it matches;
// else one character is copied, or U+FFFD for one byte that begins none. Then spaces become U+2581, runs of them one, as the
// model says. Source: the semantics of normalizer.cc of SentencePiece 0.2.3; the map is a darts-clone double array and the
// strings it points at.
#ifndef TEXT_SPM_NORMALIZER_H
#define TEXT_SPM_NORMALIZER_H

#include <stdbool.h>

#include "text/spm_proto.h"
#include "text/tokenizer_backend.h"
#include "text/trie.h"

typedef struct {
  uint32_t *unit;  // the map's double array; NULL: no map
  size_t unit_count;
  char *strings;  // what rules give, NUL after each
  size_t strings_size;
  bool rules[256];  // first bytes that some rule or user-defined piece begins with
  bool add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces, suffix;
  const Trie *user;  // user-defined pieces; borrowed, may be NULL
  bool plain;        // nothing but spaces and broken UTF-8 changes
} SpmNormalizer;

// Where a text stands; start as {0}.
typedef struct {
  size_t at;     // bytes of the text read
  int64_t held;  // space symbols seen and not written: they fall away if the text ends here
  bool begun, after_space, done;
} SpmNormalizing;

// `suffix`: the dummy prefix goes to the end. ERR_FORMAT: a map that is not one.
Err spm_normalizer_init(SpmNormalizer *n, const SpmNormalizerSpec *spec, const Trie *user, bool suffix, const char *path);
void spm_normalizer_free(SpmNormalizer *n);

// Appends to *out the normal form of text[0, size) from s->at on, until at least `limit` more bytes are there or the text is
// read (s->done). The parts together do not depend on the limits. Linear.
Err spm_normalize(const SpmNormalizer *n, SpmNormalizing *s, const char *text, size_t size, size_t limit, Bytes *out);

#endif
