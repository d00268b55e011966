// Tokens: the pieces that encode to themselves, and how. The shortest pieces first: whatever the scores, a piece is only ever
// joined of the pair that encoding its own text ends with, so what is joined within a piece is told by the shorter ones' pairs.
#include <stdlib.h>
#include <string.h>

#include "text/spm_bpe.h"

enum { FEW = 32 };  // characters: the best of the pairs of more is found by a heap

// Joins the n symbols, at most FEW, until two are left or none joins; returns how many are left.
static uint32_t join_few(const Bpe *b, uint32_t *symbol, uint32_t n) {
  uint32_t join[FEW], rank[FEW];
  for (uint32_t i = 0; i + 1 < n; i++) {
    join[i] = bpe_join(b, symbol[i], symbol[i + 1]);
    rank[i] = join[i] == BPE_NONE ? UINT32_MAX : bpe_rank(b, join[i]);
  }
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
    for (uint32_t i = best ? best - 1 : 0; i <= best && i + 1 < n; i++) {
      join[i] = bpe_join(b, symbol[i], symbol[i + 1]);
      rank[i] = join[i] == BPE_NONE ? UINT32_MAX : bpe_rank(b, join[i]);
    }
  }
  return n;
}

// The pair that joining n characters ends with; false if more than two symbols are left.
static Err find_pair(const Bpe *b, BpeJoining *j, const uint32_t *character, uint32_t n, uint32_t *pair, bool *found) {
  if (n <= FEW) {
    uint32_t symbol[FEW];
    memcpy(symbol, character, n * sizeof *symbol);
    *found = join_few(b, symbol, n) == 2;
    memcpy(pair, symbol, 2 * sizeof *pair);
    return ERR_OK;
  }
  TRY(bpe_joining_reserve(j, n));
  memcpy(j->symbol, character, n * sizeof *j->symbol);
  bpe_join_all(b, j, n);
  *found = j->next[j->next[0]] == UINT32_MAX;
  pair[0] = j->symbol[0];
  pair[1] = j->symbol[j->next[0]];
  return ERR_OK;
}

static Err find_token(Bpe *b, BpeJoining *j, const BpeSpelling *spelling, uint32_t s) {
  uint32_t n = (uint32_t)(spelling->first[s + 1] - spelling->first[s]), pair[2];
  bool found;
  TRY(find_pair(b, j, spelling->symbol + spelling->first[s], n, pair, &found));
  if (!found) return ERR_OK;
  b->token[s] = (BpeToken){pair[0], pair[1], BPE_NONE, n};
  b->whole |= bpe_time(b, pair[0]) > bpe_time(b, s) || bpe_time(b, pair[1]) > bpe_time(b, s);
  b->longest = n;
  bpe_pair_put(b, pair[0], pair[1], s);
  return ERR_OK;
}

// The pieces, those of the fewest characters first.
static void order_by_length(const Bpe *b, const BpeSpelling *spelling, uint32_t *order) {
  uint32_t end[SPM_PIECE_BYTES_MAX + 2] = {0};
  for (uint32_t s = 0; s < b->merged_count; s++) end[spelling->first[s + 1] - spelling->first[s] + 1]++;
  for (int n = 1; n < SPM_PIECE_BYTES_MAX + 2; n++) end[n] += end[n - 1];
  for (uint32_t s = 0; s < b->merged_count; s++) order[end[spelling->first[s + 1] - spelling->first[s]]++] = s;
}

Err bpe_find_tokens(Bpe *b, const BpeSpelling *spelling) {
  BpeJoining j = {0};
  uint32_t *order = malloc((b->merged_count + (size_t)1) * sizeof *order);
  Err err = ERR_OK;
  b->token = malloc((b->symbol_count + (size_t)1) * sizeof *b->token);
  CHECK_OUT(order && b->token, ERR_MEMORY, "no memory for %u pieces", b->symbol_count);
  TRY_OUT(bpe_pairs_open(b, b->merged_count));
  for (uint32_t s = 0; s < b->symbol_count; s++)
    b->token[s] = (BpeToken){BPE_NONE, BPE_NONE, BPE_NONE, s < b->merged_count ? 0 : 1};
  order_by_length(b, spelling, order);
  for (uint32_t k = 0; k < b->merged_count; k++) TRY_OUT(find_token(b, &j, spelling, order[k]));
out:
  bpe_joining_free(&j);
  free(order);
  return err;
}
