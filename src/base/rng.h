// Random numbers by counter: Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011: "Parallel random numbers: as easy as 1, 2, 3").
//
// A number is a function of (seed, name, step, global index) and of nothing else: no state, no order of calls, no
// thread and no layout changes it.
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

typedef struct {
  uint32_t key[2];  // from seed and name
} Rng;

// A stream for one purpose: `name` is the parameter or use it serves.
Rng rng_named(uint64_t seed, const char *name);

// The block of four words at (step, index).
void rng_block(Rng r, uint64_t step, uint64_t index, uint32_t out[4]);
// Uniform in [0, 1), 53 bits, of element `index`.
double rng_uniform(Rng r, uint64_t step, uint64_t index);
// Standard normal of element `index` (Box and Muller; two elements share a block).
double rng_normal(Rng r, uint64_t step, uint64_t index);
// out[i] = mean + std * normal(first + i), i in [0, n)
void rng_fill_normal(Rng r, uint64_t step, uint64_t first, float *out, int64_t n, double mean, double std);

#endif
