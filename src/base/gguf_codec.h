// The conversions that the table of types (gguf_type.c) lists. Internal to base.
#ifndef BASE_GGUF_CODEC_H
#define BASE_GGUF_CODEC_H

#include <stdint.h>

#include "base/half.h"

void decode_f32(const uint8_t *in, int64_t n, float *out);
void decode_f16(const uint8_t *in, int64_t n, float *out);
void decode_bf16(const uint8_t *in, int64_t n, float *out);
void decode_q4_0(const uint8_t *in, int64_t n, float *out);
void decode_q4_1(const uint8_t *in, int64_t n, float *out);
void decode_q5_0(const uint8_t *in, int64_t n, float *out);
void decode_q5_1(const uint8_t *in, int64_t n, float *out);
void decode_q8_0(const uint8_t *in, int64_t n, float *out);
void decode_iq4_nl(const uint8_t *in, int64_t n, float *out);
void decode_mxfp4(const uint8_t *in, int64_t n, float *out);

void decode_q2_k(const uint8_t *in, int64_t n, float *out);
void decode_q3_k(const uint8_t *in, int64_t n, float *out);
void decode_q4_k(const uint8_t *in, int64_t n, float *out);
void decode_q5_k(const uint8_t *in, int64_t n, float *out);
void decode_q6_k(const uint8_t *in, int64_t n, float *out);
void decode_iq4_xs(const uint8_t *in, int64_t n, float *out);
void decode_tq1_0(const uint8_t *in, int64_t n, float *out);
void decode_tq2_0(const uint8_t *in, int64_t n, float *out);

void encode_f32(const float *in, int64_t n, uint8_t *out);
void encode_f16(const float *in, int64_t n, uint8_t *out);
void encode_bf16(const float *in, int64_t n, uint8_t *out);
void encode_q8_0(const float *in, int64_t n, uint8_t *out);
void encode_q4_0(const float *in, int64_t n, uint8_t *out);
void encode_q4_k(const float *in, int64_t n, uint8_t *out);
void encode_q6_k(const float *in, int64_t n, uint8_t *out);

// The sixteen values of IQ4_NL and IQ4_XS, and of MXFP4 (twice the number, so that they are whole).
extern const int8_t gguf_iq4_values[16], gguf_mxfp4_values[16];

// The fp16 number at p.
static inline float half_at(const uint8_t *p) { return fp16_to_f32((uint16_t)(p[0] | p[1] << 8)); }

static inline void put_half(uint8_t *p, float x) {
  uint16_t h = fp16_from_f32(x, true);
  p[0] = (uint8_t)h;
  p[1] = (uint8_t)(h >> 8);
}

#endif
