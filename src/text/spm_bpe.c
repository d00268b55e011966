#include "text/spm_bpe.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/large.h"
#include "base/sort.h"

// ---- characters

static Err cell_of_code(Bpe *b, uint32_t code, uint32_t *blocks, uint32_t *capacity, uint32_t **cell) {
  uint16_t *page = &b->page[code >> 6];
  if (*page == 0) {
    if (*blocks == *capacity) {
      *capacity *= 2;
      uint32_t *grown = realloc(b->cell, (size_t)*capacity * 64 * sizeof *grown);
      CHECK(grown, ERR_MEMORY, "no memory for a table of characters");
      b->cell = grown;
    }
    for (uint32_t i = 0; i < 64; i++) b->cell[*blocks * 64 + i] = BPE_NONE;
    *page = (uint16_t)(*blocks)++;
  }
  *cell = &b->cell[(uint32_t)*page * 64 + (code & 63)];
  return ERR_OK;
}

static bool one_character(SpmText t) { return t.size <= utf8_announced(*t.data); }

static bool mergeable(const SpmPiece *p) { return (p->type == SPM_NORMAL || p->type == SPM_UNUSED) && !one_character(p->text); }

static Err add_symbol(Bpe *b, uint32_t *capacity, SpmText text) {
  assert(b->symbol_count < BPE_NONE);
  if (b->symbol_count == *capacity) {
    *capacity *= 2;
    SpmText *grown = realloc(b->text, *capacity * sizeof *grown);
    CHECK(grown, ERR_MEMORY, "no memory for %u symbols", *capacity);
    b->text = grown;
  }
  b->text[b->symbol_count++] = text;
  return ERR_OK;
}

typedef struct {
  Bpe *b;
  uint32_t blocks, block_capacity, symbol_capacity;  // of cells, of symbols
} Characters;

// The symbols of a text's characters, each new one after those there are. Returns where they end in `to`.
static Err spell(Characters *c, SpmText t, uint32_t **to) {
  for (size_t i = 0, n; i < t.size; i += n) {
    uint32_t code = 0, *cell = NULL;
    n = utf8_char(t.data + i, t.size - i, &code);
    TRY(cell_of_code(c->b, code, &c->blocks, &c->block_capacity, &cell));
    if (*cell == BPE_NONE) {
      *cell = c->b->symbol_count;
      TRY(add_symbol(c->b, &c->symbol_capacity, (SpmText){t.data + i, n}));
    }
    *(*to)++ = *cell;
  }
  return ERR_OK;
}

// Every character of every piece gets a symbol, after those of the pieces.
static Err add_characters(Bpe *b, uint32_t capacity, BpeSpelling *spelling) {
  Characters c = {b, 1, 64, capacity};
  size_t bytes = SPM_PIECE_BYTES_MAX;
  for (uint32_t s = 0; s < b->merged_count; s++) bytes += b->text[s].size;
  b->page = calloc(CODE_PAGES, sizeof *b->page);
  b->cell = malloc((size_t)c.block_capacity * 64 * sizeof *b->cell);
  spelling->symbol = calloc_large(bytes, sizeof *spelling->symbol);
  spelling->first = malloc_large((b->merged_count + (size_t)1) * sizeof *spelling->first);
  CHECK(b->page && b->cell && spelling->symbol && spelling->first, ERR_MEMORY, "no memory for a table of characters");
  for (uint32_t i = 0; i < 64; i++) b->cell[i] = BPE_NONE;
  uint32_t *to = spelling->symbol;
  for (uint32_t s = 0; s < b->merged_count; s++) {
    spelling->first[s] = (size_t)(to - spelling->symbol);
    TRY(spell(&c, b->text[s], &to));
  }
  spelling->first[b->merged_count] = (size_t)(to - spelling->symbol);
  for (int64_t id = 0; id < b->pieces->count; id++) {
    const SpmPiece *p = &b->pieces->piece[id];
    bool reserved = p->type == SPM_CONTROL || p->type == SPM_UNKNOWN || p->type == SPM_BYTE;
    uint32_t *nowhere = to;
    if (one_character(p->text) || !reserved) TRY(spell(&c, p->text, &nowhere));
  }
  return ERR_OK;
}

static void add_starter(Bpe *b, uint8_t byte) {
  if (b->starter_count > BPE_STARTERS || memchr(b->starter, byte, b->starter_count)) return;
  if (b->starter_count < BPE_STARTERS) b->starter[b->starter_count] = byte;
  b->starter_count++;
}

