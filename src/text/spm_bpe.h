// Byte-pair encoding as SentencePiece does it: of all neighbours whose join is a piece, the pair with the best score (the
// leftmost of equals) is joined, until there is none.
//
// Exactly that result, in linear time, by locality:
// - Between two characters that stand side by side in no piece nothing is ever joined: there the text falls into short
//   segments. A segment that is a token (a piece that encodes to itself) is one look-up, one met lately another; the rest are
//   joined in a small array.
// - A piece is only ever joined of the one pair that encoding its own text ends with: as long as nothing is joined across its
//   ends, what happens between them does not depend on what stands around. So one pair a token is all there is to know.
// - Where these tables lie in memory decides the speed: what a segment needs is asked for some segments ahead.
// - A long segment is joined in a window whose right end is open. What lies beyond may reach into it only where a piece of the
//   vocabulary really begins in the text and only when its rank comes up; everything left of the furthest such reach is final,
//   and the next window begins there. Memory is that of a window.
#ifndef TEXT_SPM_BPE_H
#define TEXT_SPM_BPE_H

#include "base/arena.h"
#include "text/spm_model.h"
#include "text/utf8.h"

enum {
  CODE_PAGES = 0x110000 / 64,
  BPE_WINDOW = 2048,   // characters of a long segment taken at once
  BPE_SHORT = 32,      // characters of a segment joined in a small array
  BPE_KEY_BYTES = 24,  // of a segment that is looked up; no more than SPM_PADDING
};

// A text of at most BPE_KEY_BYTES: its bytes, then zeros.
typedef struct {
  uint64_t word[3];
} BpeKey;

// A token of three or more characters.
typedef struct {
  BpeKey key;
  uint64_t symbol;  // 1 more; 0: free
} BpeToken;

typedef struct {
  const SpmPieces *pieces;  // borrowed
  // Symbols: pieces of two or more characters in the order of their score, then characters.
  uint32_t symbol_count;
  uint32_t merged_count;
  SpmText *text;   // of a symbol
  int32_t *emit;   // of a symbol, see spm_pieces_emit
  uint32_t *rank;  // of a symbol; NULL: no two scores are equal and the symbol is its rank
  bool *unused;    // of a symbol; NULL: none is
  // Characters: page[code / 64] counts blocks of 64 cells; a cell is the symbol, with BPE_USER if a user-defined piece begins
  // with it.
  uint16_t *page;
  uint32_t *cell;
  uint32_t ascii[128];  // the cells of ASCII
  // Pairs: left symbol, right symbol, joined symbol in 21 bits each. One of each token; with unused pieces all there are.
  uint64_t *pair;
  uint64_t pair_slots;
  BpeToken *token;
  uint64_t token_slots;
  Arena pair_memory, token_memory;  // on large pages: the tables are looked at in no order
  // Bits of characters that stand side by side in some piece. Several pairs may share a bit: then a cut is missed, which costs
  // time only.
  uint64_t *together;
  int together_shift;
  Trie trie;       // all pieces of two or more characters; value: rank
  size_t longest;  // bytes of the longest of them
} Bpe;

#define BPE_USER 0x80000000u
#define BPE_NONE 0x001fffffu  // no symbol; also the symbol of characters that no piece holds

// merges false: only characters (a char model).
Err bpe_init(Bpe *b, const SpmPieces *pieces, bool merges);
void bpe_free(Bpe *b);

typedef struct BpeWork BpeWork;
// window: characters of a long segment taken at once, BPE_WINDOW but in tests; it changes no id.
Err bpe_work_open(BpeWork **w, uint32_t window);
void bpe_work_close(BpeWork *w);
uint64_t bpe_work_steps(const BpeWork *w);  // see BpeWindow

// Encodes normalised text[0, size), readable for SPM_PADDING bytes more; *used bytes of it are done, the rest must be given
// again with more behind it. `last`: nothing comes behind, all is done.
Err bpe_encode(const Bpe *b, BpeWork *w, const char *text, size_t size, bool last, size_t *used, SpmSink *sink);

// ---- shared by the files of the encoder

static inline uint32_t bpe_rank(const Bpe *b, uint32_t symbol) { return b->rank ? b->rank[symbol] : symbol; }

// Where the search for a pair, left << 21 | right, begins.
static inline uint64_t bpe_pair_slot(const Bpe *b, uint64_t key) {
  key *= 0x9e3779b97f4a7c15u;
  key = (key ^ key >> 29) * 0xbf58476d1ce4e5b9u;
  return (key >> 32) * b->pair_slots >> 32;
}

