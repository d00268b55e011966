#include "text/spm_bpe.h"

#include <assert.h>
#include <stdlib.h>
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

static size_t char_count(SpmText t) {
  size_t n = 0;
  for (size_t i = 0; i < t.size; i++) n += (t.data[i] & 0xc0) != 0x80;
  return n;
}

static bool mergeable(const SpmPiece *p) { return (p->type == SPM_NORMAL || p->type == SPM_UNUSED) && char_count(p->text) > 1; }

static Err add_symbol(Bpe *b, uint32_t *capacity, SpmText text) {
  assert(b->symbol_count < BPE_NONE);
  if (b->symbol_count == *capacity) {
    *capacity = *capacity ? *capacity * 2 : 4096;
    SpmText *grown = realloc(b->text, *capacity * sizeof *grown);
    CHECK(grown, ERR_MEMORY, "no memory for %u symbols", *capacity);
    b->text = grown;
  }
  b->text[b->symbol_count++] = text;
  return ERR_OK;
}

// Every character of every piece gets a symbol, after those of the pieces.
static Err add_characters(Bpe *b, uint32_t *capacity) {
  uint32_t blocks = 1, block_capacity = 64;
  b->page = calloc(CODE_PAGES, sizeof *b->page);
  b->cell = malloc((size_t)block_capacity * 64 * sizeof *b->cell);
  CHECK(b->page && b->cell, ERR_MEMORY, "no memory for a table of characters");
  for (uint32_t i = 0; i < 64; i++) b->cell[i] = BPE_NONE;
  for (int64_t id = 0; id < b->pieces->count; id++) {
    const SpmPiece *p = &b->pieces->piece[id];
    bool reserved = p->type == SPM_CONTROL || p->type == SPM_UNKNOWN || p->type == SPM_BYTE;
    if (reserved && char_count(p->text) > 1) continue;
    for (size_t i = 0, n; i < p->text.size; i += n) {
      uint32_t code = 0, *cell = NULL;
      n = utf8_char(p->text.data + i, p->text.size - i, &code);
      TRY(cell_of_code(b, code, &blocks, &block_capacity, &cell));
      if (*cell != BPE_NONE) continue;
      *cell = b->symbol_count;
      TRY(add_symbol(b, capacity, (SpmText){p->text.data + i, n}));
    }
  }
  return ERR_OK;
}

// A character that is a user-defined piece and begins no longer one need not be looked up among them.
static void mark_user(Bpe *b) {
  const Trie *user = &b->pieces->user;
  for (int32_t id = 0; id < b->pieces->count; id++) {
    SpmText t = b->pieces->piece[id].text;
    if (b->pieces->piece[id].type != SPM_USER_DEFINED || !t.size) continue;
    uint32_t code = 0, node = 0;
    size_t n = utf8_char(t.data, t.size, &code);
    for (size_t i = 0; i < n; i++) node = trie_step(user, node, (uint8_t)t.data[i]);
    bool longer = n < t.size;
    for (uint32_t c = 0; c < 256 && !longer; c++) longer = trie_step(user, node, (uint8_t)c);
    uint32_t *cell = &b->cell[(uint32_t)b->page[code >> 6] << 6 | (code & 63)];
    if (longer) *cell = (*cell & BPE_NONE) | BPE_USER;
    else *cell = BPE_FROZEN | (uint32_t)user->node[node].value;
  }
}

// ---- pieces by score

typedef struct {
  int32_t order;  // of the score, -0 before +0: the reference compares bits
  int32_t id;
} Scored;

static int32_t score_order(float score) {
  int32_t bits;
  memcpy(&bits, &score, 4);
  return bits < 0 ? bits ^ INT32_MAX : bits;
}

static int by_score(const void *a, const void *b) {
  const Scored *x = a, *y = b;
  if (x->order != y->order) return x->order > y->order ? -1 : 1;
  return (x->id > y->id) - (x->id < y->id);
}

static Err rank_symbols(Bpe *b, const Scored *order) {
  bool ties = false;
  for (uint32_t s = 1; s < b->merged_count; s++) ties |= order[s].order == order[s - 1].order;
  if (!ties) return ERR_OK;
  b->rank = malloc(b->symbol_count * sizeof *b->rank);
  CHECK(b->rank, ERR_MEMORY, "no memory for the ranks of %u symbols", b->symbol_count);
  for (uint32_t s = 0; s < b->symbol_count; s++)
    b->rank[s] = s == 0 || s >= b->merged_count ? s : b->rank[s - 1] + (order[s].order != order[s - 1].order);
  return ERR_OK;
}

