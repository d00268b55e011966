// Places in a table for keys that are known beforehand: each key has one place of its own, found without a search.
//
// A hash of 64 bits picks a turn of 16 bits, and both pick the place: two looks, one of them at the caller's table, where what
// stands there is compared. The turns are chosen when the keys are placed, greatest group first, so that no two keys meet.
// (Pibiri and Trani 2021, "PTHash", after Fox, Chen and Heath 1992.)
#ifndef TEXT_PLACES_H
#define TEXT_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct {
  uint16_t *turn;  // of a group of keys, owned
  int group_shift, place_shift;
  uint32_t size;  // places are 0 .. size - 1: a power of two, at least 4 for 3 keys
} Places;

// Chooses places for `count` hashes, place[k] for hash[k]. *placed false: they cannot be placed (equal hashes, or ones made to
// collide). The hashes must be well mixed but for their lowest 16 bits. ERR_MEMORY; count < 2^28. Time is linear, whatever the
// hashes.
Err places_init(Places *p, const uint64_t *hash, uint32_t count, uint32_t *place, bool *placed);
void places_free(Places *p);

// The place of a key that was placed; of any other hash some place.
static inline uint32_t places_at(const Places *p, uint64_t hash) {
  return (uint32_t)(hash >> 16) * p->turn[hash >> p->group_shift] >> p->place_shift;
}

#endif
