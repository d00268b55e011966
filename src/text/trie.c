#include "text/trie.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256, OPEN_BLOCKS = 16 };

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

static Err place_children(Builder *b, const TrieKey *key, Pending p) {
  uint8_t label[256];
  size_t begin[257];
  int n = 0;
  size_t i = p.begin;
  for (; i < p.end && key[i].size == p.depth; i++)
    if (b->trie->node[p.node].value < 0) b->trie->node[p.node].value = key[i].value;
  for (; i < p.end; i++) {
    uint8_t c = (uint8_t)key[i].text[p.depth];
    if (n == 0 || label[n - 1] != c) {
      label[n] = c;
      begin[n++] = i;
    }
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
    TRY(push(b, (Pending){begin[k], begin[k + 1], p.depth + 1, s}));
  }
  return ERR_OK;
}

static int by_text(const void *a, const void *b) {
  const TrieKey *x = a, *y = b;
  size_t n = x->size < y->size ? x->size : y->size;
  int c = memcmp(x->text, y->text, n);
  if (c) return c;
  if (x->size != y->size) return x->size < y->size ? -1 : 1;
  return (x->value > y->value) - (x->value < y->value);
}

Err trie_build(Trie *t, TrieKey *key, size_t count) {
  *t = (Trie){0};
  if (count == 0) return ERR_OK;
  qsort(key, count, sizeof *key, by_text);
  Builder b = {.trie = t, .free_head = NONE};
  Err err = add_block(&b);
  if (!err) {
    slot_take(&b, 0);
    t->node[0].parent = INT32_MIN;
    err = push(&b, (Pending){0, count, 0, 0});
  }
  while (!err && b.stack_count) err = place_children(&b, key, b.stack[--b.stack_count]);
  free(b.next);
  free(b.prev);
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
