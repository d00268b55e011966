// Types of 256 elements to a block: a wide scale, and small scales for each 16 or 32 elements ("K"), or trits ("TQ").
#include "base/gguf_codec.h"

enum { LONG = 256 };

// 84 bytes: 16 x (scale 4 bits, least 4 bits), 64 bytes of 2-bit numbers, d, dmin.
void decode_q2_k(const uint8_t *restrict in, int64_t n, float *restrict out) {
  for (int64_t b = 0; b < n; b++, in += 84) {
    const uint8_t *scale = in, *q = in + 16;
    float d = half_at(in + 80), dmin = half_at(in + 82);
    for (int part = 0; part < 2; part++, q += 32)
      for (int shift = 0; shift < 8; shift += 2, scale += 2, out += 32)
        for (int half = 0; half < 2; half++) {
          float dl = d * (float)(scale[half] & 15), least = dmin * (float)(scale[half] >> 4);
          for (int i = 0; i < 16; i++) out[16 * half + i] = dl * (float)(q[16 * half + i] >> shift & 3) - least;
        }
  }
}

// 110 bytes: 32 bytes with each element's third bit, 64 bytes of 2-bit numbers, 16 scales of 6 bits in 12 bytes, d.
void decode_q3_k(const uint8_t *restrict in, int64_t n, float *restrict out) {
  for (int64_t b = 0; b < n; b++, in += 110) {
    const uint8_t *high = in, *q = in + 32, *packed = in + 96;
    float d = half_at(in + 108);
    int group = 0, bit = 0;
    for (int part = 0; part < 2; part++, q += 32)
      for (int shift = 0; shift < 8; shift += 2, bit++, out += 32)
        for (int half = 0; half < 2; half++, group++) {
          int low = group < 8 ? packed[group] & 15 : packed[group - 8] >> 4;
          int scale = (low | (packed[8 + group % 4] >> (2 * (group / 4)) & 3) << 4) - 32;
          float dl = d * (float)scale;
          for (int i = 0; i < 16; i++) {
            int at = 16 * half + i;
            out[at] = dl * (float)((q[at] >> shift & 3) - 4 + 4 * (high[at] >> bit & 1));
          }
        }
  }
}

typedef struct {
  float scale, least;
} Group;

// One of the 8 groups of Q4_K and Q5_K: 6 bits each in 12 bytes, times d and dmin.
static inline Group group_at(const uint8_t *p, int group, float d, float dmin) {
  bool low = group < 4;
  int scale = low ? p[group] & 63 : (p[group + 4] & 15) | (p[group - 4] >> 6) << 4;
  int least = low ? p[group + 4] & 63 : (p[group + 4] >> 4) | (p[group] >> 6) << 4;
  return (Group){d * (float)scale, dmin * (float)least};
}

// 144 bytes: d, dmin, scales, 128 bytes: 32 low nibbles are one group, the high ones the next.
void decode_q4_k(const uint8_t *restrict in, int64_t n, float *restrict out) {
  for (int64_t b = 0; b < n; b++, in += 144) {
    const uint8_t *q = in + 16;
    float d = half_at(in), dmin = half_at(in + 2);
    for (int group = 0; group < 8; group += 2, q += 32, out += 64) {
      Group one = group_at(in + 4, group, d, dmin), two = group_at(in + 4, group + 1, d, dmin);
      for (int i = 0; i < 32; i++) out[i] = one.scale * (float)(q[i] & 15) - one.least;
      for (int i = 0; i < 32; i++) out[32 + i] = two.scale * (float)(q[i] >> 4) - two.least;
    }
  }
}

