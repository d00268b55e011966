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
