// Joining of long runs: a heap of pairs over a list of symbols.
#include <stdlib.h>

#include "text/spm_bpe.h"

static const uint32_t END = UINT32_MAX;
static const uint64_t NEVER = UINT64_MAX;

Err bpe_window_reserve(BpeWindow *w, uint32_t count) {
  if (count <= w->capacity) return ERR_OK;
  uint32_t capacity = w->capacity > UINT32_MAX / 8 || 2 * w->capacity < count ? count : 2 * w->capacity;
  uint32_t **array[] = {&w->symbol, &w->at, &w->previous, &w->next, &w->join};
  for (size_t i = 0; i < sizeof array / sizeof array[0]; i++) {
    uint32_t *grown = realloc(*array[i], ((size_t)capacity + 1) * sizeof *grown);
    CHECK(grown, ERR_MEMORY, "no memory to encode a run of %u characters", capacity);
    *array[i] = grown;
  }
  uint64_t *heap = realloc(w->heap, 3 * (size_t)capacity * sizeof *heap);
  CHECK(heap, ERR_MEMORY, "no memory to encode a run of %u characters", capacity);
  w->heap = heap;
  w->capacity = capacity;
  return ERR_OK;
}

void bpe_window_free(BpeWindow *w) {
  free(w->symbol);
  free(w->at);
  free(w->previous);
  free(w->next);
  free(w->join);
  free(w->heap);
  free(w->made_of);
  *w = (BpeWindow){0};
}

static void heap_push(BpeWindow *w, uint64_t key) {
  uint32_t i = w->heap_count++;
  while (i && w->heap[(i - 1) / 2] > key) {
    w->heap[i] = w->heap[(i - 1) / 2];
    i = (i - 1) / 2;
  }
  w->heap[i] = key;
}

static uint64_t heap_pop(BpeWindow *w) {
  uint64_t top = w->heap[0], key = w->heap[--w->heap_count];
  uint32_t i = 0, n = w->heap_count;
  for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
    if (child + 1 < n && w->heap[child + 1] < w->heap[child]) child++;
    if (w->heap[child] >= key) break;
    w->heap[i] = w->heap[child];
  }
  w->heap[i] = key;
  return top;
}

// Looks at the pair that begins at i, and queues it if its symbols join.
static void look(const Bpe *b, BpeWindow *w, uint32_t i) {
  w->steps++;
  w->join[i] = BPE_NONE;
  uint32_t next = w->next[i];
  if (next == END || w->symbol[i] >= BPE_NONE || w->symbol[next] >= BPE_NONE) return;
  uint32_t joined = bpe_join(b, w->symbol[i], w->symbol[next]);
  if (joined == BPE_NONE) return;
  w->join[i] = joined;
  if (w->made_of && b->unused[joined]) w->made_of[joined] = (uint64_t)w->symbol[i] << 32 | w->symbol[next];
  heap_push(w, (uint64_t)bpe_rank(b, joined) << 32 | i);
}

// When, at the earliest, what follows symbol i could take it: the key of the best piece that begins there in the text and is
// longer.
static uint64_t earliest_loss(const Bpe *b, BpeWindow *w, uint32_t i, const char *text, size_t size) {
  if (b->trie.count == 0) return NEVER;
  size_t own = w->at[w->next[i] == END ? i : w->next[i]] - w->at[i];
  uint64_t best = NEVER;
  uint32_t node = 0;
  for (size_t k = w->at[i]; k < size; k++) {
    w->steps++;
    node = trie_step(&b->trie, node, (uint8_t)text[k]);
    if (!node) break;
    if (b->trie.node[node].value < 0 || k + 1 - w->at[i] <= own) continue;
    uint64_t key = (uint64_t)(uint32_t)b->trie.node[node].value << 32 | i;
    if (key < best) best = key;
  }
  return best;
}

// The last symbol of an open window that is surely as in the whole text, and until when.
typedef struct {
  uint32_t last;  // END: none
  uint64_t loss;
} Front;

static void front_at(const Bpe *b, BpeWindow *w, Front *f, uint32_t i, const char *text, size_t size) {
  f->last = i;
  f->loss = i == END ? NEVER : earliest_loss(b, w, i, text, size);
}

uint32_t bpe_join_window(const Bpe *b, BpeWindow *w, uint32_t n, bool open, const char *text, size_t size) {
  w->heap_count = 0;
  for (uint32_t i = 0; i < n; i++) {
    w->previous[i] = i ? i - 1 : END;
    w->next[i] = i + 1 < n ? i + 1 : END;
  }
  for (uint32_t i = 0; i < n; i++) look(b, w, i);
  Front front = {.last = n - 1, .loss = NEVER};
  if (open) front_at(b, w, &front, n - 1, text, size);
  while (w->heap_count) {
    uint64_t key = heap_pop(w);
    uint32_t i = (uint32_t)key;
    if (w->join[i] == BPE_NONE || bpe_rank(b, w->join[i]) != key >> 32 || i >= front.last) continue;
    while (front.loss < key) front_at(b, w, &front, w->previous[front.last], text, size);
    if (front.last == END) return 0;
    if (i >= front.last) continue;  // beyond the front nothing is known
    uint32_t right = w->next[i];
    w->left = w->symbol[i];
    w->right = w->symbol[right];
    w->symbol[i] = w->join[i];
    w->next[i] = w->next[right];
    w->join[right] = BPE_NONE;
    if (w->next[i] != END) w->previous[w->next[i]] = i;
    if (right == front.last && open) front_at(b, w, &front, i, text, size);
    else if (right == front.last) front.last = i;
    if (w->previous[i] != END) look(b, w, w->previous[i]);
    look(b, w, i);
  }
  if (!open) return n;
  while (front.loss != NEVER) front_at(b, w, &front, w->previous[front.last], text, size);
  if (front.last == END) return 0;
  uint32_t end = w->next[front.last];
  w->next[front.last] = END;
  return end == END ? n : end;
}
