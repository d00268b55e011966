// Tokens: the pieces that encode to themselves, and how; the tables that tell which may stand side by side.
#include <stdlib.h>
#include <string.h>

#include "text/spm_bpe.h"

static Err read_characters(const Bpe *b, BpeJoining *j, SpmText t, uint32_t *count) {
  uint32_t n = 0;
  TRY(bpe_joining_reserve(j, (uint32_t)t.size + 1));
  for (size_t i = 0, length; i < t.size; i += length) j->symbol[n++] = bpe_cell(b, t.data + i, t.size - i, &length);
  *count = n;
  return ERR_OK;
}

// Encodes each piece: which are tokens, and the pair that each is joined of last.
static Err encode_pieces(Bpe *b, BpeJoining *j, uint64_t *item, uint32_t *items) {
  for (uint32_t s = 0; s < b->symbol_count; s++) {
    b->token[s] = (BpeToken){BPE_NONE, BPE_NONE, BPE_NONE, s < b->merged_count ? 0 : 1};
    if (s >= b->merged_count) continue;
    uint32_t n = 0;
    TRY(read_characters(b, j, b->text[s], &n));
    bpe_join_all(b, j, n);
    if (j->next[0] != UINT32_MAX || j->symbol[0] != s) continue;
    item[(*items)++] = (uint64_t)j->left << 42 | (uint64_t)j->right << 21 | s;
    b->token[s] = (BpeToken){j->left, j->right, BPE_NONE, n};
    b->whole |= bpe_time(b, j->left) > bpe_time(b, s) || bpe_time(b, j->right) > bpe_time(b, s);
    if (n > b->longest) b->longest = n;
  }
  return ERR_OK;
}

static Err build_trie(Bpe *b) {
  TrieKey *key = malloc((b->merged_count + 1) * sizeof *key);
  CHECK(key, ERR_MEMORY, "no memory for %u pieces", b->merged_count);
  size_t count = 0;
  for (uint32_t s = 0; s < b->merged_count; s++)
    if (b->token[s].length) key[count++] = (TrieKey){b->text[s].data, b->text[s].size, (int32_t)s};
  Err err = trie_build(&b->trie, key, count);
  free(key);
  return err;
}

// ---- neighbouring characters

static uint32_t first_of(const Bpe *b, SpmText t) {
  size_t length;
  return bpe_cell(b, t.data, t.size, &length);
}

static uint32_t last_of(const Bpe *b, SpmText t) {
  size_t i = t.size - 1, length;
  while (((uint8_t)t.data[i] & 0xc0) == 0x80) i--;
  return bpe_cell(b, t.data + i, t.size - i, &length);
}

static int by_key(const void *a, const void *b) {
  const uint64_t *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

static int by_time(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a & 0x3fffff, y = *(const uint64_t *)b & 0x3fffff;
  return (x > y) - (x < y);
}

static Err place_near(Bpe *b, uint32_t pairs, uint64_t *hash, uint32_t *place, bool *placed) {
  CHECK(hash && place, ERR_MEMORY, "no memory to place %u pairs of characters", pairs);
  for (uint32_t k = 0; k < pairs; k++) hash[k] = bpe_near_hash(b->near[k + 1].key >> 22);
  TRY(places_init(&b->near_places, hash, pairs, place, placed));
  b->near_cell = calloc(b->near_places.size, sizeof *b->near_cell);
  CHECK(b->near_cell, ERR_MEMORY, "no memory to place %u pairs of characters", pairs);
  for (uint32_t k = 0; k < pairs && *placed; k++) b->near_cell[place[k]] = bpe_near_mark(hash[k]) | (k + 1);
  return ERR_OK;
}

// Makes the table of the keys' pairs, each with its least time.
static Err index_near(Bpe *b, uint64_t *key, uint32_t count) {
  qsort(key, count, sizeof *key, by_key);
  uint32_t pairs = 0;
  for (uint32_t k = 0; k < count; k++)
    if (k == 0 || key[k] >> 22 != key[k - 1] >> 22) key[pairs++] = key[k];
  qsort(key, pairs, sizeof *key, by_time);
  size_t bytes = (pairs + 1) * sizeof *b->near;
  TRY(arena_init(&b->near_memory, "neighbouring characters", bytes));
  b->near = arena_take(&b->near_memory, bytes);
  b->near_count = pairs;
  b->near[0] = (BpeNear){.key = BPE_NEAR_FREE, .token = BPE_NONE};
  for (uint32_t k = 0; k < pairs; k++) b->near[k + 1] = (BpeNear){.key = key[k], .token = BPE_NONE};
  uint64_t *hash = malloc((pairs + 1) * sizeof *hash);
  uint32_t *place = malloc((pairs + 1) * sizeof *place);
  bool placed = false;
  Err err = place_near(b, pairs, hash, place, &placed);
  free(hash);
  free(place);
  b->whole |= !placed;
  return err;
}

// Walks each token through the trie: the shorter tokens that it begins with, and what stands for its first two characters.
static void read_beginnings(Bpe *b) {
  for (uint32_t s = 0; s < b->merged_count; s++) {
    BpeToken *token = &b->token[s];
    if (!token->length) continue;
    SpmText t = b->text[s];
    size_t first = utf8_announced(t.data[0]), two = first + utf8_announced(t.data[first]);
    uint64_t second = first_of(b, (SpmText){t.data + first, t.size - first});
    BpeNear *near = &b->near[bpe_near(b, (uint64_t)first_of(b, t) << 21 | second)];
    if (two == t.size) near->token = s;
    else near->third |= (uint64_t)1 << (first_of(b, (SpmText){t.data + two, t.size - two}) & 63);
    token->shorter = first_of(b, t);
    uint32_t node = 0;
    for (size_t i = 0; i < t.size; i++) {
      node = trie_step(&b->trie, node, (uint8_t)t.data[i]);
      int32_t value = b->trie.node[node].value;
      if (i + 1 < t.size && value >= 0) token->shorter = (uint32_t)value;
      if (i + 1 == two) near->node = node;
    }
  }
}

static Err find_neighbours(Bpe *b) {
  uint64_t *key = malloc((b->merged_count + 1) * sizeof *key);
  CHECK(key, ERR_MEMORY, "no memory for %u pieces", b->merged_count);
  uint32_t count = 0;
  for (uint32_t s = 0; s < b->merged_count && !b->whole; s++) {
    const BpeToken *t = &b->token[s];
    if (!t->length) continue;
    uint64_t left = last_of(b, b->text[t->left]), right = first_of(b, b->text[t->right]);
    key[count++] = left << 43 | right << 22 | bpe_time(b, s);
  }
  Err err = index_near(b, key, count);
  free(key);
  return err;
}

static Err find_tokens(Bpe *b, BpeJoining *j, uint64_t *item) {
  uint32_t items = 0;
  CHECK(item && b->token, ERR_MEMORY, "no memory for %u pieces", b->symbol_count);
  TRY(encode_pieces(b, j, item, &items));
  return bpe_index_pairs(b, item, items);
}

Err bpe_find_tokens(Bpe *b) {
  b->longest = 1;
  b->whole = b->unused != NULL;
  if (!b->whole) {
    BpeJoining j = {0};
    uint64_t *item = malloc((b->merged_count + 1) * sizeof *item);
    b->token = malloc((b->symbol_count + 1) * sizeof *b->token);
    Err err = find_tokens(b, &j, item);
    bpe_joining_free(&j);
    free(item);
    if (err) return err;
  }
  TRY(find_neighbours(b));
  if (b->whole) return ERR_OK;
  TRY(build_trie(b));
  read_beginnings(b);
  return ERR_OK;
}
