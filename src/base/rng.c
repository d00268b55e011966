#include "base/rng.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"

Rng rng_named(uint64_t seed, const char *name) {
  uint64_t h = hash64(name, strlen(name), seed);
  return (Rng){{(uint32_t)h, (uint32_t)(h >> 32)}};
}

void rng_block(Rng r, uint64_t step, uint64_t index, uint32_t out[4]) {
  uint32_t c[4] = {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)step, (uint32_t)(step >> 32)};
  uint32_t k0 = r.key[0], k1 = r.key[1];
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t hi0 = (uint32_t)(p0 >> 32), hi1 = (uint32_t)(p1 >> 32);
    uint32_t n0 = hi1 ^ c[1] ^ k0, n2 = hi0 ^ c[3] ^ k1;
    c[0] = n0, c[1] = (uint32_t)p1, c[2] = n2, c[3] = (uint32_t)p0;
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  memcpy(out, c, sizeof c);
}

static double unit(uint32_t a, uint32_t b) { return (double)(((uint64_t)a << 32 | b) >> 11) * 0x1p-53; }

double rng_uniform(Rng r, uint64_t step, uint64_t index) {
  uint32_t w[4];
  rng_block(r, step, index / 2, w);
  return index % 2 ? unit(w[2], w[3]) : unit(w[0], w[1]);
}

static void normal_pair(Rng r, uint64_t step, uint64_t block, double out[2]) {
  uint32_t w[4];
  rng_block(r, step, block, w);
  double radius = sqrt(-2 * log(1 - unit(w[0], w[1])));  // 1 - u is in (0, 1]
  double angle = 2 * 3.14159265358979323846 * unit(w[2], w[3]);
  out[0] = radius * cos(angle);
  out[1] = radius * sin(angle);
}

double rng_normal(Rng r, uint64_t step, uint64_t index) {
  double z[2];
  normal_pair(r, step, index / 2, z);
  return z[index % 2];
}

void rng_fill_normal(Rng r, uint64_t step, uint64_t first, float *out, int64_t n, double mean, double std) {
  double z[2] = {0, 0};
  for (int64_t i = 0; i < n; i++) {
    uint64_t index = first + (uint64_t)i;
    if (i == 0 || index % 2 == 0) normal_pair(r, step, index / 2, z);
    out[i] = (float)(mean + std * z[index % 2]);
  }
}
