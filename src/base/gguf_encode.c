// Encoding of types without a scale, and with one for 32 elements; rounded as ggml's reference does.
#include <math.h>
#include <string.h>

#include "base/gguf_codec.h"
#include "base/wide.h"

void encode_f32(const float *in, int64_t n, uint8_t *out) { memcpy(out, in, (size_t)n * sizeof *in); }

WIDE void encode_f16(const float *in, int64_t n, uint8_t *out) {
  uint16_t h[16];
  for (int64_t part; n > 0; n -= part, in += part, out += 2 * part) {
    part = n < 16 ? n : 16;
    if (part == 16)
      for (int i = 0; i < 16; i++) h[i] = fp16_from_f32(in[i], false);
    else
      for (int i = 0; i < part; i++) h[i] = fp16_from_f32(in[i], false);
    memcpy(out, h, 2 * (size_t)part);
  }
}

WIDE void encode_bf16(const float *in, int64_t n, uint8_t *out) {
  for (int64_t i = 0; i < n; i++) {
    Bf16 h = bf16_from_f32(in[i]);
    memcpy(out + 2 * i, &h, 2);
  }
}

// NaN gives `low`.
WIDE_PART float limit(float x, float low, float high) {
  x = x > low ? x : low;
  return x < high ? x : high;
}

// roundf, of a number that an int can hold; compilers make vectors of it.
WIDE_PART int round_away(float x) {
  int whole = (int)x;
  float rest = x - (float)whole;  // exact
  return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

enum { SHORT = 32 };  // elements of a block

// The magnitudes' bits, and the greatest: the order of finite numbers without a sign is that of their bits.
WIDE_PART int32_t largest(const float *in, int32_t *bits) {
  int32_t most = 0;
  memcpy(bits, in, SHORT * sizeof *bits);
  for (int i = 0; i < SHORT; i++) bits[i] &= 0x7fffffff;
  for (int i = 0; i < SHORT; i++) most = bits[i] > most ? bits[i] : most;
  return most;
}

WIDE void encode_q8_0(const float *in, int64_t n, uint8_t *out) {
  for (int64_t b = 0; b < n; b++, in += SHORT, out += 2 + SHORT) {
    float scaled[SHORT];
    int8_t code[SHORT];
    int32_t bits[SHORT];
    float d = f32_from_bits((uint32_t)largest(in, bits)) / 127, inverse = d != 0 ? 1 / d : 0;
    put_half(out, d);
    for (int i = 0; i < SHORT; i++) scaled[i] = limit(in[i] * inverse, -127, 127);
    for (int i = 0; i < SHORT; i++) code[i] = (int8_t)round_away(scaled[i]);
    memcpy(out + 2, code, sizeof code);
  }
}

// The first element of the largest magnitude becomes -8 exactly.
WIDE void encode_q4_0(const float *in, int64_t n, uint8_t *out) {
  enum { HALF = SHORT / 2 };
  for (int64_t b = 0; b < n; b++, in += SHORT, out += 2 + HALF) {
    float scaled[SHORT];
    uint8_t code[SHORT];
    int32_t bits[SHORT], most = largest(in, bits), first = SHORT;
    for (int i = 0; i < SHORT; i++) {
      int32_t at = bits[i] == most ? i : SHORT;
      first = at < first ? at : first;
    }
    float d = (most > 0 ? in[first] : 0) / -8, inverse = d != 0 ? 1 / d : 0;
    put_half(out, d);
    for (int i = 0; i < SHORT; i++) scaled[i] = limit(in[i] * inverse + 8.5f, 0, 15);
    for (int i = 0; i < SHORT; i++) code[i] = (uint8_t)(int)scaled[i];
    for (int i = 0; i < HALF; i++) out[2 + i] = (uint8_t)(code[i] | code[HALF + i] << 4);
  }
}