// A character that is a user-defined piece and begins no longer one need not be looked up among them.
static Err mark_user(Bpe *b, BpeSpelling *spelling) {
  const Trie *user = &b->pieces->user;
  spelling->user = calloc(b->symbol_count - b->merged_count + (size_t)1, 1);
  CHECK(spelling->user, ERR_MEMORY, "no memory for a table of characters");
  for (int32_t id = 0; id < b->pieces->count; id++) {
    SpmText t = b->pieces->piece[id].text;
    if (b->pieces->piece[id].type != SPM_USER_DEFINED || !t.size) continue;
    uint32_t code = 0, node = 0;
    size_t n = utf8_char(t.data, t.size, &code);
    for (size_t i = 0; i < n; i++) node = trie_step(user, node, (uint8_t)t.data[i]);
    bool longer = n < t.size;
    for (uint32_t c = 0; c < 256 && !longer; c++) longer = trie_step(user, node, (uint8_t)c);
    uint32_t *cell = &b->cell[(uint32_t)b->page[code >> 6] << 6 | (code & 63)];
    if (n < t.size) add_starter(b, (uint8_t)t.data[0]);
    spelling->user[(*cell & BPE_NONE) - b->merged_count] |= n < t.size ? BPE_BEGINS_USER : BPE_IS_USER;
    if (longer) *cell = (*cell & BPE_NONE) | BPE_USER;
    else *cell = BPE_FROZEN | (uint32_t)user->node[node].value;
  }
  return ERR_OK;
}

// ---- pieces by score

// The better score is the less; +0 is better than -0: the reference compares bits.
static uint32_t score_order(float score) {
  uint32_t bits;
  memcpy(&bits, &score, 4);
  return bits >> 31 ? bits : ~bits & INT32_MAX;
}

// A piece's own id; of a character what stands for it.
static Err name_symbols(Bpe *b, const uint64_t *order) {
  b->emit = malloc(b->symbol_count * sizeof *b->emit);
  CHECK(b->emit, ERR_MEMORY, "no memory for %u symbols", b->symbol_count);
  for (uint32_t s = 0; s < b->merged_count; s++)
    b->emit[s] = b->pieces->piece[(uint32_t)order[s]].type == SPM_UNUSED ? EMIT_UNKNOWN : (int32_t)(uint32_t)order[s];
  for (uint32_t s = b->merged_count; s < b->symbol_count; s++)
    b->emit[s] = spm_pieces_emit(b->pieces, b->text[s].data, b->text[s].size);
  return ERR_OK;
}

static Err rank_symbols(Bpe *b, const uint64_t *order) {
  bool ties = false;
  for (uint32_t s = 1; s < b->merged_count; s++) ties |= order[s] >> 32 == order[s - 1] >> 32;
  if (!ties) return ERR_OK;
  b->rank = malloc(b->symbol_count * sizeof *b->rank);
  CHECK(b->rank, ERR_MEMORY, "no memory for the ranks of %u symbols", b->symbol_count);
  for (uint32_t s = 0; s < b->symbol_count; s++)
    b->rank[s] = s == 0 || s >= b->merged_count ? s : b->rank[s - 1] + (order[s] >> 32 != order[s - 1] >> 32);
  return ERR_OK;
}

static Err mark_unused(Bpe *b, const uint64_t *order) {
  bool any = false;
  for (uint32_t s = 0; s < b->merged_count; s++) any |= b->pieces->piece[(uint32_t)order[s]].type == SPM_UNUSED;
  if (!any) return ERR_OK;
  b->unused = calloc(b->symbol_count, sizeof *b->unused);
  CHECK(b->unused, ERR_MEMORY, "no memory for %u symbols", b->symbol_count);
  for (uint32_t s = 0; s < b->merged_count; s++) b->unused[s] = b->pieces->piece[(uint32_t)order[s]].type == SPM_UNUSED;
  return ERR_OK;
}

// ---- pairs and neighbours

static uint32_t symbol_of(const Bpe *b, const uint32_t *of_id, const char *text, size_t size) {
  size_t length;
  uint32_t cell = bpe_cell(b, text, size, &length);
  if (length == size) return cell;
  int32_t id = strmap_get(&b->pieces->normal, text, size, -1);
  return id < 0 ? BPE_NONE : of_id[id];
}

// All ways to put each piece together, as left, right, joined in 21 bits each; returns how many.
static size_t gather(const Bpe *b, const uint32_t *of_id, uint64_t *item) {
  size_t count = 0;
  for (uint32_t s = 0; s < b->merged_count; s++) {
    SpmText t = b->text[s];
    for (size_t i = utf8_announced(*t.data); i < t.size; i += utf8_announced(t.data[i])) {
      uint32_t left = symbol_of(b, of_id, t.data, i);
      uint32_t right = left == BPE_NONE ? BPE_NONE : symbol_of(b, of_id, t.data + i, t.size - i);
      if (right != BPE_NONE) item[count++] = (uint64_t)left << 42 | (uint64_t)right << 21 | s;
    }
  }
  return count;
}

