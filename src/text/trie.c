#include "text/trie.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/large.h"

enum {
  BLOCK = 256,
  OPEN_BLOCKS = 16,
  OPEN = OPEN_BLOCKS * BLOCK,
  FEW = 16,  // keys: they are sorted at once
};

// A node whose children are still to be placed: the keys [begin, end) share `depth` bytes.
typedef struct {
  size_t begin, end, depth;
  uint32_t node;
  bool sorted;  // the keys, entirely
} Pending;

// Free slots of the last OPEN_BLOCKS blocks form a ring; older blocks are closed, which bounds the search for a place.
typedef struct {
  Trie *trie;
  uint32_t capacity;
  uint32_t next[OPEN], prev[OPEN];  // of an open slot, at its number modulo OPEN: the ring of free ones; NONE: taken
  uint32_t free_head;               // NONE: none
  TrieKey *key, *spare;             // spare: room for as many
  Pending *stack;
  size_t stack_count, stack_capacity;
} Builder;

static const uint32_t NONE = UINT32_MAX;

static void slot_take(Builder *b, uint32_t s) {
  uint32_t next = b->next[s % OPEN], prev = b->prev[s % OPEN];
  if (next == s) {
    b->free_head = NONE;
  } else {
    b->next[prev % OPEN] = next;
    b->prev[next % OPEN] = prev;
    if (b->free_head == s) b->free_head = next;
  }
  b->next[s % OPEN] = NONE;
}

static void slot_give(Builder *b, uint32_t s) {
  uint32_t head = b->free_head == NONE ? s : b->free_head, tail = head == s ? s : b->prev[head % OPEN];
  b->free_head = head;
  b->next[tail % OPEN] = s;
  b->prev[s % OPEN] = tail;
  b->next[s % OPEN] = head;
  b->prev[head % OPEN] = s;
}

static Err add_block(Builder *b) {
  Trie *t = b->trie;
  CHECK(t->count <= (uint32_t)INT32_MAX - BLOCK, ERR_SHAPE, "the set of strings is too large for a trie of 2^31 nodes");
  if (t->count + BLOCK > b->capacity) {
    uint32_t capacity = 2 * b->capacity;
    TrieNode *node = realloc(t->node, capacity * sizeof *node);
    CHECK(node, ERR_MEMORY, "no memory for a trie of %u nodes", capacity);
    t->node = node;
    b->capacity = capacity;
  }
  for (uint32_t s = t->count - OPEN; t->count >= OPEN && s < t->count - OPEN + BLOCK; s++)
    if (b->next[s % OPEN] != NONE) slot_take(b, s);
  for (uint32_t s = t->count; s < t->count + BLOCK; s++) {
    t->node[s] = (TrieNode){.base = s, .parent = -1, .value = -1};
    slot_give(b, s);
  }
  t->count += BLOCK;
  return ERR_OK;
}

static bool fits(const Builder *b, uint32_t base, const uint8_t *label, int n) {
  for (int i = 1; i < n; i++)
    if (b->next[(base ^ label[i]) % OPEN] == NONE) return false;
  return true;
}

// A base at which all labels fall on free slots.
static Err find_base(Builder *b, const uint8_t *label, int n, uint32_t *base) {
  uint32_t s = b->free_head;
  if (s != NONE) {
    do {
      *base = s ^ label[0];
      if (fits(b, *base, label, n)) return ERR_OK;
      s = b->next[s % OPEN];
    } while (s != b->free_head);
  }
  *base = b->trie->count ^ label[0];
  return add_block(b);
}

static Err push(Builder *b, Pending p) {
  if (b->stack_count == b->stack_capacity) {
    size_t capacity = b->stack_capacity ? b->stack_capacity * 2 : 1024;
    Pending *stack = realloc(b->stack, capacity * sizeof *stack);
    CHECK(stack, ERR_MEMORY, "no memory to build a trie");
    b->stack = stack;
    b->stack_capacity = capacity;
  }
  b->stack[b->stack_count++] = p;
  return ERR_OK;
}

// The order of two keys that share `depth` bytes.
static int compare(const TrieKey *x, const TrieKey *y, size_t depth) {
  size_t n = x->size < y->size ? x->size : y->size;
  int c = memcmp(x->text + depth, y->text + depth, n - depth);
  return c ? c : (x->size > y->size) - (x->size < y->size);
}

static void sort_few(TrieKey *key, size_t n, size_t depth) {
  for (size_t i = 1; i < n; i++) {
    TrieKey moved = key[i];
    size_t at = i;
    for (; at && compare(&key[at - 1], &moved, depth) > 0; at--) key[at] = key[at - 1];
    key[at] = moved;
  }
}

