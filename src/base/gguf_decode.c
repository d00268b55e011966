// Types with one scale for a short block, and those without. Bounds of inner loops are constants so that compilers make
// vectors of them; the order of operations is ggml's, since every rounding shows.
#include <string.h>

#include "base/gguf_codec.h"

enum { SHORT = 32, HALF = 16 };  // elements of a short block; its nibbles lie as 16 low ones, then 16 high ones

const int8_t gguf_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
const int8_t gguf_mxfp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

void decode_f32(const uint8_t *in, int64_t n, float *out) { memcpy(out, in, (size_t)n * sizeof *out); }

// Sixteen at a time from a copy: a loop of known length over aligned numbers.
void decode_f16(const uint8_t *restrict in, int64_t n, float *restrict out) {
  uint16_t h[16];
  for (; n >= 16; n -= 16, in += sizeof h, out += 16) {
    memcpy(h, in, sizeof h);
    for (int i = 0; i < 16; i++) out[i] = fp16_to_f32(h[i]);
  }
  for (int64_t i = 0; i < n; i++) out[i] = half_at(in + 2 * i);
}

void decode_bf16(const uint8_t *restrict in, int64_t n, float *restrict out) {
  Bf16 h[16];
  for (; n >= 16; n -= 16, in += sizeof h, out += 16) {
    memcpy(h, in, sizeof h);
    for (int i = 0; i < 16; i++) out[i] = bf16_to_f32(h[i]);
  }
  for (int64_t i = 0; i < n; i++) out[i] = bf16_to_f32((Bf16)(in[2 * i] | in[2 * i + 1] << 8));
}

void decode_q8_0(const uint8_t *restrict in, int64_t n, float *restrict out) {
  for (int64_t b = 0; b < n; b++, in += 2 + SHORT, out += SHORT) {
    float d = half_at(in);
    for (int i = 0; i < SHORT; i++) out[i] = (float)(int8_t)in[2 + i] * d;
  }
}

void decode_q4_0(const uint8_t *restrict in, int64_t n, float *restrict out) {
  for (int64_t b = 0; b < n; b++, in += 2 + HALF, out += SHORT) {
    float d = half_at(in);
    for (int i = 0; i < HALF; i++) out[i] = (float)((in[2 + i] & 15) - 8) * d;
    for (int i = 0; i < HALF; i++) out[HALF + i] = (float)((in[2 + i] >> 4) - 8) * d;
  }
}

void decode_q4_1(const uint8_t *restrict in, int64_t n, float *restrict out) {
  for (int64_t b = 0; b < n; b++, in += 4 + HALF, out += SHORT) {
    float d = half_at(in), least = half_at(in + 2);
    for (int i = 0; i < HALF; i++) out[i] = (float)(in[4 + i] & 15) * d + least;
    for (int i = 0; i < HALF; i++) out[HALF + i] = (float)(in[4 + i] >> 4) * d + least;
  }
}

// Bit i of four bytes is the fifth bit of element i.
static inline uint32_t fifth_bits(const uint8_t *p) {
  return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

void decode_q5_0(const uint8_t *restrict in, int64_t n, float *restrict out) {
  for (int64_t b = 0; b < n; b++, in += 6 + HALF, out += SHORT) {
    float d = half_at(in);
    uint32_t high = fifth_bits(in + 2);
    for (int i = 0; i < HALF; i++) out[i] = (float)((int)((in[6 + i] & 15u) | (high >> i & 1) << 4) - 16) * d;
    for (int i = 0; i < HALF; i++) out[HALF + i] = (float)((int)((in[6 + i] >> 4) | (high >> (i + 16) & 1) << 4) - 16) * d;
  }
}

void decode_q5_1(const uint8_t *restrict in, int64_t n, float *restrict out) {
  for (int64_t b = 0; b < n; b++, in += 8 + HALF, out += SHORT) {
    float d = half_at(in), least = half_at(in + 2);
    uint32_t high = fifth_bits(in + 4);
    for (int i = 0; i < HALF; i++) out[i] = (float)(int)((in[8 + i] & 15u) | (high >> i & 1) << 4) * d + least;
    for (int i = 0; i < HALF; i++) out[HALF + i] = (float)(int)((in[8 + i] >> 4) | (high >> (i + 16) & 1) << 4) * d + least;
  }
}

void decode_iq4_nl(const uint8_t *restrict in, int64_t n, float *restrict out) {
  for (int64_t b = 0; b < n; b++, in += 2 + HALF, out += SHORT) {
    float d = half_at(in);
    for (int i = 0; i < HALF; i++) out[i] = d * (float)gguf_iq4_values[in[2 + i] & 15];
    for (int i = 0; i < HALF; i++) out[HALF + i] = d * (float)gguf_iq4_values[in[2 + i] >> 4];
  }
}

// The scale is a power of two; the values are doubled, so it is halved: 2^(e - 128), which for e < 2 is denormal.
void decode_mxfp4(const uint8_t *restrict in, int64_t n, float *restrict out) {
  for (int64_t b = 0; b < n; b++, in += 1 + HALF, out += SHORT) {
    float d = f32_from_bits(in[0] < 2 ? 0x00200000u << in[0] : (in[0] - 1u) << 23);
    for (int i = 0; i < HALF; i++) out[i] = (float)gguf_mxfp4_values[in[1 + i] & 15] * d;
    for (int i = 0; i < HALF; i++) out[HALF + i] = (float)gguf_mxfp4_values[in[1 + i] >> 4] * d;
  }
}
