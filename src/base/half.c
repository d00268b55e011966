#include "base/half.h"

#include <math.h>

// One description serves every small type: sign, `exp_bits` with `bias`, `man_bits`.
typedef struct {
  int exp_bits, man_bits, bias;
  bool has_infinity;  // false (e4m3fn): the top exponent holds numbers too, and only its last code is NaN
} SmallFloat;

static const SmallFloat E4M3 = {4, 3, 7, false};
static const SmallFloat E5M2 = {5, 2, 15, true};

static float small_to_f32(const SmallFloat *s, uint32_t code) {
  uint32_t man_mask = (1u << s->man_bits) - 1, exp_mask = (1u << s->exp_bits) - 1;
  uint32_t man = code & man_mask, exp = (code >> s->man_bits) & exp_mask;
  float sign = (code >> (s->man_bits + s->exp_bits)) & 1u ? -1.0f : 1.0f;
  if (exp == exp_mask && (s->has_infinity || man == man_mask))
    return s->has_infinity && man == 0 ? sign * INFINITY : sign * NAN;
  if (exp == 0) return sign * ldexpf((float)man, 1 - s->bias - s->man_bits);
  return sign * ldexpf((float)(man | (1u << s->man_bits)), (int)exp - s->bias - s->man_bits);
}

static uint32_t small_from_f32(const SmallFloat *s, float x, bool saturate) {
  uint32_t u = f32_bits(x), sign = (u >> 31) << (s->man_bits + s->exp_bits);
  uint32_t man_mask = (1u << s->man_bits) - 1, exp_mask = (1u << s->exp_bits) - 1;
  uint32_t infinity = exp_mask << s->man_bits;
  uint32_t nan = s->has_infinity ? infinity | (1u << (s->man_bits - 1)) : infinity | man_mask;
  uint32_t largest = s->has_infinity ? infinity - 1 : nan - 1;
  uint32_t overflow = saturate ? largest : s->has_infinity ? infinity : nan;
  uint32_t a = u & 0x7fffffffu;
  if (a > 0x7f800000u) return sign | nan;
  if (a == 0x7f800000u) return sign | overflow;
  int exp = (int)(a >> 23) - 127;
  if (a < 0x00800000u) return sign;  // fp32 denormals are far under half of the least code
  uint32_t man = (a & 0x7fffffu) | 0x800000u;
  // `shift` low bits of the 24-bit mantissa fall off; more of them below the normal range.
  int shift = 23 - s->man_bits, least = 1 - s->bias;
  if (exp < least) shift += least - exp;
  if (shift > 24) return sign;
  uint32_t kept = man >> shift, rest = man & ((1u << shift) - 1), half = 1u << (shift - 1);
  if (rest > half || (rest == half && (kept & 1u))) kept++;
  // A carry out of the mantissa runs into the exponent, which is just what is wanted.
  uint32_t code = exp < least ? kept : kept + ((uint32_t)(exp - least) << s->man_bits);
  return sign | (code > largest ? overflow : code);
}

Bf16 bf16_from_f32_saturate(float x) {
  Bf16 h = bf16_from_f32(x);
  return (h & 0x7fffu) == 0x7f80u ? (Bf16)(h - 1u) : h;
}

uint8_t e4m3_from_f32(float x, bool saturate) { return (uint8_t)small_from_f32(&E4M3, x, saturate); }
float e4m3_to_f32(uint8_t b) { return small_to_f32(&E4M3, b); }
uint8_t e5m2_from_f32(float x, bool saturate) { return (uint8_t)small_from_f32(&E5M2, x, saturate); }
float e5m2_to_f32(uint8_t b) { return small_to_f32(&E5M2, b); }