// With unused pieces all pairs are needed: the latest seen counts.
static Err gather_pairs(Bpe *b, const uint32_t *of_id, const BpeSpelling *spelling) {
  uint64_t *item = malloc((spelling->first[b->merged_count] + 1) * sizeof *item);
  CHECK(item, ERR_MEMORY, "no memory for the pairs of %u pieces", b->merged_count);
  size_t count = gather(b, of_id, item);
  Err err = bpe_pairs_open(b, count);
  for (size_t k = 0; k < count && !err; k++)
    bpe_pair_put(b, item[k] >> 42, item[k] >> 21 & 0x1fffff, (uint32_t)(item[k] & 0x1fffff));
  free(item);
  return err;
}

Err bpe_pairs_open(Bpe *b, size_t count) {
  b->pair_slots = 2 * count + 16;
  TRY(arena_init(&b->pair_memory, "pairs of pieces", b->pair_slots * sizeof *b->pair));
  b->pair = arena_take(&b->pair_memory, b->pair_slots * sizeof *b->pair);
  memset(b->pair, 0xff, b->pair_slots * sizeof *b->pair);
  int bits = 6;
  while ((uint64_t)1 << bits < 8 * (uint64_t)count) bits++;
  b->pair_shift = 64 - bits;
  b->pair_bits = calloc((size_t)1 << (bits - 6), sizeof *b->pair_bits);
  CHECK(b->pair_bits, ERR_MEMORY, "no memory for %zu pairs of pieces", count);
  return ERR_OK;
}

void bpe_pair_put(Bpe *b, uint64_t left, uint64_t right, uint32_t joined) {
  uint64_t key = left << 21 | right, mixed = bpe_mix(key), bit = mixed >> b->pair_shift, i = bpe_pair_slot(b, mixed);
  b->pair_bits[bit >> 6] |= (uint64_t)1 << (bit & 63);
  while (b->pair[i] != UINT64_MAX) i = i + 1 == b->pair_slots ? 0 : i + 1;
  b->pair[i] = key << 21 | joined;
}

// ---- all of it

// The order of a score, and the piece's id below it.
static Err sort_pieces(const Bpe *b, bool merges, uint64_t **order, uint32_t *count) {
  *count = 0;
  *order = malloc_large((size_t)b->pieces->count * sizeof **order);
  CHECK(*order, ERR_MEMORY, "no memory for %lld pieces", (long long)b->pieces->count);
  for (int64_t id = 0; merges && id < b->pieces->count; id++)
    if (mergeable(&b->pieces->piece[id]))
      (*order)[(*count)++] = (uint64_t)score_order(b->pieces->piece[id].score) << 32 | (uint64_t)id;
  return sort_u64(*order, *count);
}

static Err build(Bpe *b, const uint64_t *order, uint32_t *of_id, BpeSpelling *spelling) {
  uint32_t capacity = b->merged_count + 16384;
  b->text = malloc_large(capacity * sizeof *b->text);
  CHECK(b->text, ERR_MEMORY, "no memory for %u symbols", capacity);
  for (int64_t id = 0; id < b->pieces->count; id++) of_id[id] = BPE_NONE;
  for (uint32_t s = 0; s < b->merged_count; s++) {
    of_id[(uint32_t)order[s]] = s;
    b->text[b->symbol_count++] = b->pieces->piece[(uint32_t)order[s]].text;
  }
  TRY(add_characters(b, capacity, spelling));
  TRY(name_symbols(b, order));
  TRY(rank_symbols(b, order));
  TRY(mark_unused(b, order));
  b->whole = b->unused != NULL;
  if (b->whole) TRY(gather_pairs(b, of_id, spelling));
  else TRY(bpe_find_tokens(b, spelling));
  TRY(mark_user(b, spelling));
  TRY(bpe_find_neighbours(b, spelling));
  for (uint32_t code = 0; code < 128; code++) b->ascii[code] = b->cell[(uint32_t)b->page[code >> 6] << 6 | (code & 63)];
  return bpe_find_segments(b, spelling);
}

Err bpe_init(Bpe *b, const SpmPieces *pieces, bool merges) {
  *b = (Bpe){.pieces = pieces, .longest = 1};
  uint64_t *order = NULL;
  BpeSpelling spelling = {0};
  uint32_t *of_id = malloc((size_t)pieces->count * sizeof *of_id);
  Err err = ERR_OK;
  CHECK_OUT(of_id, ERR_MEMORY, "no memory for %lld pieces", (long long)pieces->count);
  TRY_OUT(sort_pieces(b, merges, &order, &b->merged_count));
  TRY_OUT(build(b, order, of_id, &spelling));
out:
  free(order);
  free(of_id);
  free(spelling.symbol);
  free(spelling.first);
  free(spelling.user);
  if (err) bpe_free(b);
  return err;
}

void bpe_free(Bpe *b) {
  free(b->text);
  free(b->emit);
  free(b->rank);
  free(b->unused);
  free(b->page);
  free(b->cell);
  arena_free(&b->pair_memory);
  arena_free(&b->near_memory);
  free(b->near_cell);
  places_free(&b->near_places);
  free(b->token);
  free(b->pair_bits);
  trie_free(&b->trie);
  segments_free(&b->segments);
  *b = (Bpe){0};
}
