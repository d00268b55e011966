#include "text/bpe.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { SHORT_WORD = 40, LEVELS_MAX = 6 };
static const uint32_t NONE = UINT32_MAX;

static Err take_slots(BpeTable *t, uint64_t slots) {
  t->slot = malloc(slots * sizeof *t->slot);
  t->mask = slots - 1;
  CHECK(t->slot, ERR_MEMORY, "no memory for %llu merges", (unsigned long long)slots / 3);
  memset(t->slot, 0xff, slots * sizeof *t->slot);
  return ERR_OK;
}

Err bpe_table_init(BpeTable *t, int64_t count) {
  uint64_t slots = 16;
  while (slots < (uint64_t)count * 2) slots *= 2;
  *t = (BpeTable){0};
  return take_slots(t, slots);
}

void bpe_table_free(BpeTable *t) {
  free(t->slot);
  *t = (BpeTable){0};
}

static BpeEntry *place_of(BpeTable *t, int32_t left, int32_t right) {
  uint64_t at = bpe_hash(left, right) & t->mask;
  while (t->slot[at].left >= 0 && (t->slot[at].left != left || t->slot[at].right != right)) at = (at + 1) & t->mask;
  return &t->slot[at];
}

static Err table_grow(BpeTable *t) {
  BpeTable old = *t;
  Err err = take_slots(t, 2 * (old.mask + 1));
  if (err) {
    *t = old;
    return err;
  }
  for (uint64_t i = 0; i <= old.mask; i++)
    if (old.slot[i].left >= 0) *place_of(t, old.slot[i].left, old.slot[i].right) = old.slot[i];
  free(old.slot);
  return ERR_OK;
}

Err bpe_table_add(BpeTable *t, int32_t left, int32_t right, int32_t rank, int32_t merged) {
  assert(left >= 0 && right >= 0 && rank >= 0 && rank < INT32_MAX);
  if ((uint64_t)t->count * 3 >= 2 * t->mask) TRY(table_grow(t));
  BpeEntry *e = place_of(t, left, right);
  t->count += e->left < 0;
  *e = (BpeEntry){left, right, rank, merged};
  if (rank >= t->ranks) t->ranks = rank + 1;
  return ERR_OK;
}

// ---- short words: the ranks of neighbours lie in an array, which is scanned for the least

static int64_t merge_short(const BpeTable *t, int32_t *id, int64_t n) {
  const BpeEntry *pair[SHORT_WORD];
  int32_t rank[SHORT_WORD];
  for (int64_t i = 0; i + 1 < n; i++) {
    pair[i] = bpe_find(t, id[i], id[i + 1]);
    rank[i] = pair[i] ? pair[i]->rank : INT32_MAX;
  }
  while (n > 1) {
    int64_t best = 0;
    for (int64_t i = 1; i + 1 < n; i++)
      if (rank[i] < rank[best]) best = i;
    if (rank[best] == INT32_MAX) break;
    id[best] = pair[best]->merged;
    n--;
    for (int64_t i = best + 1; i < n; i++) {
      id[i] = id[i + 1];
      pair[i - 1] = pair[i];
      rank[i - 1] = rank[i];
    }
    for (int64_t i = best > 0 ? best - 1 : 0; i <= best && i + 1 < n; i++) {
      pair[i] = bpe_find(t, id[i], id[i + 1]);
      rank[i] = pair[i] ? pair[i]->rank : INT32_MAX;
    }
  }
  return n;
}

// ---- long words. Places wait in a list a rank, which a bitmap of bitmaps finds; a list only ever grows in order of place, and
// what comes out of order waits in a heap. So the usual word costs a few steps a symbol, and the worst a logarithm more.

typedef struct {
  uint32_t prev, next;  // the living neighbours, NONE at the ends
} Link;

typedef struct {
  uint32_t place, next;
} Node;

