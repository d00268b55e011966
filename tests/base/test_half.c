#include "base/half.h"

#include <math.h>

#include "base/safetensors.h"
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

static const int32_t *words(const SafeTensors *s, const char *name, int64_t *n) {
  const StTensor *t = NULL;
  ASSERT_OK(safetensors_want(s, name, ST_I32, -1, NULL, &t));
  ASSERT_INT((uintptr_t)t->data % 4, 0);
  *n = st_elements(t);
  return t->data;
}

static uint32_t encode(const char *name, float x) {
  if (strcmp(name, "bf16") == 0) return bf16_from_f32(x);
  if (strcmp(name, "fp16") == 0) return fp16_from_f32(x, false);
  if (strcmp(name, "e4m3fn") == 0) return e4m3_from_f32(x, false);
  if (strcmp(name, "e4m3fn_saturate") == 0) return e4m3_from_f32(x, true);
  if (strcmp(name, "e5m2") == 0) return e5m2_from_f32(x, false);
  return e5m2_from_f32(x, true);
}

static float decode(const char *name, uint32_t code) {
  if (strcmp(name, "bf16") == 0) return bf16_to_f32((Bf16)code);
  if (strcmp(name, "fp16") == 0) return fp16_to_f32((uint16_t)code);
  return name[1] == '4' ? e4m3_to_f32((uint8_t)code) : e5m2_to_f32((uint8_t)code);
}

TEST(every_golden_rounding) {
  static const char *const names[] = {"bf16", "fp16", "e4m3fn", "e4m3fn_saturate", "e5m2", "e5m2_saturate"};
  char path[PATH_BYTES];
  SafeTensors s;
  ASSERT_OK(path_join(path, test_shared(), "golden/ops/rounding.safetensors"));
  ASSERT_OK(safetensors_open(&s, path));
  int64_t n = 0, m = 0;
  const int32_t *input = words(&s, "input_bits", &n), *is_nan = words(&s, "input_is_nan", &m);
  ASSERT(n > 4000 && m == n);
  for (int k = 0; k < 6; k++) {
    const int32_t *want = words(&s, names[k], &m);
    ASSERT_INT(m, n);
    for (int64_t i = 0; i < n; i++) {
      uint32_t got = encode(names[k], f32_from_bits((uint32_t)input[i]));
      bool right = is_nan[i] ? isnan(decode(names[k], got)) : got == (uint32_t)want[i];
      ASSERT_MSG(right, "%s of %08x is %x, want %x", names[k], (unsigned)input[i], got, (unsigned)want[i]);
    }
  }
  safetensors_close(&s);
}

static void check_decode(const SafeTensors *s, const char *tensor, const char *name, const int32_t *codes) {
  const StTensor *t = NULL;
  ASSERT_OK(safetensors_want(s, tensor, ST_F32, -1, NULL, &t));
  for (int64_t i = 0; i < st_elements(t); i++) {
    float want, got = decode(name, codes ? (uint32_t)codes[i] : (uint32_t)i);
    ASSERT_OK(st_read_f32(t, i, 1, &want));
    ASSERT_MSG(isnan(want) ? isnan(got) : f32_bits(got) == f32_bits(want), "%s code %lld is %g, want %g", name, (long long)i,
               got, want);
  }
}

TEST(every_golden_code_decodes) {
  char path[PATH_BYTES];
  SafeTensors s;
  int64_t n = 0;
  ASSERT_OK(path_join(path, test_shared(), "golden/ops/rounding.safetensors"));
  ASSERT_OK(safetensors_open(&s, path));
  check_decode(&s, "decode_e4m3fn", "e4m3fn", NULL);
  check_decode(&s, "decode_e5m2", "e5m2", NULL);
  check_decode(&s, "decode_fp16", "fp16", words(&s, "decode_fp16_codes", &n));
  safetensors_close(&s);
}

// Without the goldens: the edges of each type, from their definitions.
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
