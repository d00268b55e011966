// Byte-pair encoding as SentencePiece does it: of all neighbours whose join is a piece, the pair with the best score (the
// leftmost of equals) is joined, until there is none.
//
// Exactly that result, in linear time, without joining anything:
// - A token is a piece that encodes to itself, or a character. Two tokens stay apart if encoding their join gives the two.
//   A text's encoding is the one list of tokens that is the text and whose neighbours all stay apart: until the first join
//   across a border all happens within tokens, as it does in the two alone, so this join would happen in the two alone.
// - So the longest token that stays apart from the one before is taken; where none does, the one before is made shorter. Each
//   place of the text is reached at most once, since the tokens before a place are the encoding of what is before it.
// - A piece is only ever joined of the one pair that encoding its own text ends with, so the ends of a token as it grows are a
//   path in a tree. Two tokens stay apart if no pair of ends that are there at once joins before either is joined to another.
// - Between characters that are joined across in no token the text falls apart; most borders are such. The segments between
//   them are looked up whole (spm_segments.h); what follows is for the one of six that is not found. (The way back over
//   tokens is that of van Antwerpen and Neubeck 2024, "So many tokens, so little time".)
// - Where a text does not fall apart, it is encoded in parts: see encode_open.
// - Where many tokens are taken back, as in runs of one character, the pairs are joined after all.
// Training never makes a piece whose score is better than that of a part of it. With such, and with unused pieces, pairs are
// really joined: n log n, and memory in proportion to the text.
#ifndef TEXT_SPM_BPE_H
#define TEXT_SPM_BPE_H

#include "base/arena.h"
#include "text/places.h"
#include "text/spm_model.h"
#include "text/spm_segments.h"
#include "text/utf8.h"

enum { CODE_PAGES = 0x110000 / 64, BPE_NEAR_BITS = 20 };

// How a token came to be.
typedef struct {
  uint32_t left, right;  // joined last; BPE_NONE of a character
  uint32_t shorter;      // the next shorter token that it begins with, or BPE_NONE
  uint32_t length;       // characters
} BpeToken;

// Two characters that some token is joined across.
typedef struct {
  uint64_t pair;   // left << 32 | right, as utf8_word has them
  uint32_t time;   // the best of such a token
  uint32_t token;  // the two characters, or BPE_NONE
} BpeNear;

// The tokens that begin with two characters.
typedef struct {
  uint64_t third;  // bit c & 63 for each character c that follows the two in one
  uint32_t node;   // the two in the trie
} BpeBegin;

enum { BPE_STARTERS = 4 };

typedef struct {
  const SpmPieces *pieces;  // borrowed
  // Symbols: pieces of two or more characters in the order of their score, then characters.
  uint32_t symbol_count;
  uint32_t merged_count;
  SpmText *text;   // of a symbol
  int32_t *emit;   // of a symbol, see spm_pieces_emit
  uint32_t *rank;  // of a symbol; NULL: no two scores are equal and the symbol is its rank
  bool *unused;    // of a symbol; NULL: none is
  bool whole;      // the pairs must be joined
  // Characters: page[code / 64] counts blocks of 64 cells; a cell is the symbol, with BPE_USER if a user-defined piece begins
  // with it, or BPE_FROZEN and the id of the one that it is.
  uint16_t *page;
  uint32_t *cell;
  uint32_t ascii[128];  // the cells of ASCII
  // Pairs: left symbol, right symbol, joined symbol in 21 bits each. One of each token; with unused pieces, all there are.
  uint64_t *pair;
  uint64_t pair_slots;
  uint64_t *pair_bits;  // no pair is where there is no bit: small enough to stay in the cache
  int pair_shift;
  Arena pair_memory, near_memory;  // on large pages: the tables are looked at in no order
  BpeToken *token;                 // of a symbol
  Trie trie;                       // tokens of two or more characters; value: symbol
  uint32_t near_count;             // of near, but for the first
  BpeNear *near;                   // by time, the best first; the first of all holds none
  BpeBegin *begin;                 // of each of these
  uint32_t *near_cell;             // places in `near`, with their mark
  Places near_places;              // of `near_cell`
  uint32_t longest;                // characters of the longest token
  // Bytes that user-defined pieces of more than one character begin with; more than BPE_STARTERS: any.
  uint32_t starter_count;
  uint8_t starter[BPE_STARTERS];
  Segments segments;
  bool cut;  // texts are cut into them
} Bpe;

#define BPE_FROZEN 0x80000000u
#define BPE_USER 0x40000000u
#define BPE_NONE 0x001fffffu  // no symbol; also the symbol of characters that no piece holds

// merges false: only characters (a char model).
Err bpe_init(Bpe *b, const SpmPieces *pieces, bool merges);
void bpe_free(Bpe *b);

typedef struct BpeWork BpeWork;
Err bpe_work_open(BpeWork **w);
void bpe_work_close(BpeWork *w);
uint64_t bpe_work_steps(const BpeWork *w);  // characters and pairs looked at so far, but in the table of segments

// Encodes normalised text[0, size), readable for SPM_PADDING bytes more; *used bytes of it are done, the rest must be given
// again with more behind it. `last`: nothing comes behind, all is done.
Err bpe_encode(const Bpe *b, BpeWork *w, const char *text, size_t size, bool last, size_t *used, SpmSink *sink);

// ---- shared by the files of the encoder

static inline uint32_t bpe_rank(const Bpe *b, uint32_t symbol) { return b->rank ? b->rank[symbol] : symbol; }

// When a symbol is joined: 0 for characters, which are there from the begin.
static inline uint32_t bpe_time(const Bpe *b, uint32_t symbol) {
  return symbol < b->merged_count ? bpe_rank(b, symbol) + 1 : 0;
}

