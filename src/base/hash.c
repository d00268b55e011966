#include "base/hash.h"

#include <stdlib.h>
#include <xxhash.h>

uint64_t hash64(const void *data, size_t bytes, uint64_t seed) { return XXH3_64bits_withSeed(data, bytes, seed); }

struct HashState {
  XXH3_state_t *state;
  uint64_t seed;
};

HashState *hash_open(uint64_t seed) {
  HashState *h = malloc(sizeof *h);
  if (!h) return NULL;
  *h = (HashState){XXH3_createState(), seed};
  if (h->state && XXH3_64bits_reset_withSeed(h->state, seed) == XXH_OK) return h;
  hash_close(h);
  return NULL;
}

void hash_add(HashState *h, const void *data, size_t bytes) {
  if (bytes) (void)XXH3_64bits_update(h->state, data, bytes);
}

uint64_t hash_end(HashState *h) {
  uint64_t hash = XXH3_64bits_digest(h->state);
  (void)XXH3_64bits_reset_withSeed(h->state, h->seed);
  return hash;
}

void hash_close(HashState *h) {
  if (h) (void)XXH3_freeState(h->state);
  free(h);
}
