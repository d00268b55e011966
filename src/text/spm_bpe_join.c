// Real joining: a heap of pairs over a list of symbols.
#include <stdlib.h>

#include "text/spm_bpe.h"

static const uint32_t END = UINT32_MAX;

Err bpe_joining_reserve(BpeJoining *j, uint32_t count) {
  if (count <= j->capacity) return ERR_OK;
  uint32_t capacity = j->capacity > UINT32_MAX / 8 || 2 * j->capacity < count ? count : 2 * j->capacity;
  uint32_t **array[] = {&j->symbol, &j->previous, &j->next, &j->join};
  for (size_t i = 0; i < sizeof array / sizeof array[0]; i++) {
    uint32_t *grown = realloc(*array[i], ((size_t)capacity + 1) * sizeof *grown);
    CHECK(grown, ERR_MEMORY, "no memory to encode a run of %u characters", capacity);
    *array[i] = grown;
  }
  uint64_t *heap = realloc(j->heap, 3 * (size_t)capacity * sizeof *heap);
  CHECK(heap, ERR_MEMORY, "no memory to encode a run of %u characters", capacity);
  j->heap = heap;
  j->capacity = capacity;
  return ERR_OK;
}

void bpe_joining_free(BpeJoining *j) {
  free(j->symbol);
  free(j->previous);
  free(j->next);
  free(j->join);
  free(j->heap);
  free(j->made_of);
  *j = (BpeJoining){0};
}

static void heap_push(BpeJoining *j, uint64_t key) {
  uint32_t i = j->heap_count++;
  while (i && j->heap[(i - 1) / 2] > key) {
    j->heap[i] = j->heap[(i - 1) / 2];
    i = (i - 1) / 2;
  }
  j->heap[i] = key;
}

static uint64_t heap_pop(BpeJoining *j) {
  uint64_t top = j->heap[0], key = j->heap[--j->heap_count];
  uint32_t i = 0, n = j->heap_count;
  for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
    if (child + 1 < n && j->heap[child + 1] < j->heap[child]) child++;
    if (j->heap[child] >= key) break;
    j->heap[i] = j->heap[child];
  }
  j->heap[i] = key;
  return top;
}

// Looks at the pair that begins at i, and queues it if its symbols join.
static void look(const Bpe *b, BpeJoining *j, uint32_t i) {
  j->join[i] = BPE_NONE;
  uint32_t next = j->next[i];
  if (next == END || j->symbol[i] >= BPE_NONE || j->symbol[next] >= BPE_NONE) return;
  uint32_t joined = bpe_join(b, j->symbol[i], j->symbol[next]);
  if (joined == BPE_NONE) return;
  j->join[i] = joined;
  if (j->made_of && b->unused[joined]) j->made_of[joined] = (uint64_t)j->symbol[i] << 32 | j->symbol[next];
  heap_push(j, (uint64_t)bpe_rank(b, joined) << 32 | i);
}

void bpe_join_all(const Bpe *b, BpeJoining *j, uint32_t n) {
  j->heap_count = 0;
  for (uint32_t i = 0; i < n; i++) {
    j->previous[i] = i ? i - 1 : END;
    j->next[i] = i + 1 < n ? i + 1 : END;
  }
  for (uint32_t i = 0; i < n; i++) look(b, j, i);
  while (j->heap_count) {
    uint64_t key = heap_pop(j);
    uint32_t i = (uint32_t)key;
    if (j->join[i] == BPE_NONE || bpe_rank(b, j->join[i]) != key >> 32) continue;
    uint32_t right = j->next[i];
    j->left = j->symbol[i];
    j->right = j->symbol[right];
    j->symbol[i] = j->join[i];
    j->next[i] = j->next[right];
    j->join[right] = BPE_NONE;
    if (j->next[i] != END) j->previous[j->next[i]] = i;
    if (j->previous[i] != END) look(b, j, j->previous[i]);
    look(b, j, i);
  }
}
