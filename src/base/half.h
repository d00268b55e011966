// Sixteen- and eight-bit floating point: bf16, fp16, fp8 e4m3 (the "fn" form: no infinities) and e5m2.
// Conversions to a narrower type round to nearest even. Overflow gives infinity (NaN for e4m3), or with `saturate` the
// largest finite value, infinities too. NaN stays NaN. Conversions to fp32 are exact.
// And fp32 in two halves: what bf16 rounds it to, and the low 16 bits of its pattern.
#ifndef BASE_HALF_H
#define BASE_HALF_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t Bf16;

static inline uint32_t f32_bits(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}
static inline float f32_from_bits(uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}

static inline float bf16_to_f32(Bf16 h) { return f32_from_bits((uint32_t)h << 16); }
static inline Bf16 bf16_from_f32(float x) {
  uint32_t u = f32_bits(x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return (Bf16)((u >> 16) | 0x40u);  // quiet the NaN, never round it to infinity
  return (Bf16)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

Bf16 bf16_from_f32_saturate(float x);
// Those of fp16 are without branches (masks, which compilers make vectors of) and without denormal arithmetic.
static inline uint32_t mask_if(bool yes) { return 0u - (uint32_t)yes; }
static inline uint16_t fp16_from_f32(float x, bool saturate) {
  uint32_t u = f32_bits(x), sign = u >> 16 & 0x8000u, a = u & 0x7fffffffu;
  uint32_t over = mask_if(a >= 0x477ff000u), small = mask_if(a < 0x38800000u);  // from halfway to 2^16 on; below 2^-14
  uint32_t nan = mask_if(a > 0x7f800000u), overflow = (nan & 0x7e00u) | (~nan & (saturate ? 0x7bffu : 0x7c00u));
  uint32_t denormal = f32_bits(f32_from_bits(a) + 0.5f) - 0x3f000000u;  // the sum is rounded where fp16 ends
  uint32_t normal = (a - 0x38000000u + 0xfffu + (a >> 13 & 1u)) >> 13;
  return (uint16_t)(sign | (over & overflow) | (~over & ((small & denormal) | (~small & normal))));
}
static inline float fp16_to_f32(uint16_t h) {
  uint32_t a = (uint32_t)(h & 0x7fffu) << 13, sign = (uint32_t)(h & 0x8000u) << 16;
  uint32_t small = mask_if(a < 0x00800000u), special = mask_if(a >= 0x0f800000u), nan = mask_if(a > 0x0f800000u);
  uint32_t denormal = f32_bits(f32_from_bits(a + 0x38800000u) - 0x1p-14f), normal = a + 0x38000000u;
  return f32_from_bits(sign | (small & denormal) | (~small & normal) | (special & 0x7f800000u) | (nan & 0x00400000u));
}
// The low half says how far the high one was rounded, and in which direction: below 0x8000 down, above it up. At 0x8000
// exactly, a tie, it cannot say, so a tie moves by one unit of fp32, away from zero; and a NaN becomes the quiet one of no low
// bits that bf16 has. Every other pattern comes back as it was, and the high half is bf16_from_f32 of what comes back, always.
static inline void f32_split(float x, Bf16 *high, uint16_t *low) {
  uint32_t u = f32_bits(x);
  const uint32_t nan = mask_if((u & 0x7fffffffu) > 0x7f800000u);
  u = (u & ~(nan & 0xffffu)) | (nan & 0x400000u);
  u |= (u & 0xffffu) == 0x8000u;
  *high = (Bf16)((u + 0x8000u) >> 16);
  *low = (uint16_t)u;
}
static inline float f32_join(Bf16 high, uint16_t low) {
  return f32_from_bits(((uint32_t)high << 16) + low - ((low & 0x8000u) << 1));
}

uint8_t e4m3_from_f32(float x, bool saturate);
float e4m3_to_f32(uint8_t b);
uint8_t e5m2_from_f32(float x, bool saturate);
float e5m2_to_f32(uint8_t b);

#endif
