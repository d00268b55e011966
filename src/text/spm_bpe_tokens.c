// Tokens: the pieces that encode to themselves, and how. The shortest pieces first: whatever the scores, a piece is only ever
// joined of the pair that encoding its own text ends with, so what is joined within a piece is told by the shorter ones' pairs.
#include <stdlib.h>
#include <string.h>

#include "base/large.h"
#include "text/spm_bpe.h"

enum {
  FEW = 32,      // characters: the best of the pairs of more is found by a heap
  AHEAD = 8,     // tokens: their places are asked for before they are written
  AT_ONCE = 64,  // pairs of characters
};

typedef struct {
  Bpe *b;
  const BpeSpelling *spelling;
  uint32_t *order;  // the pieces, those of the fewest characters first
  uint32_t *join;   // of each character of the spelling: what it and the next join to
  BpeJoining joining;
} Finding;

static uint32_t length_of(const BpeSpelling *spelling, uint32_t s) {
  return (uint32_t)(spelling->first[s + 1] - spelling->first[s]);
}

static uint32_t rank_of(const Bpe *b, uint32_t join) { return join == BPE_NONE ? UINT32_MAX : bpe_rank(b, join); }

// Joins the n symbols, 3 to FEW, until two are left or none joins; returns how many are left. join: of their pairs.
static uint32_t join_few(const Bpe *b, uint32_t *symbol, uint32_t *join, uint32_t n) {
  uint32_t rank[FEW] = {0};
  for (uint32_t i = 0; i + 1 < n; i++) rank[i] = rank_of(b, join[i]);
  while (n > 2) {
    uint32_t best = 0;
    for (uint32_t i = 1; i + 1 < n; i++) best = rank[i] < rank[best] ? i : best;
    if (join[best] == BPE_NONE) return n;
    symbol[best] = join[best];
    n--;
    for (uint32_t i = best + 1; i < n; i++) {
      symbol[i] = symbol[i + 1];
      join[i] = join[i + 1];
      rank[i] = rank[i + 1];
    }
    for (uint32_t i = best ? best - 1 : 0; i <= best && i + 1 < n && n > 2; i++) {
      join[i] = bpe_join(b, symbol[i], symbol[i + 1]);
      rank[i] = rank_of(b, join[i]);
    }
  }
  return n;
}

// The pair that joining a piece's characters ends with; false if more than two symbols are left.
static Err find_pair(Finding *f, uint32_t s, uint32_t n, uint32_t *pair, bool *found) {
  const uint32_t *character = f->spelling->symbol + f->spelling->first[s], *join = f->join + f->spelling->first[s];
  BpeJoining *j = &f->joining;
  if (n == 2) {
    *found = true;
    pair[0] = character[0], pair[1] = character[1];
    return ERR_OK;
  }
  if (n <= FEW) {
    uint32_t few[FEW] = {0}, few_join[FEW] = {0};
    for (uint32_t i = 0; i < n; i++) few[i] = character[i], few_join[i] = join[i];
    *found = join_few(f->b, few, few_join, n) == 2;
    pair[0] = few[0], pair[1] = few[1];
    return ERR_OK;
  }
  TRY(bpe_joining_reserve(j, n));
  memcpy(j->symbol, character, n * sizeof *j->symbol);
  bpe_join_all(f->b, j, n);
  *found = j->next[j->next[0]] == UINT32_MAX;
  pair[0] = j->symbol[0], pair[1] = j->symbol[j->next[0]];
  return ERR_OK;
}

static Err find_token(Finding *f, uint32_t s, uint32_t n) {
  Bpe *b = f->b;
  uint32_t pair[2];
  bool found;
  TRY(find_pair(f, s, n, pair, &found));
  b->token[s] = (BpeToken){BPE_NONE, BPE_NONE, BPE_NONE, 0};
  if (!found) return ERR_OK;
  b->token[s] = (BpeToken){pair[0], pair[1], BPE_NONE, n};
  b->whole |= bpe_time(b, pair[0]) > bpe_time(b, s) || bpe_time(b, pair[1]) > bpe_time(b, s);
  b->longest = n;
  return ERR_OK;
}

