#include "base/half.h"

#include <math.h>

#include "test.h"

// Every fp8 code survives the way to fp32 and back; every fp16 and bf16 code that is a number too.
TEST(every_code_round_trips) {
  for (uint32_t c = 0; c < 256; c++) {
    float e4 = e4m3_to_f32((uint8_t)c), e5 = e5m2_to_f32((uint8_t)c);
    if (!isnan(e4)) ASSERT_INT(e4m3_from_f32(e4, false), c);
    if (!isnan(e5)) ASSERT_INT(e5m2_from_f32(e5, false), c);
  }
  for (uint32_t c = 0; c < 65536; c++) {
    float h = fp16_to_f32((uint16_t)c), b = bf16_to_f32((Bf16)c);
    if (!isnan(h)) ASSERT_INT(fp16_from_f32(h, false), c);
    if (!isnan(b)) ASSERT_INT(bf16_from_f32(b), c);
    else ASSERT(isnan(bf16_to_f32(bf16_from_f32(b))));
  }
}

// The edges of each type, from their definitions.
TEST(edges_round_as_defined) {
  ASSERT_INT(e4m3_from_f32(448, false), 0x7e);
  ASSERT_INT(e4m3_from_f32(464, false), 0x7e);  // half way to 480, which is no number: to the even code
  ASSERT_INT(e4m3_from_f32(465, false), 0x7f);
  ASSERT_INT(e4m3_from_f32(-465, true), 0xfe);
  ASSERT_INT(e4m3_from_f32(INFINITY, true), 0x7e);
  ASSERT_INT(e4m3_from_f32(0x1p-10f, false), 0);  // half of the least: to even, zero
  ASSERT_INT(e4m3_from_f32(0x1.8p-10f, false), 1);
  ASSERT_INT(e5m2_from_f32(61440, false), 0x7c);
  ASSERT_INT(e5m2_from_f32(61439, false), 0x7b);
  ASSERT_INT(fp16_from_f32(65520, false), 0x7c00);
  ASSERT_INT(fp16_from_f32(65519, false), 0x7bff);
  ASSERT_INT(fp16_from_f32(-INFINITY, true), 0xfbff);
  ASSERT_INT(fp16_from_f32(0x1p-25f, false), 0);
  ASSERT_INT(bf16_from_f32(0x1.01p0f), 0x3f80);
  ASSERT_INT(bf16_from_f32(0x1.03p0f), 0x3f82);
  ASSERT_INT(bf16_from_f32(0x1.fffffep127f), 0x7f80);
  ASSERT_INT(bf16_from_f32_saturate(0x1.fffffep127f), 0x7f7f);
  ASSERT_INT(bf16_from_f32_saturate(-INFINITY), 0xff7f);
  ASSERT_INT(bf16_from_f32(-0.0f), 0x8000);
}

// ---- fp32 in two halves

// Bits in which what comes back of a pattern, or its high half, is not what it should be.
static inline uint32_t split_faults(uint32_t u) {
  const bool nan = (u & 0x7fffffffu) > 0x7f800000u, tie = (u & 0xffffu) == 0x8000u;
  const uint32_t want = nan ? (u & 0xffff0000u) | 0x400000u : tie ? u + 1 : u;
  Bf16 high;
  uint16_t low;
  f32_split(f32_from_bits(u), &high, &low);
  return (f32_bits(f32_join(high, low)) ^ want) | (uint32_t)(high ^ bf16_from_f32(f32_from_bits(want)));
}

TEST(halves_hold_all_but_ties) {
  static const uint16_t low[] = {0, 1, 2, 0x40, 0x1234, 0x7ffe, 0x7fff, 0x8000, 0x8001, 0x8002, 0x9abc, 0xc000, 0xfffe, 0xffff};
  for (uint32_t high = 0; high < 65536; high++)
    for (size_t i = 0; i < sizeof low / sizeof *low; i++)
      ASSERT_MSG(split_faults(high << 16 | low[i]) == 0, "%04x%04x", high, low[i]);
}

SLOW_TEST(halves_hold_every_pattern_but_ties) {
  for (uint32_t high = 0; high < 65536; high++) {
    uint32_t faults = 0;
    for (uint32_t low = 0; low < 65536; low++) faults |= split_faults(high << 16 | low);
    ASSERT_MSG(faults == 0, "some %04x....", high);
  }
}
