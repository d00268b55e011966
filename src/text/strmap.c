#include "text/strmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

void strmap_free(StrMap *m) {
  free(m->pool);
  free(m->item);
  free(m->slot);
  *m = (StrMap){0};
}

// The slot of the string, or the empty one where it belongs.
static uint64_t probe(const StrMap *m, const char *text, size_t size) {
  for (uint64_t at = hash64(text, size, 0);; at++) {
    int32_t i = m->slot[at & m->mask];
    if (i < 0) return at & m->mask;
    const StrMapItem *item = &m->item[i];
    if (item->size == size && memcmp(m->pool + item->at, text, size) == 0) return at & m->mask;
  }
}

int64_t strmap_find(const StrMap *m, const char *text, size_t size) { return m->mask ? m->slot[probe(m, text, size)] : -1; }

int32_t strmap_get(const StrMap *m, const char *text, size_t size, int32_t none) {
  int64_t i = strmap_find(m, text, size);
  return i < 0 ? none : m->item[i].value;
}

static Err grow_slots(StrMap *m) {
  uint64_t slots = m->mask ? (m->mask + 1) * 2 : 64;
  int32_t *slot = malloc(slots * sizeof *slot);
  CHECK(slot, ERR_MEMORY, "no memory for a map of %lld strings", (long long)m->count);
  memset(slot, 0xff, slots * sizeof *slot);
  free(m->slot);
  m->slot = slot;
  m->mask = slots - 1;
  for (int64_t i = 0; i < m->count; i++) m->slot[probe(m, strmap_text(m, i), m->item[i].size)] = (int32_t)i;
  return ERR_OK;
}

static Err grow_items(StrMap *m, size_t size) {
  if (m->count == m->capacity) {
    int64_t capacity = m->capacity + m->capacity / 2 + 64;
    StrMapItem *item = capacity < INT32_MAX ? realloc(m->item, (size_t)capacity * sizeof *item) : NULL;
    CHECK(item, ERR_MEMORY, "no memory for a map of %lld strings", (long long)capacity);
    m->item = item;
    m->capacity = capacity;
  }
  if (m->pool_capacity - m->pool_size <= size) {
    size_t capacity = m->pool_capacity + m->pool_capacity / 2 + size + 1024;
    char *pool = realloc(m->pool, capacity);
    CHECK(pool, ERR_MEMORY, "no memory for %zu bytes of strings", capacity);
    m->pool = pool;
    m->pool_capacity = capacity;
  }
  return ERR_OK;
}

Err strmap_put(StrMap *m, const char *text, size_t size, int32_t value, int64_t *index) {
  CHECK(size < UINT32_MAX, ERR_ARG, "a string of %zu bytes", size);
  if ((uint64_t)m->count * 2 >= m->mask) TRY(grow_slots(m));
  uint64_t at = probe(m, text, size);
  if (m->slot[at] < 0) {
    TRY(grow_items(m, size));
    m->item[m->count] = (StrMapItem){m->pool_size, (uint32_t)size, value};
    memcpy(m->pool + m->pool_size, text, size);
    m->pool[m->pool_size + size] = '\0';
    m->pool_size += size + 1;
    m->slot[at] = (int32_t)m->count++;
  }
  if (index) *index = m->slot[at];
  return ERR_OK;
}
