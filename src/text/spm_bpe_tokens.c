// Tokens: the pieces that encode to themselves, and how.
#include <stdlib.h>
#include <string.h>

#include "text/spm_bpe.h"

static Err read_characters(const Bpe *b, BpeWindow *w, SpmText t, uint32_t *count) {
  uint32_t n = 0;
  TRY(bpe_window_reserve(w, (uint32_t)t.size + 1));
  for (size_t i = 0, length; i < t.size; i += length) {
    w->at[n] = (uint32_t)i;
    w->symbol[n++] = bpe_cell(b, t.data + i, t.size - i, &length) & ~BPE_USER;
  }
  w->at[n] = (uint32_t)t.size;
  *count = n;
  return ERR_OK;
}

// Encodes each piece. Of the tokens, item: the pair joined last; token: those of three or more characters.
static Err encode_pieces(Bpe *b, BpeWindow *w, uint64_t *item, uint32_t *items, uint32_t *token, uint32_t *tokens) {
  for (uint32_t s = 0; s < b->merged_count; s++) {
    uint32_t n = 0;
    TRY(read_characters(b, w, b->text[s], &n));
    (void)bpe_join_window(b, w, n, false, b->text[s].data, b->text[s].size);
    if (w->next[0] != UINT32_MAX || w->symbol[0] != s) continue;
    item[(*items)++] = (uint64_t)w->left << 42 | (uint64_t)w->right << 21 | s;
    if (n > 2 && b->text[s].size <= BPE_KEY_BYTES) token[(*tokens)++] = s;
  }
  return ERR_OK;
}

static Err index_tokens(Bpe *b, const uint32_t *token, uint32_t count) {
  b->token_slots = 2 * (uint64_t)count + 16;
  TRY(arena_init(&b->token_memory, "tokens", b->token_slots * sizeof *b->token));
  b->token = arena_take(&b->token_memory, b->token_slots * sizeof *b->token);
  for (uint32_t k = 0; k < count; k++) {
    SpmText t = b->text[token[k]];
    char text[BPE_KEY_BYTES] = {0};
    BpeKey key;
    memcpy(text, t.data, t.size);
    BpeToken *place = bpe_token_place(b, bpe_key(&key, text, t.size));
    while (place->symbol) place = place + 1 < b->token + b->token_slots ? place + 1 : b->token;
    *place = (BpeToken){key, token[k] + 1};
  }
  return ERR_OK;
}

Err bpe_find_tokens(Bpe *b) {
  BpeWindow w = {0};
  uint32_t items = 0, tokens = 0;
  uint64_t *item = malloc((b->merged_count + 1) * sizeof *item);
  uint32_t *token = malloc((b->merged_count + 1) * sizeof *token);
  Err err = ERR_OK;
  CHECK_OUT(item && token, ERR_MEMORY, "no memory for %u pieces", b->merged_count);
  if (!b->unused) {
    TRY_OUT(encode_pieces(b, &w, item, &items, token, &tokens));
    TRY_OUT(bpe_index_pairs(b, item, items));
  }
  TRY_OUT(index_tokens(b, token, tokens));
out:
  bpe_window_free(&w);
  free(item);
  free(token);
  return err;
}