// 176 bytes: as Q4_K with 32 bytes of fifth bits before the nibbles.
void decode_q5_k(const uint8_t *restrict in, int64_t n, float *restrict out) {
  for (int64_t b = 0; b < n; b++, in += 176) {
    const uint8_t *high = in + 16, *q = in + 48;
    float d = half_at(in), dmin = half_at(in + 2);
    for (int group = 0; group < 8; group += 2, q += 32, out += 64) {
      Group one = group_at(in + 4, group, d, dmin), two = group_at(in + 4, group + 1, d, dmin);
      for (int i = 0; i < 32; i++) out[i] = one.scale * (float)((q[i] & 15) + (high[i] >> group & 1) * 16) - one.least;
      for (int i = 0; i < 32; i++)
        out[32 + i] = two.scale * (float)((q[i] >> 4) + (high[i] >> (group + 1) & 1) * 16) - two.least;
    }
  }
}

// 210 bytes: 128 bytes of low nibbles, 64 of high pairs of bits, 16 scales of 8 bits, d.
void decode_q6_k(const uint8_t *restrict in, int64_t n, float *restrict out) {
  for (int64_t b = 0; b < n; b++, in += 210) {
    const uint8_t *low = in, *high = in + 128, *scale = in + 192;
    float d = half_at(in + 208);
    for (int part = 0; part < 2; part++, low += 64, high += 32, scale += 8, out += 128)
      for (int group = 0; group < 8; group++) {
        float dl = d * (float)(int8_t)scale[group];
        const uint8_t *l = low + 16 * (group % 4), *h = high + 16 * (group % 2);
        int nibble = group / 4 * 4, pair = group / 2 * 2;
        for (int i = 0; i < 16; i++) out[16 * group + i] = dl * (float)(((l[i] >> nibble & 15) | (h[i] >> pair & 3) << 4) - 32);
      }
  }
}

// 136 bytes: d, the scales' high pairs of bits, their low nibbles, 128 bytes of nibbles that are indices of values.
void decode_iq4_xs(const uint8_t *restrict in, int64_t n, float *restrict out) {
  for (int64_t b = 0; b < n; b++, in += 136) {
    float d = half_at(in);
    unsigned pairs = in[2] | (unsigned)in[3] << 8;
    for (int group = 0; group < 8; group++, out += 32) {
      unsigned scale = (in[4 + group / 2] >> (group % 2 * 4) & 15u) | (pairs >> (2 * group) & 3u) << 4;
      float dl = d * (float)((int)scale - 32);
      const uint8_t *q = in + 8 + 16 * group;
      for (int i = 0; i < 16; i++) out[i] = dl * (float)gguf_iq4_values[q[i] & 15];
      for (int i = 0; i < 16; i++) out[16 + i] = dl * (float)gguf_iq4_values[q[i] >> 4];
    }
  }
}

// A byte holds five trits as a fraction of 256: multiplying by 3 brings the next one above the point.
static inline float trit(uint8_t byte, int place, float d) {
  static const uint8_t power[5] = {1, 3, 9, 27, 81};
  uint8_t rest = (uint8_t)(byte * power[place]);
  return (float)((rest * 3 >> 8) - 1) * d;
}

// 54 bytes: 48 of five trits, 4 of four trits, d.
void decode_tq1_0(const uint8_t *restrict in, int64_t n, float *restrict out) {
  static const struct { int first, bytes, trits; } runs[] = {{0, 32, 5}, {32, 16, 5}, {48, 4, 4}};
  for (int64_t b = 0; b < n; b++, in += 54) {
    float d = half_at(in + 52);
    for (int r = 0; r < 3; r++)
      for (int place = 0; place < runs[r].trits; place++, out += runs[r].bytes)
        for (int i = 0; i < runs[r].bytes; i++) out[i] = trit(in[runs[r].first + i], place, d);
  }
}

// 66 bytes: 64 of 2-bit numbers, d.
void decode_tq2_0(const uint8_t *restrict in, int64_t n, float *restrict out) {
  for (int64_t b = 0; b < n; b++, in += 66) {
    float d = half_at(in + 64);
    for (int part = 0; part < 2; part++)
      for (int shift = 0; shift < 8; shift += 2, out += 32)
        for (int i = 0; i < 32; i++) out[i] = (float)((in[32 * part + i] >> shift & 3) - 1) * d;
  }
}
