// Conversions between fp32 and the narrow types, both ways.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/half.h"
#include "golden/golden_tensors.h"

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

static void encodings(const TensorCase *c) {
  static const char *const names[] = {"bf16", "fp16", "e4m3fn", "e4m3fn_saturate", "e5m2", "e5m2_saturate"};
  int64_t n = case_elements(c, "input_bits");
  int32_t *input = case_ints(c, "input_bits", n, INT32_MIN, INT32_MAX), *is_nan = case_ints(c, "input_is_nan", n, 0, 1);
  for (int k = 0; k < 6; k++) {
    int32_t *want = case_ints(c, names[k], n, INT32_MIN, INT32_MAX);
    for (int64_t i = 0; i < n; i++) {
      uint32_t got = encode(names[k], f32_from_bits((uint32_t)input[i]));
      bool right = is_nan[i] ? isnan(decode(names[k], got)) : got == (uint32_t)want[i];
      case_compare(c, right, "%s of %08x is %x, want %x", names[k], (unsigned)input[i], got, (unsigned)want[i]);
    }
  }
}

static void decodings(const TensorCase *c, const char *tensor, const char *name, const int32_t *codes) {
  int64_t n = case_elements(c, tensor);
  float *want = case_floats(c, tensor, n);
  for (int64_t i = 0; i < n; i++) {
    float got = decode(name, codes ? (uint32_t)codes[i] : (uint32_t)i);
    case_compare(c, isnan(want[i]) ? isnan(got) : f32_bits(got) == f32_bits(want[i]), "%s code %lld is %g, want %g", name,
                 (long long)i, (double)got, (double)want[i]);
  }
}

static void rounding(const TensorCase *c) {
  encodings(c);
  decodings(c, "decode_e4m3fn", "e4m3fn", NULL);
  decodings(c, "decode_e5m2", "e5m2", NULL);
  decodings(c, "decode_fp16", "fp16", case_ints(c, "decode_fp16_codes", case_elements(c, "decode_fp16"), 0, UINT16_MAX));
}
void golden_rounding(GoldenCount *n) { golden_each_case(n, "", true, rounding); }