// What the key goes on with after `depth` bytes; 0: it ends.
static inline uint32_t label_of(const TrieKey *key, size_t depth) {
  return key->size == depth ? 0 : 1u + (uint8_t)key->text[depth];
}

static void sort_by_label(TrieKey *key, size_t n, size_t depth, TrieKey *spare) {
  size_t end[258] = {0};
  for (size_t i = 0; i < n; i++) end[label_of(&key[i], depth) + 1]++;
  if (end[label_of(&key[0], depth) + 1] == n) return;
  for (int c = 1; c < 258; c++) end[c] += end[c - 1];
  for (size_t i = 0; i < n; i++) spare[end[label_of(&key[i], depth)]++] = key[i];
  memcpy(key, spare, n * sizeof *key);
}

// Sorts a node's keys at least by what follows.
static void sort_keys(Builder *b, Pending *p) {
  size_t n = p->end - p->begin;
  if (p->sorted) return;
  p->sorted = n <= FEW;
  if (p->sorted) sort_few(b->key + p->begin, n, p->depth);
  else sort_by_label(b->key + p->begin, n, p->depth, b->spare);
}

// The keys that end at a node; those of [*begin, end) go on.
static void end_keys(Builder *b, Pending *p) {
  int32_t *value = &b->trie->node[p->node].value;
  for (; p->begin < p->end && b->key[p->begin].size == p->depth; p->begin++)
    if (*value < 0 || b->key[p->begin].value < *value) *value = b->key[p->begin].value;
}

// The bytes that a node's keys go on with, and where those of each begin; returns how many.
static int find_labels(const Builder *b, const Pending *p, uint8_t *label, size_t *begin) {
  int n = 0;
  if (p->begin == p->end) return 0;
  bool one = b->key[p->begin].text[p->depth] == b->key[p->end - 1].text[p->depth];
  for (size_t i = p->begin; i < (one ? p->begin + 1 : p->end); i++) {
    uint8_t c = (uint8_t)b->key[i].text[p->depth];
    if (n && label[n - 1] == c) continue;
    label[n] = c;
    begin[n++] = i;
  }
  begin[n] = p->end;
  return n;
}

// Places the children of a node, and theirs while there is but one.
static Err place_children(Builder *b, Pending p) {
  for (;;) {
    uint8_t label[256];
    size_t begin[257];
    uint32_t base;
    sort_keys(b, &p);
    end_keys(b, &p);
    int n = find_labels(b, &p, label, begin);
    if (n == 0) return ERR_OK;
    TRY(find_base(b, label, n, &base));
    b->trie->node[p.node].base = base;
    for (int k = 0; k < n; k++) {
      uint32_t s = base ^ label[k];
      slot_take(b, s);
      b->trie->node[s].parent = (int32_t)p.node;
      if (n > 1) TRY(push(b, (Pending){begin[k], begin[k + 1], p.depth + 1, s, p.sorted}));
    }
    if (n > 1) return ERR_OK;
    p.depth++;
    p.node = base ^ label[0];
  }
}

static Err build(Builder *b, size_t count) {
  while (b->capacity / 4 < count && b->capacity < 1u << 30) b->capacity *= 2;
  b->spare = malloc_large(count * sizeof *b->spare);
  b->trie->node = malloc_large(b->capacity * sizeof *b->trie->node);
  CHECK(b->spare && b->trie->node, ERR_MEMORY, "no memory to build a trie of %zu strings", count);
  TRY(add_block(b));
  slot_take(b, 0);
  b->trie->node[0].parent = INT32_MIN;
  TRY(push(b, (Pending){0, count, 0, 0, false}));
  while (b->stack_count) TRY(place_children(b, b->stack[--b->stack_count]));
  return ERR_OK;
}

Err trie_build(Trie *t, TrieKey *key, size_t count) {
  *t = (Trie){0};
  if (count == 0) return ERR_OK;
  Builder *b = calloc(1, sizeof *b);
  CHECK(b, ERR_MEMORY, "no memory to build a trie of %zu strings", count);
  b->trie = t, b->capacity = 16 * BLOCK, b->free_head = NONE, b->key = key;
  Err err = build(b, count);
  free(b->spare);
  free(b->stack);
  free(b);
  if (err) trie_free(t);
  return err;
}

void trie_free(Trie *t) {
  free(t->node);
  *t = (Trie){0};
}

int32_t trie_longest(const Trie *t, const char *text, size_t size, size_t *length) {
  int32_t value = -1;
  *length = 0;
  if (t->count == 0) return -1;
  uint32_t s = 0;
  for (size_t i = 0; i < size; i++) {
    s = trie_step(t, s, (uint8_t)text[i]);
    if (!s) break;
    if (t->node[s].value < 0) continue;
    value = t->node[s].value;
    *length = i + 1;
  }
  return value;
}
