#include "text/trie.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
  BLOCK = 256,
  OPEN_BLOCKS = 16,
  FEW = 16,  // keys: more are counted
};

// A node whose children are still to be placed: the keys [begin, end) share `depth` bytes.
typedef struct {
  size_t begin, end, depth;
  uint32_t node;
} Pending;

// Free slots of the last OPEN_BLOCKS blocks form a ring; older blocks are closed, which bounds the search for a place.
typedef struct {
  Trie *trie;
  uint32_t capacity;
  uint32_t *next, *prev;  // of each slot, the ring of free ones
  uint32_t free_head;     // UINT32_MAX: none
  TrieKey *key, *spare;   // spare: room for as many
  Pending *stack;
  size_t stack_count, stack_capacity;
} Builder;

static const uint32_t NONE = UINT32_MAX;

static void slot_take(Builder *b, uint32_t s) {
  if (b->next[s] == s) {
    b->free_head = NONE;
  } else {
    b->next[b->prev[s]] = b->next[s];
    b->prev[b->next[s]] = b->prev[s];
    if (b->free_head == s) b->free_head = b->next[s];
  }
  b->next[s] = NONE;
}

static void slot_give(Builder *b, uint32_t s) {
  if (b->free_head == NONE) {
    b->next[s] = b->prev[s] = b->free_head = s;
    return;
  }
  uint32_t head = b->free_head, tail = b->prev[head];
  b->next[tail] = s;
  b->prev[s] = tail;
  b->next[s] = head;
  b->prev[head] = s;
}

static Err add_block(Builder *b) {
  Trie *t = b->trie;
  CHECK(t->count <= (uint32_t)INT32_MAX - BLOCK, ERR_SHAPE, "the set of strings is too large for a trie of 2^31 nodes");
  if (t->count + BLOCK > b->capacity) {
    uint32_t capacity = b->capacity ? b->capacity * 2 : 16 * BLOCK;
    TrieNode *node = realloc(t->node, capacity * sizeof *node);
    if (node) t->node = node;
    uint32_t *next = realloc(b->next, capacity * sizeof *next);
    if (next) b->next = next;
    uint32_t *prev = realloc(b->prev, capacity * sizeof *prev);
    if (prev) b->prev = prev;
    CHECK(node && next && prev, ERR_MEMORY, "no memory for a trie of %u nodes", capacity);
    b->capacity = capacity;
  }
  for (uint32_t i = 0, s = t->count; i < BLOCK; i++, s++) {
    t->node[s] = (TrieNode){.base = s, .parent = -1, .value = -1};
    b->next[s] = b->prev[s] = NONE;
    slot_give(b, s);
  }
  t->count += BLOCK;
  if (t->count > OPEN_BLOCKS * BLOCK) {
    uint32_t closed = t->count - (OPEN_BLOCKS + 1) * BLOCK;
    for (uint32_t s = closed; s < closed + BLOCK; s++)
      if (b->next[s] != NONE) slot_take(b, s);
  }
  return ERR_OK;
}

static bool fits(const Builder *b, uint32_t base, const uint8_t *label, int n) {
  for (int i = 1; i < n; i++)
    if (b->next[base ^ label[i]] == NONE) return false;
  return true;
}

// A base at which all labels fall on free slots.
static Err find_base(Builder *b, const uint8_t *label, int n, uint32_t *base) {
  uint32_t s = b->free_head;
  if (s != NONE) {
    do {
      *base = s ^ label[0];
      if (fits(b, *base, label, n)) return ERR_OK;
      s = b->next[s];
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

// What the key goes on with after `depth` bytes; 0: it ends.
static inline uint32_t label_of(const TrieKey *key, size_t depth) {
  return key->size == depth ? 0 : 1u + (uint8_t)key->text[depth];
}

// By insertion, n <= FEW.
static void sort_few(TrieKey *key, size_t n, size_t depth) {
  uint32_t label[FEW];
  for (size_t i = 0; i < n; i++) {
    TrieKey moved = key[i];
    uint32_t its = label_of(&moved, depth);
    size_t at = i;
    for (; at && label[at - 1] > its; at--) {
      key[at] = key[at - 1];
      label[at] = label[at - 1];
    }
    key[at] = moved;
    label[at] = its;
  }
}

// Sorts keys that share `depth` bytes by what follows.
static void sort_by_label(TrieKey *key, size_t n, size_t depth, TrieKey *spare) {
  if (n <= FEW) {
    sort_few(key, n, depth);
    return;
  }
  size_t end[258] = {0};
  for (size_t i = 0; i < n; i++) end[label_of(&key[i], depth) + 1]++;
  if (end[label_of(&key[0], depth) + 1] == n) return;
  for (int c = 1; c < 258; c++) end[c] += end[c - 1];
  for (size_t i = 0; i < n; i++) spare[end[label_of(&key[i], depth)]++] = key[i];
  memcpy(key, spare, n * sizeof *key);
}

// The keys that end at a node; those of [*begin, end) go on.
static void end_keys(Builder *b, Pending *p) {
  int32_t *value = &b->trie->node[p->node].value;
  for (; p->begin < p->end && b->key[p->begin].size == p->depth; p->begin++)
    if (*value < 0 || b->key[p->begin].value < *value) *value = b->key[p->begin].value;
}

// Places the children of a node, and theirs while there is but one.
static Err place_children(Builder *b, Pending p) {
  for (;;) {
    uint8_t label[256];
    size_t begin[257];
    int n = 0;
    sort_by_label(b->key + p.begin, p.end - p.begin, p.depth, b->spare);
    end_keys(b, &p);
    for (size_t i = p.begin; i < p.end; i++) {
      uint8_t c = (uint8_t)b->key[i].text[p.depth];
      if (n && label[n - 1] == c) continue;
      label[n] = c;
      begin[n++] = i;
    }
    if (n == 0) return ERR_OK;
    begin[n] = p.end;
    uint32_t base;
    TRY(find_base(b, label, n, &base));
    b->trie->node[p.node].base = base;
    for (int k = 0; k < n; k++) {
      uint32_t s = base ^ label[k];
      slot_take(b, s);
      b->trie->node[s].parent = (int32_t)p.node;
      if (n > 1) TRY(push(b, (Pending){begin[k], begin[k + 1], p.depth + 1, s}));
    }
    if (n > 1) return ERR_OK;
    p.depth++;
    p.node = base ^ label[0];
  }
}

static Err build(Builder *b, size_t count) {
  b->spare = malloc(count * sizeof *b->spare);
  CHECK(b->spare, ERR_MEMORY, "no memory to build a trie of %zu strings", count);
  TRY(add_block(b));
  slot_take(b, 0);
  b->trie->node[0].parent = INT32_MIN;
  TRY(push(b, (Pending){0, count, 0, 0}));
  while (b->stack_count) TRY(place_children(b, b->stack[--b->stack_count]));
  return ERR_OK;
}

Err trie_build(Trie *t, TrieKey *key, size_t count) {
  *t = (Trie){0};
  if (count == 0) return ERR_OK;
  Builder b = {.trie = t, .free_head = NONE, .key = key};
  Err err = build(&b, count);
  free(b.next);
  free(b.prev);
  free(b.spare);
  free(b.stack);
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
