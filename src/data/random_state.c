#include "data/random_state.h"

#include <assert.h>

enum { N = RANDOM_STATE_WORDS, SHIFT = 397 };

void random_state_init(RandomState *r, uint32_t seed) {
  for (uint32_t i = 0; i < N; i++) {
    r->word[i] = seed;
    seed = 1812433253u * (seed ^ (seed >> 30)) + i + 1;
  }
  r->at = N;
}

static void make_block(RandomState *r) {
  uint32_t *w = r->word;
  for (int i = 0; i < N; i++) {
    uint32_t y = (w[i] & 0x80000000u) | (w[(i + 1) % N] & 0x7fffffffu);
    w[i] = w[(i + SHIFT) % N] ^ (y >> 1) ^ ((y & 1u) ? 0x9908b0dfu : 0u);
  }
  r->at = 0;
}

uint32_t random_state_next(RandomState *r) {
  if (r->at == N) make_block(r);
  uint32_t y = r->word[r->at++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

void random_state_shuffle(RandomState *r, uint32_t *a, int64_t n) {
  assert(n >= 0 && n <= (int64_t)1 << 32);
  for (int64_t i = n - 1; i > 0; i--) {
    uint32_t bound = (uint32_t)i, mask = UINT32_MAX >> __builtin_clz(bound), j;
    do j = random_state_next(r) & mask;
    while (j > bound);
    uint32_t swap = a[i];
    a[i] = a[j];
    a[j] = swap;
  }
}
