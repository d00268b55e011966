// The merge engine of byte pair encoding: symbols of a word are joined, the pair of least rank first, of equal ranks the
// leftmost.
//
// A BpeTable is made once and shared by threads; what a merge writes lies in a BpeWork of the calling thread. Short words are
// scanned; long ones go through a queue with a list a rank: O(n) steps for n symbols where ranks follow the order in which
// pairs can come to be, as trained merges do, O(n log n) for any table. Ids are those of the caller and must be >= 0. Source:
// Sennrich, Haddow, Birch 2016 (merges by rank); the order of ties is that of SentencePiece and of Hugging Face tokenizers.
#ifndef TEXT_BPE_H
#define TEXT_BPE_H

#include <stdint.h>

#include "base/err.h"

typedef struct {
  int32_t left, right;  // left < 0: an empty slot
  int32_t rank, merged;
} BpeEntry;

typedef struct {
  BpeEntry *slot;
  uint64_t mask;  // slots - 1
  int64_t count;
  int32_t ranks;  // 1 + the greatest rank
} BpeTable;

// Room for `count` pairs; it grows when there are more. ERR_MEMORY.
Err bpe_table_init(BpeTable *t, int64_t count);
void bpe_table_free(BpeTable *t);
// `left` followed by `right` becomes `merged`, at `rank` (>= 0, may repeat). A pair added again takes its new rank.
Err bpe_table_add(BpeTable *t, int32_t left, int32_t right, int32_t rank, int32_t merged);

static inline uint64_t bpe_hash(int32_t left, int32_t right) {
  uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
  return h ^ h >> 29;
}

// NULL if the pair does not merge.
static inline const BpeEntry *bpe_find(const BpeTable *t, int32_t left, int32_t right) {
  for (uint64_t at = bpe_hash(left, right);; at++) {
    const BpeEntry *e = &t->slot[at & t->mask];
    if (e->left == left && e->right == right) return e;
    if (e->left < 0) return NULL;
  }
}

typedef struct BpeQueue BpeQueue;
typedef struct {
  BpeQueue *queue;  // made for the first long word
} BpeWork;

void bpe_work_free(BpeWork *w);

// Merges id[0, *count) in place; *count becomes the number of symbols left. *w starts as {0}. ERR_ARG above 2^31 symbols.
Err bpe_merge(const BpeTable *t, BpeWork *w, int32_t *id, int64_t *count);

#endif
