#include "text/places.h"

#include <assert.h>
#include <stdlib.h>

enum {
  TURNS = 1 << 15,
  GROUP_MAX = 64,  // a group of more keys is not of mixed hashes
  TRIES = 64,      // turns a group that may be tried in all: mixed hashes take a few
  TRIES_ONCE = 1 << 20,
};

// The keys by group, and the groups by size.
typedef struct {
  uint32_t count;   // of groups
  uint32_t *first;  // of a group, in `key`; one more: the end
  uint32_t *key;    // numbers
  uint32_t *order;  // groups, the greatest first; `used` of them hold keys
  uint32_t used;
  bool *taken;  // places
} Groups;

static uint32_t group_size(const Groups *g, uint32_t i) { return g->first[i + 1] - g->first[i]; }

static Err groups_make(Groups *g, const Places *p, const uint64_t *hash, uint32_t count) {
  g->first = calloc((size_t)g->count + 2, sizeof *g->first);
  g->key = malloc(((size_t)count + 1) * sizeof *g->key);
  g->order = malloc((size_t)g->count * sizeof *g->order);
  g->taken = calloc(p->size, sizeof *g->taken);
  CHECK(g->first && g->key && g->order && g->taken, ERR_MEMORY, "no memory to place %u keys", count);
  for (uint32_t k = 0; k < count; k++) g->first[(hash[k] >> p->group_shift) + 2]++;
  for (uint32_t i = 2; i < g->count + 2; i++) g->first[i] += g->first[i - 1];
  for (uint32_t k = 0; k < count; k++) g->key[g->first[(hash[k] >> p->group_shift) + 1]++] = k;
  return ERR_OK;
}

// False if a group is too great.
static bool order_groups(Groups *g) {
  uint32_t at[GROUP_MAX + 1] = {0};  // where the groups of a size begin
  for (uint32_t i = 0; i < g->count; i++) {
    if (group_size(g, i) > GROUP_MAX) return false;
    at[group_size(g, i)]++;
  }
  g->used = g->count - at[0];
  at[0] = g->used;
  for (uint32_t size = 1, end = g->used; size <= GROUP_MAX; size++) at[size] = end -= at[size];
  for (uint32_t i = 0; i < g->count; i++) g->order[at[group_size(g, i)]++] = i;
  return true;
}

// Places the keys of a group by its turn; false, and none is placed, if one meets another.
static bool try_turn(const Places *p, const uint64_t *hash, const uint32_t *key, uint32_t n, bool *taken, uint32_t *place) {
  for (uint32_t i = 0; i < n; i++) {
    uint32_t at = places_at(p, hash[key[i]]);
    if (taken[at]) {
      while (i--) taken[place[key[i]]] = false;
      return false;
    }
    taken[at] = true;
    place[key[i]] = at;
  }
  return true;
}

static bool place_groups(Places *p, Groups *g, const uint64_t *hash, uint32_t *place) {
  int64_t tries = TRIES_ONCE + TRIES * (int64_t)g->count;
  if (!order_groups(g)) return false;
  for (uint32_t k = 0; k < g->used; k++) {
    uint32_t i = g->order[k], turn = 0;
    do {
      if (turn == TURNS || tries-- == 0) return false;
      p->turn[i] = (uint16_t)(2 * turn++ + 1);
    } while (!try_turn(p, hash, g->key + g->first[i], group_size(g, i), g->taken, place));
  }
  return true;
}

Err places_init(Places *p, const uint64_t *hash, uint32_t count, uint32_t *place, bool *placed) {
  assert(count < 1u << 28);
  int bits = 2;
  while ((uint64_t)3 << (bits - 2) < count) bits++;
  *p = (Places){.group_shift = 64 - (bits - 1), .place_shift = 32 - bits, .size = (uint32_t)1 << bits};
  Groups g = {.count = p->size / 2};
  Err err = ERR_OK;
  p->turn = calloc(g.count, sizeof *p->turn);
  CHECK_OUT(p->turn, ERR_MEMORY, "no memory to place %u keys", count);
  TRY_OUT(groups_make(&g, p, hash, count));
  *placed = place_groups(p, &g, hash, place);
out:
  free(g.first);
  free(g.key);
  free(g.order);
  free(g.taken);
  if (err) places_free(p);
  return err;
}

void places_free(Places *p) {
  free(p->turn);
  *p = (Places){0};
}
