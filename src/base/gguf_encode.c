// Encoding. F16, BF16, Q8_0 and Q4_0 are rounded as ggml's reference does. Q4_K and Q6_K have scales of their own for each 32
// or 16 elements, and these are searched: for each of some step widths, round the elements, fit the scale (and the least
// number) to what came out by least squares, keep the best; then round the scales themselves to their few bits, and try their
// neighbours. The error is the plain sum of squares: nothing is known of what the weights are multiplied with.
#include <math.h>
#include <string.h>

#include "base/gguf_codec.h"

static inline void put_half(uint8_t *p, float x) {
  uint16_t h = fp16_from_f32(x, true);
  p[0] = (uint8_t)h;
  p[1] = (uint8_t)(h >> 8);
}

// NaN gives `low`.
static inline float limit(float x, float low, float high) {
  x = x > low ? x : low;
  return x < high ? x : high;
}

// roundf, of a number that an int can hold; compilers make vectors of it.
static inline int round_away(float x) {
  int whole = (int)x;
  float rest = x - (float)whole;  // exact
  return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

void encode_f32(const float *in, int64_t n, uint8_t *out) { memcpy(out, in, (size_t)n * sizeof *in); }

void encode_f16(const float *in, int64_t n, uint8_t *out) {
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

void encode_bf16(const float *in, int64_t n, uint8_t *out) {
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

void encode_q8_0(const float *in, int64_t n, uint8_t *out) {
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
void encode_q4_0(const float *in, int64_t n, uint8_t *out) {
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

// ---- groups: x ~ scale * q - least (Q4_K), x ~ scale * q (Q6_K)

enum { LONG = 256, LANES = 8 };  // sums go in lanes, so that compilers may make vectors of them

typedef struct {
  float scale, least;
} Fit;

static inline float sum_lanes(const float lane[LANES]) {
  float sum = 0;
  for (int k = 0; k < LANES; k++) sum += lane[k];
  return sum;
}

static inline int clamp(int q, int low, int high) { return q < low ? low : q > high ? high : q; }

// ---- Q4_K

enum { Q4_GROUP = 32, Q4_MOST = 15, Q4_GROUPS = 8, SCALE_MOST = 63 };

// Numbers by round(inverse * (x + least)), then the best scale and least number for them; the squared error of those.
static float fit_q4(const float *x, float inverse, float least, float sum_x, float sum_x2, Fit *out) {
  float q[Q4_GROUP];  // whole numbers, whose sums are exact in any order
  for (int i = 0; i < Q4_GROUP; i++) q[i] = (float)(int)limit((x[i] + least) * inverse + 0.5f, 0, (float)Q4_MOST);
  float xq[LANES] = {0}, q1[LANES] = {0}, q2[LANES] = {0};
  for (int i = 0; i < Q4_GROUP; i += LANES)
    for (int k = 0; k < LANES; k++) {
      xq[k] += x[i + k] * q[i + k];
      q1[k] += q[i + k];
      q2[k] += q[i + k] * q[i + k];
    }
  float sum_xq = sum_lanes(xq), sum_q = sum_lanes(q1), sum_q2 = sum_lanes(q2), n = Q4_GROUP;
  float divisor = n * sum_q2 - sum_q * sum_q, scale = 0, least_of = -sum_x / n;
  if (divisor > 0) {
    scale = (n * sum_xq - sum_x * sum_q) / divisor;
    least_of = (scale * sum_q - sum_x) / n;
  }
  if (least_of < 0) {  // the format has no positive offset
    least_of = 0;
    scale = sum_q2 > 0 ? sum_xq / sum_q2 : 0;
  }
  *out = (Fit){scale, least_of};
  return sum_x2 + scale * scale * sum_q2 + n * least_of * least_of - 2 * scale * sum_xq - 2 * scale * least_of * sum_q +
         2 * least_of * sum_x;
}

static Fit search_q4(const float *x) {
  enum { STEPS = 3 };
  float low = 0, high = x[0], sum[LANES] = {0}, sum2[LANES] = {0};
  for (int i = 0; i < Q4_GROUP; i += LANES)
    for (int k = 0; k < LANES; k++) {
      sum[k] += x[i + k];
      sum2[k] += x[i + k] * x[i + k];
    }
  for (int i = 0; i < Q4_GROUP; i++) low = x[i] < low ? x[i] : low, high = x[i] > high ? x[i] : high;
  if (high <= low) return (Fit){0, -low};
  float sum_x = sum_lanes(sum), sum_x2 = sum_lanes(sum2), least_error = INFINITY;
  Fit best = {0, 0};
  for (int step = 0; step <= STEPS; step++) {
    Fit fit;
    float error = fit_q4(x, ((float)Q4_MOST - 1 + 0.8f * (float)step) / (high - low), -low, sum_x, sum_x2, &fit);
    // Once more with what was found: elements move to where they now fit best.
    if (fit.scale > 0) {
      Fit again;
      float error_again = fit_q4(x, 1 / fit.scale, fit.least, sum_x, sum_x2, &again);
      if (error_again < error) error = error_again, fit = again;
    }
    if (error < least_error && fit.scale >= 0) least_error = error, best = fit;
  }
  return best;
}

static float error_q4(const float *x, float scale, float least) {
  float error[LANES] = {0}, inverse = scale > 0 ? 1 / scale : 0;
  for (int i = 0; i < Q4_GROUP; i += LANES)
    for (int k = 0; k < LANES; k++) {
      float t = (x[i + k] + least) * inverse + 0.5f;
      float e = scale * (float)(int)limit(t, 0, (float)Q4_MOST) - least - x[i + k];
      error[k] += e * e;
    }
  return sum_lanes(error);
}

// The scales as they will be stored: the nearest numbers and their neighbours, whichever loses least.
static void round_q4(const float *x, Fit fit, float d, float dmin, uint8_t *scale, uint8_t *least) {
  int s = d > 0 ? (int)limit(fit.scale / d + 0.5f, 0, SCALE_MOST) : 0;
  int m = dmin > 0 ? (int)limit(fit.least / dmin + 0.5f, 0, SCALE_MOST) : 0;
  float least_error = INFINITY;
  for (int ds = -1; ds <= 1; ds++)
    for (int dm = -1; dm <= 1; dm++) {
      int a = clamp(s + ds, 0, SCALE_MOST), b = clamp(m + dm, 0, SCALE_MOST);
      float error = error_q4(x, d * (float)a, dmin * (float)b);
      if (error >= least_error) continue;
      least_error = error;
      *scale = (uint8_t)a;
      *least = (uint8_t)b;
    }
}

// Six bits of each of 8 scales and 8 least numbers, in 12 bytes.
static void pack_scales(const uint8_t *scale, const uint8_t *least, uint8_t *out) {
  for (int i = 0; i < 4; i++) {
    out[i] = (uint8_t)(scale[i] | scale[i + 4] >> 4 << 6);
    out[i + 4] = (uint8_t)(least[i] | least[i + 4] >> 4 << 6);
    out[i + 8] = (uint8_t)((scale[i + 4] & 15) | (least[i + 4] & 15) << 4);
  }
}

static void encode_q4_k_block(const float *x, uint8_t *out) {
  Fit fit[Q4_GROUPS];
  float most_scale = 0, most_least = 0;
  uint8_t scale[Q4_GROUPS] = {0}, least[Q4_GROUPS] = {0};
  for (int g = 0; g < Q4_GROUPS; g++) {
    fit[g] = search_q4(x + g * Q4_GROUP);
    if (fit[g].scale > most_scale) most_scale = fit[g].scale;
    if (fit[g].least > most_least) most_least = fit[g].least;
  }
  put_half(out, most_scale / SCALE_MOST);
  put_half(out + 2, most_least / SCALE_MOST);
  float d = half_at(out), dmin = half_at(out + 2);
  for (int g = 0; g < Q4_GROUPS; g++) round_q4(x + g * Q4_GROUP, fit[g], d, dmin, &scale[g], &least[g]);
  pack_scales(scale, least, out + 4);
  memset(out + 16, 0, LONG / 2);
  for (int i = 0; i < LONG; i++) {
    int g = i / Q4_GROUP;
    float s = d * (float)scale[g], m = dmin * (float)least[g];
    float t = s > 0 ? (x[i] + m) / s + 0.5f : 0;
    unsigned q = (unsigned)limit(t, 0, (float)Q4_MOST);
    out[16 + g / 2 * Q4_GROUP + i % Q4_GROUP] |= (uint8_t)(q << (g % 2 * 4));
  }
}

void encode_q4_k(const float *in, int64_t n, uint8_t *out) {
  for (int64_t b = 0; b < n; b++) encode_q4_k_block(in + b * LONG, out + b * 144);
}

// ---- Q6_K

enum { Q6_GROUP = 16, Q6_GROUPS = 16, Q6_MOST = 31, Q6_LEAST = -32 };

// As fit_q4 without a least number.
static float fit_q6(const float *x, float inverse, float sum_x2, float *scale) {
  float q[Q6_GROUP], xq[LANES] = {0}, q2[LANES] = {0};
  for (int i = 0; i < Q6_GROUP; i++) q[i] = (float)((int)(limit(x[i] * inverse, (float)Q6_LEAST, (float)Q6_MOST) + 32.5f) - 32);
  for (int i = 0; i < Q6_GROUP; i += LANES)
    for (int k = 0; k < LANES; k++) {
      xq[k] += x[i + k] * q[i + k];
      q2[k] += q[i + k] * q[i + k];
    }
  float sum_xq = sum_lanes(xq), sum_q2 = sum_lanes(q2);
  *scale = sum_q2 > 0 ? sum_xq / sum_q2 : 0;
  return sum_x2 - *scale * sum_xq;
}

static float search_q6(const float *x) {
  enum { STEPS = 4 };
  float most = 0, sum_x2 = 0, best = 0, least_error = INFINITY;
  for (int i = 0; i < Q6_GROUP; i++) {
    if (fabsf(x[i]) > fabsf(most)) most = x[i];
    sum_x2 += x[i] * x[i];
  }
  if (most == 0) return 0;
  for (int step = -STEPS; step <= STEPS; step++) {
    float scale, error = fit_q6(x, ((float)Q6_LEAST + 0.375f * (float)step) / most, sum_x2, &scale);
    if (error < least_error) least_error = error, best = scale;
  }
  return best;
}

static float error_q6(const float *x, float scale) {
  float error[LANES] = {0}, inverse = scale != 0 ? 1 / scale : 0;
  for (int i = 0; i < Q6_GROUP; i += LANES)
    for (int k = 0; k < LANES; k++) {
      float t = limit(x[i + k] * inverse, (float)Q6_LEAST, (float)Q6_MOST);
      float e = scale * (float)((int)(t + 32.5f) - 32) - x[i + k];
      error[k] += e * e;
    }
  return sum_lanes(error);
}

static int round_q6(const float *x, float scale, float d) {
  int s = d != 0 ? (int)roundf(limit(scale / d, -128, 127)) : 0, best = s;
  float least_error = INFINITY;
  for (int ds = -1; ds <= 1; ds++) {
    int a = clamp(s + ds, -128, 127);
    float error = error_q6(x, d * (float)a);
    if (error < least_error) least_error = error, best = a;
  }
  return best;
}

static void encode_q6_k_block(const float *x, uint8_t *out) {
  float scale[Q6_GROUPS], most = 0;
  for (int g = 0; g < Q6_GROUPS; g++) {
    scale[g] = search_q6(x + g * Q6_GROUP);
    if (fabsf(scale[g]) > fabsf(most)) most = scale[g];
  }
  memset(out, 0, 210);
  put_half(out + 208, most / -128);
  float d = half_at(out + 208);
  for (int g = 0; g < Q6_GROUPS; g++) {
    int rounded = round_q6(x + g * Q6_GROUP, scale[g], d), within = g % 8, part = g / 8;
    float s = d * (float)rounded, inverse = s != 0 ? 1 / s : 0;
    out[192 + g] = (uint8_t)(int8_t)rounded;
    uint8_t *low = out + 64 * part + 16 * (within % 4), *high = out + 128 + 32 * part + 16 * (within % 2);
    for (int i = 0; i < Q6_GROUP; i++) {
      float t = limit(x[g * Q6_GROUP + i] * inverse, (float)Q6_LEAST, (float)Q6_MOST);
      unsigned q = (unsigned)(int)(t + 32.5f);
      low[i] |= (uint8_t)((q & 15) << (within / 4 * 4));
      high[i] |= (uint8_t)(q >> 4 << (within / 2 * 2));
    }
  }
}

void encode_q6_k(const float *in, int64_t n, uint8_t *out) {
  for (int64_t b = 0; b < n; b++) encode_q6_k_block(in + b * LONG, out + b * 210);
}