static Err mark_unused(Bpe *b, const Scored *order) {
  bool any = false;
  for (uint32_t s = 0; s < b->merged_count; s++) any |= b->pieces->piece[order[s].id].type == SPM_UNUSED;
  if (!any) return ERR_OK;
  b->unused = calloc(b->symbol_count, sizeof *b->unused);
  CHECK(b->unused, ERR_MEMORY, "no memory for %u symbols", b->symbol_count);
  for (uint32_t s = 0; s < b->merged_count; s++) b->unused[s] = b->pieces->piece[order[s].id].type == SPM_UNUSED;
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

typedef struct {
  uint64_t *item;
  size_t count, capacity;
} Pairs;

static Err pairs_push(Pairs *p, uint64_t item) {
  if (p->count == p->capacity) {
    size_t capacity = p->capacity ? p->capacity * 2 : 65536;
    uint64_t *grown = realloc(p->item, capacity * sizeof *grown);
    CHECK(grown, ERR_MEMORY, "no memory for %zu pairs of pieces", capacity);
    p->item = grown;
    p->capacity = capacity;
  }
  p->item[p->count++] = item;
  return ERR_OK;
}

// All ways to put each piece together, as left, right, joined in 21 bits each.
static Err gather(Bpe *b, const uint32_t *of_id, Pairs *joins) {
  for (uint32_t s = 0; s < b->merged_count; s++) {
    SpmText t = b->text[s];
    for (size_t i = utf8_announced(*t.data); i < t.size; i += utf8_announced(t.data[i])) {
      uint32_t left = symbol_of(b, of_id, t.data, i);
      uint32_t right = left == BPE_NONE ? BPE_NONE : symbol_of(b, of_id, t.data + i, t.size - i);
      if (right != BPE_NONE) TRY(pairs_push(joins, (uint64_t)left << 42 | (uint64_t)right << 21 | s));
    }
  }
  return ERR_OK;
}

Err bpe_index_pairs(Bpe *b, const uint64_t *item, size_t count) {
  arena_free(&b->pair_memory);
  b->pair_slots = 2 * count + 16;
  TRY(arena_init(&b->pair_memory, "pairs of pieces", b->pair_slots * sizeof *b->pair));
  b->pair = arena_take(&b->pair_memory, b->pair_slots * sizeof *b->pair);
  memset(b->pair, 0xff, b->pair_slots * sizeof *b->pair);
  int bits = 6;
  while ((uint64_t)1 << bits < 8 * (uint64_t)count) bits++;
  b->pair_shift = 64 - bits;
  free(b->pair_bits);
  b->pair_bits = calloc((size_t)1 << (bits - 6), sizeof *b->pair_bits);
  CHECK(b->pair_bits, ERR_MEMORY, "no memory for %zu pairs of pieces", count);
  for (size_t k = 0; k < count; k++) {
    uint64_t mixed = bpe_mix(item[k] >> 21), bit = mixed >> b->pair_shift, i = bpe_pair_slot(b, mixed);
    b->pair_bits[bit >> 6] |= (uint64_t)1 << (bit & 63);
    while (b->pair[i] != UINT64_MAX) i = i + 1 == b->pair_slots ? 0 : i + 1;
    b->pair[i] = item[k];
  }
  return ERR_OK;
}

// ---- all of it

static Err sort_pieces(const Bpe *b, bool merges, Scored **order, uint32_t *count) {
  *count = 0;
  *order = malloc((size_t)b->pieces->count * sizeof **order);
  CHECK(*order, ERR_MEMORY, "no memory for %lld pieces", (long long)b->pieces->count);
  for (int32_t id = 0; merges && id < b->pieces->count; id++)
    if (mergeable(&b->pieces->piece[id])) (*order)[(*count)++] = (Scored){score_order(b->pieces->piece[id].score), id};
  qsort(*order, *count, sizeof **order, by_score);
  return ERR_OK;
}

static Err build(Bpe *b, const Scored *order, uint32_t *of_id, Pairs *joins) {
  uint32_t capacity = 0;
  for (int64_t id = 0; id < b->pieces->count; id++) of_id[id] = BPE_NONE;
  for (uint32_t s = 0; s < b->merged_count; s++) {
    of_id[order[s].id] = s;
    TRY(add_symbol(b, &capacity, b->pieces->piece[order[s].id].text));
  }
  TRY(add_characters(b, &capacity));
  b->emit = malloc(b->symbol_count * sizeof *b->emit);
  CHECK(b->emit, ERR_MEMORY, "no memory for %u symbols", b->symbol_count);
  for (uint32_t s = 0; s < b->symbol_count; s++) b->emit[s] = spm_pieces_emit(b->pieces, b->text[s].data, b->text[s].size);
  TRY(rank_symbols(b, order));
  TRY(mark_unused(b, order));
  TRY(gather(b, of_id, joins));
  TRY(bpe_index_pairs(b, joins->item, joins->count));
  TRY(bpe_find_tokens(b));
  mark_user(b);
  for (uint32_t code = 0; code < 128; code++) b->ascii[code] = b->cell[(uint32_t)b->page[code >> 6] << 6 | (code & 63)];
  return bpe_find_segments(b);
}

Err bpe_init(Bpe *b, const SpmPieces *pieces, bool merges) {
  *b = (Bpe){.pieces = pieces};
  Scored *order = NULL;
  Pairs joins = {0};
  uint32_t *of_id = malloc((size_t)pieces->count * sizeof *of_id);
  Err err = ERR_OK;
  CHECK_OUT(of_id, ERR_MEMORY, "no memory for %lld pieces", (long long)pieces->count);
  TRY_OUT(sort_pieces(b, merges, &order, &b->merged_count));
  TRY_OUT(build(b, order, of_id, &joins));
out:
  free(order);
  free(of_id);
  free(joins.item);
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
