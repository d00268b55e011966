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

// The greatest magnitude of 32, by the bits: the order of finite numbers without a sign is that of their bits.
static inline float largest(const float *in) {
  int32_t bits[32], most = 0;
  memcpy(bits, in, sizeof bits);
  for (int i = 0; i < 32; i++) bits[i] &= 0x7fffffff;
  for (int i = 0; i < 32; i++) most = bits[i] > most ? bits[i] : most;
  return f32_from_bits((uint32_t)most);
}

WIDE void encode_q8_0(const float *in, int64_t n, uint8_t *out) {
  enum { BLOCK = 32 };
  for (int64_t b = 0; b < n; b++, in += BLOCK, out += 2 + BLOCK) {
    float scaled[BLOCK];
    int8_t code[BLOCK];
    float d = largest(in) / 127, inverse = d != 0 ? 1 / d : 0;
    put_half(out, d);
    for (int i = 0; i < BLOCK; i++) scaled[i] = limit(in[i] * inverse, -127, 127);
    for (int i = 0; i < BLOCK; i++) code[i] = (int8_t)round_away(scaled[i]);
    memcpy(out + 2, code, sizeof code);
  }
}

// The element of the largest magnitude becomes -8 exactly.
WIDE void encode_q4_0(const float *in, int64_t n, uint8_t *out) {
  enum { BLOCK = 32, HALF = 16 };
  for (int64_t b = 0; b < n; b++, in += BLOCK, out += 2 + HALF) {
    float most = 0;
    for (int i = 0; i < BLOCK; i++)
      if (fabsf(in[i]) > fabsf(most)) most = in[i];
    float d = most / -8, inverse = d != 0 ? 1 / d : 0;
    put_half(out, d);
    for (int i = 0; i < HALF; i++) {
      int low = (int)limit(in[i] * inverse + 8.5f, 0, 15), high = (int)limit(in[HALF + i] * inverse + 8.5f, 0, 15);
      out[2 + i] = (uint8_t)(low | high << 4);
    }
  }
}