// What left and right join to, BPE_NONE if they do not.
static inline uint32_t bpe_join(const Bpe *b, uint32_t left, uint32_t right) {
  uint64_t key = (uint64_t)left << 21 | right;
  uint64_t i = bpe_pair_slot(b, key);
  for (;;) {
    uint64_t slot = b->pair[i];
    if (slot == UINT64_MAX) return BPE_NONE;
    if (slot >> 21 == key) return (uint32_t)(slot & 0x1fffff);
    if (++i == b->pair_slots) i = 0;
  }
}

// Makes the table of pairs anew of items left << 42 | right << 21 | joined.
Err bpe_index_pairs(Bpe *b, const uint64_t *item, size_t count);
// Finds the tokens, and forgets the pairs that none is joined of.
Err bpe_find_tokens(Bpe *b);

static inline uint32_t bpe_together_at(const Bpe *b, uint32_t left, uint32_t right) {
  return (uint32_t)((left * 0x9e3779b97f4a7c15u + right) * 0xbf58476d1ce4e5b9u >> b->together_shift);
}

static inline bool bpe_together(const Bpe *b, uint32_t left, uint32_t right) {
  uint32_t at = bpe_together_at(b, left, right);
  return b->together[at >> 6] >> (at & 63) & 1;
}

// The cell of the character at s[0, size), size > 0, and its length. Bytes that are no character are one of the announced
// length, which no piece holds.
static inline __attribute__((always_inline)) uint32_t bpe_cell(const Bpe *b, const char *s, size_t size, size_t *length) {
  uint32_t code;
  size_t n = utf8_char(s, size, &code);
  if (n == 0) {
    n = utf8_announced(*s);
    *length = n < size ? n : size;
    return BPE_NONE;
  }
  *length = n;
  return b->cell[(uint32_t)b->page[code >> 6] << 6 | (code & 63)];
}

// The key of a text that is readable for BPE_KEY_BYTES, and its hash.
static inline uint64_t bpe_key(BpeKey *key, const char *text, size_t size) {
  static const uint8_t mask[2 * BPE_KEY_BYTES] = {
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
  };
  BpeKey keep;
  memcpy(key, text, sizeof *key);
  memcpy(&keep, mask + BPE_KEY_BYTES - size, sizeof keep);
  for (int i = 0; i < 3; i++) key->word[i] &= keep.word[i];
  uint64_t hash = key->word[0] * 0x9e3779b97f4a7c15u ^ key->word[1] * 0xbf58476d1ce4e5b9u ^ key->word[2] * 0x94d049bb133111ebu;
  return (hash ^ hash >> 29) * 0x9e3779b97f4a7c15u;
}

static inline bool bpe_key_equal(const BpeKey *a, const BpeKey *b) {
  return ((a->word[0] ^ b->word[0]) | (a->word[1] ^ b->word[1]) | (a->word[2] ^ b->word[2])) == 0;
}

static inline BpeToken *bpe_token_place(const Bpe *b, uint64_t hash) { return &b->token[(hash >> 32) * b->token_slots >> 32]; }

// The symbol of a token with this key, BPE_NONE if there is none.
static inline uint32_t bpe_token(const Bpe *b, uint64_t hash, const BpeKey *key) {
  for (const BpeToken *t = bpe_token_place(b, hash); t->symbol; t = t + 1 < b->token + b->token_slots ? t + 1 : b->token)
    if (bpe_key_equal(&t->key, key)) return (uint32_t)(t->symbol - 1);
  return BPE_NONE;
}

// What real joining works in.
typedef struct {
  uint32_t *symbol, *at;  // of the characters, and their places in the text; one more place: the end
  uint32_t *previous, *next, *join;
  uint64_t *heap;     // rank and place of pairs, the least first; some are stale
  uint64_t *made_of;  // with unused pieces: left and right of the latest pair seen for each symbol
  uint32_t heap_count, capacity;
  uint32_t left, right;  // joined last
  uint64_t steps;        // pairs and characters looked at so far: what a test of linearity counts
} BpeWindow;

Err bpe_window_reserve(BpeWindow *w, uint32_t count);
void bpe_window_free(BpeWindow *w);
// Joins the characters [0, n) of the window; the joined symbols are then the list 0, next[0], ... up to UINT32_MAX. Returns how
// many of the characters are final: all, unless `open`: then text[0, size) has more behind the n characters.
uint32_t bpe_join_window(const Bpe *b, BpeWindow *w, uint32_t n, bool open, const char *text, size_t size);

#endif