static void put_tokens(Bpe *b, const uint32_t *order, uint32_t count) {
  for (uint32_t k = 0; k < count; k++) {
    if (k + AHEAD < count) {
      BpeToken next = b->token[order[k + AHEAD]];
      __builtin_prefetch(&b->pair[bpe_pair_slot(b, bpe_mix((uint64_t)next.left << 21 | next.right))], 1);
    }
    BpeToken token = b->token[order[k]];
    if (token.length) bpe_pair_put(b, token.left, token.right, order[k]);
  }
}

// Looks up the pairs of characters once the pieces of two are there.
static void join_characters(Finding *f) {
  const uint32_t *symbol = f->spelling->symbol;
  size_t count = f->spelling->first[f->b->merged_count], found[AT_ONCE] = {0};
  for (size_t begin = 0; begin + 1 < count; begin += AT_ONCE) {
    size_t end = begin + AT_ONCE < count - 1 ? begin + AT_ONCE : count - 1, n = 0;
    for (size_t i = begin; i < end; i++) {
      uint64_t mixed = bpe_mix((uint64_t)symbol[i] << 21 | symbol[i + 1]), bit = mixed >> f->b->pair_shift;
      f->join[i] = BPE_NONE;
      __builtin_prefetch(&f->b->pair[bpe_pair_slot(f->b, mixed)]);
      found[n] = i;
      n += f->b->pair_bits[bit >> 6] >> (bit & 63) & 1;
    }
    for (size_t k = 0; k < n; k++) f->join[found[k]] = bpe_join(f->b, symbol[found[k]], symbol[found[k] + 1]);
  }
}

static void order_by_length(const Bpe *b, const BpeSpelling *spelling, uint32_t *order) {
  uint32_t end[SPM_PIECE_BYTES_MAX + 2] = {0};
  for (uint32_t s = 0; s < b->merged_count; s++) end[length_of(spelling, s) + 1]++;
  for (int n = 1; n < SPM_PIECE_BYTES_MAX + 2; n++) end[n] += end[n - 1];
  for (uint32_t s = 0; s < b->merged_count; s++) order[end[length_of(spelling, s)]++] = s;
}

static Err find_tokens(Finding *f) {
  Bpe *b = f->b;
  CHECK(f->order && f->join && b->token, ERR_MEMORY, "no memory for %u pieces", b->symbol_count);
  TRY(bpe_pairs_open(b, b->merged_count));
  order_by_length(b, f->spelling, f->order);
  for (uint32_t s = b->merged_count; s < b->symbol_count; s++) b->token[s] = (BpeToken){BPE_NONE, BPE_NONE, BPE_NONE, 1};
  bool looked = false;
  for (uint32_t begin = 0, end = 0; begin < b->merged_count; begin = end) {
    uint32_t n = length_of(f->spelling, f->order[begin]);
    if (n > 2 && !looked) join_characters(f);
    looked = n > 2;
    for (; end < b->merged_count && length_of(f->spelling, f->order[end]) == n; end++) TRY(find_token(f, f->order[end], n));
    put_tokens(b, f->order + begin, end - begin);
  }
  return ERR_OK;
}

Err bpe_find_tokens(Bpe *b, const BpeSpelling *spelling) {
  Finding f = {.b = b, .spelling = spelling};
  f.order = calloc_large(b->merged_count + (size_t)1, sizeof *f.order);
  f.join = calloc_large(spelling->first[b->merged_count] + 1, sizeof *f.join);
  b->token = malloc_large((b->symbol_count + (size_t)1) * sizeof *b->token);
  Err err = find_tokens(&f);
  bpe_joining_free(&f.joining);
  free(f.order);
  free(f.join);
  return err;
}
