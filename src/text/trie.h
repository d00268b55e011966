// A set of byte strings with a number each, as a double array: a step from node to node costs one memory access.
//
// Node 0 is the root. From node s the byte c leads to t = base[s] ^ c, if parent[t] == s. (Aoe 1989, "An efficient digital
// search algorithm by using a double-array structure"; the exclusive or keeps the children of a node within one block of 256.)
#ifndef TEXT_TRIE_H
#define TEXT_TRIE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct {
  uint32_t base;
  int32_t parent;  // -1: free
  int32_t value;   // of the string that ends here, -1 if none
} TrieNode;

typedef struct {
  TrieNode *node;
  uint32_t count;  // a multiple of 256; 0: the empty set
} Trie;

typedef struct {
  const char *text;  // any bytes, at least one
  size_t size;
  int32_t value;  // >= 0
} TrieKey;

// Builds the trie; keys are sorted in place. Of equal keys the one with the smallest value counts. No keys: the empty set.
// ERR_MEMORY. Time and memory are linear in the bytes of the keys.
Err trie_build(Trie *t, TrieKey *key, size_t count);
void trie_free(Trie *t);

// The node that byte c leads to from node s, or 0 (the root is nobody's child). Not for the empty set.
static inline uint32_t trie_step(const Trie *t, uint32_t s, uint8_t c) {
  uint32_t next = t->node[s].base ^ c;
  return t->node[next].parent == (int32_t)s ? next : 0;
}

// The value and length of the longest string that begins text[0, size); -1 and 0 if none does.
int32_t trie_longest(const Trie *t, const char *text, size_t size, size_t *length);

#endif