struct BpeQueue {
  uint32_t *head, *tail;  // of each rank's list; head NONE if empty
  uint64_t *bits[LEVELS_MAX];
  int levels;
  Link *link;
  Node *node;
  uint64_t *heap;  // rank << 32 | place, least first
  int64_t capacity, node_capacity, heap_capacity, heaped;
  uint32_t nodes, freed;  // nodes ever taken; list of those given back
};

static void queue_free(BpeQueue *q) {
  if (!q) return;
  for (int l = 0; l < q->levels; l++) free(q->bits[l]);
  free(q->head);
  free(q->tail);
  free(q->link);
  free(q->node);
  free(q->heap);
  free(q);
}

void bpe_work_free(BpeWork *w) {
  queue_free(w->queue);
  w->queue = NULL;
}

static Err queue_open(BpeQueue **out, int32_t ranks) {
  BpeQueue *q = calloc(1, sizeof *q);
  bool ok = q != NULL;
  if (ok) {
    q->head = malloc((size_t)ranks * sizeof *q->head);
    q->tail = malloc((size_t)ranks * sizeof *q->tail);
    ok = q->head && q->tail;
    if (ok) memset(q->head, 0xff, (size_t)ranks * sizeof *q->head);
  }
  for (size_t words = ((size_t)ranks + 63) / 64; ok; words = (words + 63) / 64) {
    ok = (q->bits[q->levels++] = calloc(words, sizeof(uint64_t))) != NULL;
    if (words == 1) break;
  }
  if (!ok) {
    queue_free(q);
    FAIL(ERR_MEMORY, "no memory for a queue of %d merge ranks", ranks);
  }
  *out = q;
  return ERR_OK;
}

static Err grow(void **data, int64_t *capacity, int64_t want, size_t item_bytes) {
  if (*capacity >= want) return ERR_OK;
  int64_t grown = *capacity + *capacity / 2 + 1024;
  if (want < grown) want = grown;
  void *p = realloc(*data, (size_t)want * item_bytes);
  CHECK(p, ERR_MEMORY, "no memory for a word of %lld symbols", (long long)want);
  *data = p;
  *capacity = want;
  return ERR_OK;
}

static Err heap_push(BpeQueue *q, uint64_t key) {
  TRY(grow((void **)&q->heap, &q->heap_capacity, q->heaped + 1, sizeof *q->heap));
  int64_t at = q->heaped++;
  for (; at > 0 && q->heap[(at - 1) / 2] > key; at = (at - 1) / 2) q->heap[at] = q->heap[(at - 1) / 2];
  q->heap[at] = key;
  return ERR_OK;
}

static uint64_t heap_pop(BpeQueue *q) {
  uint64_t least = q->heap[0], key = q->heap[--q->heaped];
  int64_t at = 0;
  for (int64_t child; (child = 2 * at + 1) < q->heaped; at = child) {
    if (child + 1 < q->heaped && q->heap[child + 1] < q->heap[child]) child++;
    if (q->heap[child] >= key) break;
    q->heap[at] = q->heap[child];
  }
  q->heap[at] = key;
  return least;
}

static Err queue_push(BpeQueue *q, int32_t rank, uint32_t place) {
  bool empty = q->head[rank] == NONE;
  if (!empty && q->node[q->tail[rank]].place > place) return heap_push(q, (uint64_t)rank << 32 | place);
  uint32_t at = q->freed;
  if (at != NONE) {
    q->freed = q->node[at].next;
  } else {
    if (q->nodes == q->node_capacity) TRY(grow((void **)&q->node, &q->node_capacity, (int64_t)q->nodes + 1, sizeof *q->node));
    at = q->nodes++;
  }
  q->node[at] = (Node){place, NONE};
  if (empty) {
    q->head[rank] = at;
    size_t bit = (size_t)rank;
    for (int l = 0; l < q->levels; l++, bit /= 64) q->bits[l][bit / 64] |= (uint64_t)1 << bit % 64;
  } else {
    q->node[q->tail[rank]].next = at;
  }
  q->tail[rank] = at;
  return ERR_OK;
}

