// Places for keys known beforehand: each key its own.
#include "text/places.h"

#include <stdlib.h>

#include "base/rng.h"
#include "test.h"

static uint64_t hash_of(uint64_t key) { return (key ^ key >> 23) * 0x9e3779b97f4a7c15u; }

TEST(places_are_each_keys_own) {
  static const uint32_t counts[] = {0, 1, 2, 3, 4, 7, 100, 5000, 98304, 98305};
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
    uint32_t n = counts[i];
    uint64_t *hash = malloc((n + 1) * sizeof *hash);
    uint32_t *place = malloc((n + 1) * sizeof *place);
    ASSERT(hash && place);
    for (uint32_t k = 0; k < n; k++) hash[k] = hash_of((uint64_t)(k % 311) << 21 | (k / 311 + 1));
    Places p;
    bool placed = false;
    ASSERT_OK(places_init(&p, hash, n, place, &placed));
    ASSERT_MSG(placed && p.size < 3 * (uint64_t)n + 8, "%u keys, %u places, placed: %d", n, p.size, placed);
    bool *taken = calloc(p.size, sizeof *taken);
    ASSERT(taken);
    for (uint32_t k = 0; k < n; k++) {
      ASSERT(places_at(&p, hash[k]) == place[k] && place[k] < p.size && !taken[place[k]]);
      taken[place[k]] = true;
    }
    free(taken);
    free(hash);
    free(place);
    places_free(&p);
  }
}

TEST(places_that_cannot_be_are_said) {
  uint64_t hash[200];
  uint32_t place[200];
  Places p;
  bool placed = true;
  for (uint32_t k = 0; k < 200; k++) hash[k] = hash_of(k < 199 ? k + 1 : 7);
  ASSERT_OK(places_init(&p, hash, 200, place, &placed));
  ASSERT(!placed);
  places_free(&p);
  for (uint32_t k = 0; k < 200; k++) hash[k] = k;  // all of one group
  placed = true;
  ASSERT_OK(places_init(&p, hash, 200, place, &placed));
  ASSERT(!placed);
  places_free(&p);
}
