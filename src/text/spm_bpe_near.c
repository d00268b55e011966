// Which characters are neighbours in tokens, and how tokens begin.
#include <stdlib.h>
#include <string.h>

#include "base/large.h"
#include "text/spm_bpe.h"

// Pairs of characters on their way into `near`, found by their hash.
typedef struct {
  uint32_t *slot;  // 0: empty
  int shift;
} Found;

static Err place_near(Bpe *b, uint64_t *hash, uint32_t *place, bool *placed) {
  uint32_t pairs = b->near_count;
  CHECK(hash && place, ERR_MEMORY, "no memory to place %u pairs of characters", pairs);
  for (uint32_t k = 0; k < pairs; k++) hash[k] = bpe_near_hash(b->near[k + 1].pair);
  TRY(places_init(&b->near_places, hash, pairs, place, placed));
  b->near_cell = calloc(b->near_places.size, sizeof *b->near_cell);
  CHECK(b->near_cell, ERR_MEMORY, "no memory to place %u pairs of characters", pairs);
  for (uint32_t k = 0; k < pairs && *placed; k++) b->near_cell[place[k]] = bpe_near_mark(hash[k]) | (k + 1);
  return ERR_OK;
}

static Err index_near(Bpe *b) {
  uint64_t *hash = malloc((b->near_count + (size_t)1) * sizeof *hash);
  uint32_t *place = malloc((b->near_count + (size_t)1) * sizeof *place);
  bool placed = false;
  Err err = place_near(b, hash, place, &placed);
  free(hash);
  free(place);
  b->whole |= !placed;
  return err;
}

static uint32_t word_of(const Bpe *b, uint32_t character) {
  char text[4] = {0};
  memcpy(text, b->text[character].data, b->text[character].size);
  return utf8_word(text);
}

static uint64_t pair_of(const Bpe *b, const uint32_t *character) {
  return (uint64_t)word_of(b, character[0]) << 32 | word_of(b, character[1]);
}

// Puts the characters that a token is joined across. Tokens come in the order of their times, so the first has the least.
static void put_near(Bpe *b, Found *found, uint64_t pair, uint32_t time) {
  uint64_t slots = (uint64_t)1 << (64 - found->shift);
  for (uint64_t i = bpe_near_hash(pair) >> found->shift;; i = (i + 1) & (slots - 1)) {
    if (!found->slot[i]) {
      found->slot[i] = ++b->near_count;
      b->near[b->near_count] = (BpeNear){pair, time, BPE_NONE};
      return;
    }
    if (b->near[found->slot[i]].pair == pair) return;
  }
}

static Err find_near(Bpe *b, const BpeSpelling *spelling) {
  size_t tokens = b->whole ? 0 : b->merged_count, near_bytes = (tokens + 1) * sizeof *b->near;
  int bits = 1;
  while ((size_t)1 << bits < 2 * tokens) bits++;
  size_t begin_bytes = (tokens + 1) * sizeof *b->begin;
  TRY(arena_init(&b->near_memory, "neighbouring characters", near_bytes + begin_bytes + 64));
  b->near = arena_take(&b->near_memory, near_bytes);
  b->begin = arena_take(&b->near_memory, begin_bytes);
  memset(b->begin, 0, begin_bytes);
  b->near[0] = (BpeNear){.token = BPE_NONE};
  Found found = {calloc_large((size_t)1 << bits, sizeof *found.slot), 64 - bits};
  CHECK(found.slot, ERR_MEMORY, "no memory for %zu pairs of characters", tokens);
  for (uint32_t s = 0; s < tokens; s++) {
    if (!b->token[s].length) continue;
    size_t border = spelling->first[s] + b->token[b->token[s].left].length;
    const uint32_t *character = spelling->symbol + border - 1;
    if ((spelling->user[character[0] - b->merged_count] | spelling->user[character[1] - b->merged_count]) & BPE_IS_USER)
      continue;
    put_near(b, &found, pair_of(b, character), bpe_time(b, s));
  }
  free(found.slot);
  return index_near(b);
}

static Err build_trie(Bpe *b) {
  TrieKey *key = malloc_large((b->merged_count + (size_t)1) * sizeof *key);
  CHECK(key, ERR_MEMORY, "no memory for %u pieces", b->merged_count);
  size_t count = 0;
  for (uint32_t s = 0; s < b->merged_count; s++)
    if (b->token[s].length) key[count++] = (TrieKey){b->text[s].data, b->text[s].size, (int32_t)s};
  Err err = trie_build(&b->trie, key, count);
  free(key);
  return err;
}

static uint32_t node_of(const Bpe *b, uint32_t node, SpmText t) {
  for (size_t i = 0; i < t.size; i++) node = trie_step(&b->trie, node, (uint8_t)t.data[i]);
  return node;
}

// What tokens begin with two characters.
static void read_beginnings(Bpe *b, const BpeSpelling *spelling) {
  for (uint32_t s = 0; s < b->merged_count; s++) {
    BpeToken *token = &b->token[s];
    if (!token->length) continue;
    const uint32_t *character = spelling->symbol + spelling->first[s];
    uint32_t near = bpe_near(b, pair_of(b, character));
    BpeBegin *begin = &b->begin[near];
    token->shorter = character[0];
    if (!near) continue;
    if (!begin->node) begin->node = node_of(b, node_of(b, 0, b->text[character[0]]), b->text[character[1]]);
    if (token->length == 2) b->near[near].token = s;
    else begin->third |= (uint64_t)1 << (character[2] & 63);
  }
}

// The longest token that each begins with: the next above it in the trie that is one.
static void read_shorter(Bpe *b) {
  const TrieNode *node = b->trie.node;
  for (uint32_t i = 0; i < b->trie.count; i++) {
    if (node[i].value < 0) continue;
    int32_t above = node[i].parent;
    while (above > 0 && node[above].value < 0) above = node[above].parent;
    if (above > 0) b->token[node[i].value].shorter = (uint32_t)node[above].value;
  }
}

Err bpe_find_neighbours(Bpe *b, const BpeSpelling *spelling) {
  TRY(find_near(b, spelling));
  if (b->whole) return ERR_OK;
  TRY(build_trie(b));
  read_beginnings(b, spelling);
  read_shorter(b);
  return ERR_OK;
}
