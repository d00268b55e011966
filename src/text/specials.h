// A set of special tokens: names found in a text, and ids known as special.
#ifndef TEXT_SPECIALS_H
#define TEXT_SPECIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "text/trie.h"

typedef struct {
  char *name;  // owned, NUL-terminated
  size_t size;
  int32_t id;
} Special;

typedef struct {
  Special *token;  // sorted by id
  int64_t count;
  Trie names;        // value: index of the token
  bool begins[256];  // the first bytes of the names
} Specials;

// Replaces the set by copies of the names. ERR_ARG: an empty name, a name or an id twice, an id outside 0 .. vocab - 1.
Err specials_set(Specials *s, const char *const *names, const int32_t *ids, int64_t count, int64_t vocab);
void specials_free(Specials *s);
// The token with this id, NULL if it is not special.
const Special *specials_of(const Specials *s, int32_t id);
// The first place at or after `from` where a name stands, the longest one there; NULL if there is none. Linear in the distance
// (times the longest name).
const Special *specials_find(const Specials *s, const char *text, size_t size, size_t from, size_t *at);

#endif