// Of a pair, left << 21 | right.
static inline uint64_t bpe_mix(uint64_t key) {
  key *= 0x9e3779b97f4a7c15u;
  return (key ^ key >> 29) * 0xbf58476d1ce4e5b9u;
}

// Where the search for a pair begins.
static inline uint64_t bpe_pair_slot(const Bpe *b, uint64_t mixed) { return (mixed >> 32) * b->pair_slots >> 32; }

// What left and right join to, BPE_NONE if they do not.
static inline uint32_t bpe_join(const Bpe *b, uint32_t left, uint32_t right) {
  uint64_t key = (uint64_t)left << 21 | right;
  uint64_t mixed = bpe_mix(key), bit = mixed >> b->pair_shift;
  if (!(b->pair_bits[bit >> 6] >> (bit & 63) & 1)) return BPE_NONE;
  for (uint64_t i = bpe_pair_slot(b, mixed);;) {
    uint64_t slot = b->pair[i];
    if (slot == UINT64_MAX) return BPE_NONE;
    if (slot >> 21 == key) return (uint32_t)(slot & 0x1fffff);
    if (++i == b->pair_slots) i = 0;
  }
}

// The pieces as their characters, and what those are besides: for when the model is read.
typedef struct {
  uint32_t *symbol;  // of the characters of all pieces, one piece after the other
  size_t *first;     // where a piece begins there; one more: the end
  uint8_t *user;     // of a character, from symbol merged_count on: user-defined pieces that begin with it
} BpeSpelling;

enum { BPE_IS_USER = 1, BPE_BEGINS_USER = 2 };

// Makes an empty table for `count` pairs, and puts one into it.
Err bpe_pairs_open(Bpe *b, size_t count);
void bpe_pair_put(Bpe *b, uint64_t left, uint64_t right, uint32_t joined);
// Finds the tokens and the pair that each is joined of.
Err bpe_find_tokens(Bpe *b, const BpeSpelling *spelling);
// Makes the tables of the tokens' neighbours and beginnings.
Err bpe_find_neighbours(Bpe *b, const BpeSpelling *spelling);
// Makes the table of segments.
Err bpe_find_segments(Bpe *b, const BpeSpelling *spelling);
static inline uint64_t bpe_near_hash(uint64_t pair) { return (pair ^ pair >> 29) * 0x9e3779b97f4a7c15u; }

// Bits that cells are compared by, so that seldom a line of `near` is looked at in vain.
static inline uint32_t bpe_near_mark(uint64_t hash) { return (uint32_t)hash >> BPE_NEAR_BITS << BPE_NEAR_BITS; }

// What is left of a cell for the pair of that hash: where the pair stands in `near` if it does; else 0, or by chance some
// place.
static inline uint32_t bpe_near_guess(uint32_t cell, uint64_t hash) {
  uint32_t at = cell ^ bpe_near_mark(hash);
  return at & (uint32_t) - (int32_t)(((at >> BPE_NEAR_BITS) - 1) >> 31);  // no branch hangs on whether the marks differ
}

// Where it stands; 0: no token is joined across the two characters.
static inline uint32_t bpe_near(const Bpe *b, uint64_t pair) {
  uint64_t hash = bpe_near_hash(pair);
  uint32_t at = bpe_near_guess(b->near_cell[places_at(&b->near_places, hash)], hash);
  return b->near[at].pair == pair ? at : 0;
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

// A token, and the item at which it begins.
typedef struct {
  uint32_t symbol, at;
} BpePlaced;

// What real joining works in.
typedef struct {
  uint32_t *symbol, *previous, *next, *join;  // of characters, then of what they join to
  uint64_t *heap;                             // rank and place of pairs, the least first; some are stale
  uint64_t *made_of;                          // with unused pieces: left and right of the latest pair seen for each symbol
  uint32_t heap_count, capacity;
  uint32_t left, right;  // joined last
} BpeJoining;

// A text's items: characters, and user-defined pieces of more of them.
struct BpeWork {
  uint32_t *at;       // an item's place in the text; one more: the end
  uint32_t *near;     // where an item and the one before stand in `near`, or by chance some place; 0: nothing is joined across
  uint32_t *segment;  // the items that near is 0 of; one more: the end
  uint32_t *symbol;   // of items that are encoded one by one, see bpe_spell
  BpePlaced *placed;
  uint32_t items, segments, room;
  BpeJoining joining;
  uint64_t steps;
};

// Reads the items of a text. Where more may follow, what could be the begin of something longer is left.
Err bpe_read(const Bpe *b, BpeWork *w, const char *text, size_t size, bool last);
// The symbols of the items [from, to): BPE_NONE of what no piece holds, BPE_FROZEN and the id of a user-defined piece. `near`
// of those behind the first becomes exact.
void bpe_spell(const Bpe *b, BpeWork *w, const char *text, uint32_t from, uint32_t to);

// Encodes the segments [0, count).
Err bpe_encode_segments(const Bpe *b, BpeWork *w, const char *text, uint32_t count, SpmSink *sink);
// Encodes the items [from, to), which nothing outside is joined to.
Err bpe_encode_items(const Bpe *b, BpeWork *w, const char *text, uint32_t from, uint32_t to, SpmSink *sink);

Err bpe_joining_reserve(BpeJoining *j, uint32_t count);
void bpe_joining_free(BpeJoining *j);
// Joins the characters [0, n), n > 0; the joined symbols are then the list 0, next[0], ... up to UINT32_MAX.
void bpe_join_all(const Bpe *b, BpeJoining *j, uint32_t n);

#endif
