// NumPy's RandomState, as far as Megatron uses it: the same seed gives the same shuffles, bit for bit.
//
// Only what must reproduce others' sample order uses this; everything else draws from base/rng.h.
// Source: Matsumoto & Nishimura, "Mersenne Twister" (1998), init_genrand; the interval of RandomState.shuffle is the legacy one
// (mask of the next power of two, values above the bound drawn again).
#ifndef DATA_RANDOM_STATE_H
#define DATA_RANDOM_STATE_H

#include <stdint.h>

enum { RANDOM_STATE_WORDS = 624 };

typedef struct {
  uint32_t word[RANDOM_STATE_WORDS];
  int at;  // next word to give; RANDOM_STATE_WORDS: make a new block first
} RandomState;

void random_state_init(RandomState *r, uint32_t seed);
uint32_t random_state_next(RandomState *r);
// Shuffles a[0, n) in place, 0 <= n <= 2^32; draws about 1.4 n words.
void random_state_shuffle(RandomState *r, uint32_t *a, int64_t n);

#endif