static uint32_t list_pop(BpeQueue *q, int32_t rank) {
  uint32_t at = q->head[rank];
  q->head[rank] = q->node[at].next;
  q->node[at].next = q->freed;
  q->freed = at;
  size_t bit = (size_t)rank;
  for (int l = 0; q->head[rank] == NONE && l < q->levels; l++, bit /= 64) {
    q->bits[l][bit / 64] &= ~((uint64_t)1 << bit % 64);
    if (q->bits[l][bit / 64]) break;
  }
  return q->node[at].place;
}

// The least rank, of it the least place. False if nothing waits.
static bool queue_pop(BpeQueue *q, int32_t *rank, uint32_t *place) {
  size_t at = 0;
  uint64_t word = 1;
  for (int l = q->levels - 1; l >= 0 && word; l--) {
    word = q->bits[l][at];
    if (word) at = at * 64 + (size_t)__builtin_ctzll(word);
  }
  if (!word && !q->heaped) return false;
  if (q->heaped && (!word || q->heap[0] < ((uint64_t)at << 32 | q->node[q->head[at]].place))) {
    uint64_t key = heap_pop(q);
    *rank = (int32_t)(key >> 32);
    *place = (uint32_t)key;
    return true;
  }
  *rank = (int32_t)at;
  *place = list_pop(q, *rank);
  return true;
}

static Err push_pair(const BpeTable *t, BpeQueue *q, const int32_t *id, uint32_t left, uint32_t right) {
  const BpeEntry *e = bpe_find(t, id[left], id[right]);
  return e ? queue_push(q, e->rank, left) : ERR_OK;
}

static Err merge_long(const BpeTable *t, BpeQueue *q, int32_t *id, int64_t *count) {
  int64_t n = *count;
  TRY(grow((void **)&q->link, &q->capacity, n, sizeof *q->link));
  q->nodes = 0;
  q->freed = NONE;
  for (int64_t i = 0; i < n; i++) q->link[i] = (Link){i ? (uint32_t)i - 1 : NONE, i + 1 < n ? (uint32_t)i + 1 : NONE};
  for (int64_t i = 0; i + 1 < n; i++) TRY(push_pair(t, q, id, (uint32_t)i, (uint32_t)i + 1));
  int32_t rank;
  uint32_t p;
  while (queue_pop(q, &rank, &p)) {
    uint32_t right = q->link[p].next;
    if (id[p] < 0 || right == NONE) continue;
    const BpeEntry *e = bpe_find(t, id[p], id[right]);
    if (!e || e->rank != rank) continue;  // what stood here has been joined since
    id[p] = e->merged;
    id[right] = -1;
    uint32_t next = q->link[p].next = q->link[right].next, prev = q->link[p].prev;
    if (next != NONE) q->link[next].prev = p;
    if (prev != NONE) TRY(push_pair(t, q, id, prev, p));
    if (next != NONE) TRY(push_pair(t, q, id, p, next));
  }
  int64_t kept = 0;
  for (int64_t i = 0; i < n; i++)
    if (id[i] >= 0) id[kept++] = id[i];
  *count = kept;
  return ERR_OK;
}

Err bpe_merge(const BpeTable *t, BpeWork *w, int32_t *id, int64_t *count) {
  if (*count <= SHORT_WORD) {
    *count = merge_short(t, id, *count);
    return ERR_OK;
  }
  CHECK(*count < INT32_MAX, ERR_ARG, "a word of %lld symbols without a place to cut; at most %d", (long long)*count, INT32_MAX);
  if (t->ranks == 0) return ERR_OK;
  if (!w->queue) TRY(queue_open(&w->queue, t->ranks));
  Err err = merge_long(t, w->queue, id, count);
  if (err) bpe_work_free(w);  // its lists may hold places of this word
  return err;
}
