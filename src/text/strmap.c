#include "text/strmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/large.h"

void strmap_free(StrMap *m) {
  free(m->pool);
  free(m->item);
  free(m->slot);
  *m = (StrMap){0};
}

// The slot of the string, or the empty one where it belongs. Strings of another hash are not looked at.
static uint64_t probe(const StrMap *m, uint32_t hash, const char *text, size_t size) {
  for (uint64_t at = hash & m->mask;; at = (at + 1) & m->mask) {
    uint64_t slot = m->slot[at];
    if (!slot) return at;
    if (slot >> 32 != hash) continue;
    const StrMapItem *item = &m->item[(uint32_t)slot - 1];
    if (item->size == size && memcmp(m->pool + item->at, text, size) == 0) return at;
  }
}

int64_t strmap_find(const StrMap *m, const char *text, size_t size) {
  return m->mask ? (int64_t)(uint32_t)m->slot[probe(m, (uint32_t)hash64(text, size, 0), text, size)] - 1 : -1;
}

int32_t strmap_get(const StrMap *m, const char *text, size_t size, int32_t none) {
  int64_t i = strmap_find(m, text, size);
  return i < 0 ? none : m->item[i].value;
}

static Err grow_slots(StrMap *m, uint64_t slots) {
  uint64_t *slot = calloc_large(slots, sizeof *slot), old = m->mask ? m->mask + 1 : 0, mask = slots - 1;
  CHECK(slot, ERR_MEMORY, "no memory for a map of %lld strings", (long long)m->count);
  for (uint64_t i = 0; i < old; i++) {
    if (!m->slot[i]) continue;
    uint64_t at = m->slot[i] >> 32 & mask;
    while (slot[at]) at = (at + 1) & mask;
    slot[at] = m->slot[i];
  }
  free(m->slot);
  m->slot = slot;
  m->mask = mask;
  return ERR_OK;
}

static void *grown(void *old, size_t bytes) { return old ? realloc(old, bytes) : malloc_large(bytes); }

static Err grow_items(StrMap *m, int64_t capacity) {
  StrMapItem *item = capacity < INT32_MAX ? grown(m->item, (size_t)capacity * sizeof *item) : NULL;
  CHECK(item, ERR_MEMORY, "no memory for a map of %lld strings", (long long)capacity);
  m->item = item;
  m->capacity = capacity;
  return ERR_OK;
}

static Err grow_pool(StrMap *m, size_t capacity) {
  char *pool = grown(m->pool, capacity);
  CHECK(pool, ERR_MEMORY, "no memory for %zu bytes of strings", capacity);
  m->pool = pool;
  m->pool_capacity = capacity;
  return ERR_OK;
}

Err strmap_reserve(StrMap *m, int64_t count, size_t bytes) {
  uint64_t slots = 64;
  while ((uint64_t)(m->count + count) * 2 > slots) slots *= 2;
  size_t pool = m->pool_size + bytes + (size_t)count;
  if (slots > m->mask + 1) TRY(grow_slots(m, slots));
  if (m->count + count > m->capacity) TRY(grow_items(m, m->count + count));
  return pool > m->pool_capacity ? grow_pool(m, pool) : ERR_OK;
}

Err strmap_put(StrMap *m, const char *text, size_t size, int32_t value, int64_t *index) {
  CHECK(size < UINT32_MAX, ERR_ARG, "a string of %zu bytes", size);
  if (!m->mask || (uint64_t)m->count * 2 > m->mask) TRY(grow_slots(m, m->mask ? (m->mask + 1) * 2 : 64));
  uint32_t hash = (uint32_t)hash64(text, size, 0);
  uint64_t at = probe(m, hash, text, size);
  if (!m->slot[at]) {
    if (m->count == m->capacity) TRY(grow_items(m, m->capacity + m->capacity / 2 + 64));
    if (m->pool_capacity - m->pool_size <= size) TRY(grow_pool(m, m->pool_capacity + m->pool_capacity / 2 + size + 1024));
    m->item[m->count] = (StrMapItem){m->pool_size, (uint32_t)size, value};
    memcpy(m->pool + m->pool_size, text, size);
    m->pool[m->pool_size + size] = '\0';
    m->pool_size += size + 1;
    m->slot[at] = (uint64_t)hash << 32 | (uint64_t)++m->count;
  }
  if (index) *index = (int64_t)(uint32_t)m->slot[at] - 1;
  return ERR_OK;
}
