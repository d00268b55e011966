// Encoding of Q4_K and Q6_K, which have scales of their own for each 32 or 16 elements. These are searched: for each of some
// step widths, round the elements, fit the scale (and the least number) to what came out by least squares, keep the best; then
// round the scales themselves to their few bits, and try their neighbours. The error is the plain sum of squares: nothing is
// known of what the weights are multiplied with.
//
// A block's groups are worked on side by side, element by element: group k is lane k of each loop, which compilers make vectors
// of, and a group's sums go in the order of its elements. Divisions are by what cannot be zero, so that no lane branches.
#include <math.h>
#include <string.h>

#include "base/gguf_codec.h"
#include "base/wide.h"

enum { LONG = 256 };

// By masks: a choice that compilers may make a branch of keeps them from making vectors.
WIDE_PART float pick(bool first, float a, float b) {
  uint32_t mask = mask_if(first);
  return f32_from_bits((mask & f32_bits(a)) | (~mask & f32_bits(b)));
}

WIDE_PART int pick_int(bool first, int a, int b) {
  uint32_t mask = mask_if(first);
  return (int)((mask & (uint32_t)a) | (~mask & (uint32_t)b));
}

// NaN gives `low`.
WIDE_PART float between(float x, float low, float high) {
  x = pick(x > low, x, low);
  return pick(x < high, x, high);
}

#define EACH(k, lanes) for (int k = 0; k < (lanes); k++)

// ---- Q4_K: x ~ scale * q - least

enum { Q4_GROUP = 32, Q4_LANES = 8, Q4_MOST = 15, SCALE_MOST = 63 };

typedef struct {
  float x[Q4_GROUP][Q4_LANES];
  float sum[Q4_LANES], sum2[Q4_LANES], low[Q4_LANES], high[Q4_LANES];
} Q4Block;

typedef struct {
  float scale[Q4_LANES], least[Q4_LANES], error[Q4_LANES];
} Q4Fit;

WIDE_PART void q4_load(const float *in, Q4Block *b) {
  for (int i = 0; i < Q4_GROUP; i++) EACH(k, Q4_LANES) b->x[i][k] = in[k * Q4_GROUP + i];
  EACH(k, Q4_LANES) b->sum[k] = b->sum2[k] = b->low[k] = 0, b->high[k] = b->x[0][k];
  for (int i = 0; i < Q4_GROUP; i++) EACH(k, Q4_LANES) {
      float x = b->x[i][k];
      b->sum[k] += x;
      b->sum2[k] += x * x;
      b->low[k] = pick(x < b->low[k], x, b->low[k]);
      b->high[k] = pick(x > b->high[k], x, b->high[k]);
    }
}

// Numbers by round(inverse * (x + least)), then the best scale and least number for them, and the squared error of those.
WIDE_PART void q4_fit(const Q4Block *b, const float *inverse, const float *least, Q4Fit *out) {
  float xq[Q4_LANES] = {0}, q1[Q4_LANES] = {0}, q2[Q4_LANES] = {0}, n = Q4_GROUP;
  for (int i = 0; i < Q4_GROUP; i++) EACH(k, Q4_LANES) {
      float q = (float)(int)between((b->x[i][k] + least[k]) * inverse[k] + 0.5f, 0, (float)Q4_MOST);
      xq[k] += b->x[i][k] * q;
      q1[k] += q;
      q2[k] += q * q;
    }
  EACH(k, Q4_LANES) {
    float divisor = n * q2[k] - q1[k] * q1[k], safe = pick(divisor > 0, divisor, 1), safe2 = pick(q2[k] > 0, q2[k], 1);
    float scale = pick(divisor > 0, (n * xq[k] - b->sum[k] * q1[k]) / safe, 0);
    float offset = (scale * q1[k] - b->sum[k]) / n;
    float alone = xq[k] / safe2;  // the format has no positive offset
    scale = pick(offset < 0, alone, scale);
    offset = pick(offset < 0, 0, offset);
    out->scale[k] = scale;
    out->least[k] = offset;
    out->error[k] = b->sum2[k] + scale * scale * q2[k] + n * offset * offset - 2 * scale * xq[k] - 2 * scale * offset * q1[k] +
                    2 * offset * b->sum[k];
  }
}

WIDE_PART void q4_search(const Q4Block *b, Q4Fit *best) {
  enum { STEPS = 3 };
  float span[Q4_LANES], least[Q4_LANES], inverse[Q4_LANES];
  EACH(k, Q4_LANES) span[k] = pick(b->high[k] > b->low[k], b->high[k] - b->low[k], 1);
  EACH(k, Q4_LANES) least[k] = -b->low[k], best->scale[k] = best->least[k] = 0, best->error[k] = INFINITY;
  for (int step = 0; step <= STEPS; step++) {
    Q4Fit fit, again;
    EACH(k, Q4_LANES) inverse[k] = ((float)Q4_MOST - 1 + 0.8f * (float)step) / span[k];
    q4_fit(b, inverse, least, &fit);
    // Once more with what was found: elements move to where they now fit best.
    EACH(k, Q4_LANES) {
      float safe = pick(fit.scale[k] > 0, fit.scale[k], 1);
      inverse[k] = 1 / safe;
    }
    q4_fit(b, inverse, fit.least, &again);
    EACH(k, Q4_LANES) {
      float error = pick(fit.scale[k] > 0, again.error[k], INFINITY);
      bool better = error < fit.error[k];
      float scale = pick(better, again.scale[k], fit.scale[k]), offset = pick(better, again.least[k], fit.least[k]);
      error = pick(better, error, fit.error[k]);
      error = pick(scale >= 0, error, INFINITY);
      better = error < best->error[k];
      best->scale[k] = pick(better, scale, best->scale[k]);
      best->least[k] = pick(better, offset, best->least[k]);
      best->error[k] = pick(better, error, best->error[k]);
    }
  }
  EACH(k, Q4_LANES) {  // all elements equal
    best->scale[k] = pick(b->high[k] > b->low[k], best->scale[k], 0);
    best->least[k] = pick(b->high[k] > b->low[k], best->least[k], -b->low[k]);
  }
}

// The scales as they will be stored: the nearest numbers and their neighbours, whichever loses least.
WIDE_PART void q4_round(const Q4Block *b, const Q4Fit *fit, float d, float dmin, int *scale, int *least) {
  float least_error[Q4_LANES], safe_d = d > 0 ? d : 1, safe_dmin = dmin > 0 ? dmin : 1;
  int s[Q4_LANES], m[Q4_LANES];
  EACH(k, Q4_LANES) {
    s[k] = (int)between((d > 0 ? fit->scale[k] : 0) / safe_d + 0.5f, 0, SCALE_MOST);
    m[k] = (int)between((dmin > 0 ? fit->least[k] : 0) / safe_dmin + 0.5f, 0, SCALE_MOST);
    scale[k] = least[k] = 0;
    least_error[k] = INFINITY;
  }
  for (int step = 0; step < 9; step++) {
    const int scale_step = step / 3 - 1, least_step = step % 3 - 1;
    float of[Q4_LANES], off[Q4_LANES], inverse[Q4_LANES], error[Q4_LANES] = {0};
    EACH(k, Q4_LANES) {
      of[k] = d * between((float)(s[k] + scale_step), 0, SCALE_MOST);
      off[k] = dmin * between((float)(m[k] + least_step), 0, SCALE_MOST);
      float safe = pick(of[k] > 0, of[k], 1);
      inverse[k] = pick(of[k] > 0, 1, 0) / safe;
    }
    for (int i = 0; i < Q4_GROUP; i++) EACH(k, Q4_LANES) {
        float q = (float)(int)between((b->x[i][k] + off[k]) * inverse[k] + 0.5f, 0, (float)Q4_MOST);
        float e = of[k] * q - off[k] - b->x[i][k];
        error[k] += e * e;
      }
    EACH(k, Q4_LANES) {
      bool better = error[k] < least_error[k];
      scale[k] = pick_int(better, (int)between((float)(s[k] + scale_step), 0, SCALE_MOST), scale[k]);
      least[k] = pick_int(better, (int)between((float)(m[k] + least_step), 0, SCALE_MOST), least[k]);
      least_error[k] = pick(better, error[k], least_error[k]);
    }
  }
}

// Six bits of each of 8 scales and 8 least numbers, in 12 bytes.
static void pack_scales(const int *scale, const int *least, uint8_t *out) {
  for (int i = 0; i < 4; i++) {
    out[i] = (uint8_t)(scale[i] | scale[i + 4] >> 4 << 6);
    out[i + 4] = (uint8_t)(least[i] | least[i + 4] >> 4 << 6);
    out[i + 8] = (uint8_t)((scale[i + 4] & 15) | (least[i + 4] & 15) << 4);
  }
}

WIDE_PART void q4_codes(const Q4Block *b, float d, float dmin, const int *scale, const int *least, uint8_t *out) {
  float of[Q4_LANES], off[Q4_LANES], safe[Q4_LANES];
  int code[Q4_GROUP][Q4_LANES];
  EACH(k, Q4_LANES) {
    of[k] = d * (float)scale[k];
    off[k] = dmin * (float)least[k];
    safe[k] = pick(of[k] > 0, of[k], 1);
  }
  for (int i = 0; i < Q4_GROUP; i++) EACH(k, Q4_LANES) {
      float t = (b->x[i][k] + off[k]) / safe[k] + 0.5f;
      code[i][k] = (int)between(pick(of[k] > 0, t, 0), 0, (float)Q4_MOST);
    }
  for (int pair = 0; pair < Q4_LANES / 2; pair++)
    for (int i = 0; i < Q4_GROUP; i++) out[pair * Q4_GROUP + i] = (uint8_t)(code[i][2 * pair] | code[i][2 * pair + 1] << 4);
}

WIDE void encode_q4_k(const float *in, int64_t n, uint8_t *out) {
  for (; n > 0; n--, in += LONG, out += 144) {
    Q4Block b;
    Q4Fit fit;
    int scale[Q4_LANES], least[Q4_LANES];
    float most_scale = 0, most_least = 0;
    q4_load(in, &b);
    q4_search(&b, &fit);
    EACH(k, Q4_LANES) most_scale = fit.scale[k] > most_scale ? fit.scale[k] : most_scale;
    EACH(k, Q4_LANES) most_least = fit.least[k] > most_least ? fit.least[k] : most_least;
    put_half(out, most_scale / SCALE_MOST);
    put_half(out + 2, most_least / SCALE_MOST);
    float d = half_at(out), dmin = half_at(out + 2);
    q4_round(&b, &fit, d, dmin, scale, least);
    pack_scales(scale, least, out + 4);
    q4_codes(&b, d, dmin, scale, least, out + 16);
  }
}

// ---- Q6_K: x ~ scale * q

enum { Q6_GROUP = 16, Q6_LANES = 16, Q6_MOST = 31, Q6_LEAST = -32 };

typedef struct {
  float x[Q6_GROUP][Q6_LANES], sum2[Q6_LANES];
  float most[Q6_LANES];  // the element of the largest magnitude
} Q6Block;

WIDE_PART void q6_load(const float *in, Q6Block *b) {
  for (int i = 0; i < Q6_GROUP; i++) EACH(k, Q6_LANES) b->x[i][k] = in[k * Q6_GROUP + i];
  EACH(k, Q6_LANES) b->most[k] = b->sum2[k] = 0;
  for (int i = 0; i < Q6_GROUP; i++) EACH(k, Q6_LANES) {
      float x = b->x[i][k];
      b->most[k] = pick(fabsf(x) > fabsf(b->most[k]), x, b->most[k]);
      b->sum2[k] += x * x;
    }
}

// As they are stored: 32 more than the number.
WIDE_PART int q6_code(float x, float inverse) { return (int)(between(x * inverse, (float)Q6_LEAST, (float)Q6_MOST) + 32.5f); }

WIDE_PART void q6_search(const Q6Block *b, float *best) {
  enum { STEPS = 4 };
  float least_error[Q6_LANES], safe[Q6_LANES];
  EACH(k, Q6_LANES) best[k] = 0, least_error[k] = INFINITY, safe[k] = pick(b->most[k] != 0, b->most[k], 1);
  for (int step = -STEPS; step <= STEPS; step++) {
    float inverse[Q6_LANES], xq[Q6_LANES] = {0}, q2[Q6_LANES] = {0};
    EACH(k, Q6_LANES) inverse[k] = ((float)Q6_LEAST + 0.375f * (float)step) / safe[k];
    for (int i = 0; i < Q6_GROUP; i++) EACH(k, Q6_LANES) {
        float q = (float)(q6_code(b->x[i][k], inverse[k]) - 32);
        xq[k] += b->x[i][k] * q;
        q2[k] += q * q;
      }
    EACH(k, Q6_LANES) {
      float divisor = pick(q2[k] > 0, q2[k], 1), scale = xq[k] / divisor, error = b->sum2[k] - scale * xq[k];
      bool better = error < least_error[k];
      best[k] = pick(better, scale, best[k]);
      least_error[k] = pick(better, error, least_error[k]);
    }
  }
}

// Inverses of the scales; 0 of 0.
WIDE_PART void q6_inverses(const float *scale, float *inverse) {
  EACH(k, Q6_LANES) {
    float safe = pick(scale[k] != 0, scale[k], 1);
    inverse[k] = pick(scale[k] != 0, 1, 0) / safe;
  }
}

WIDE_PART void q6_round(const Q6Block *b, const float *scale, float d, int *rounded) {
  float least_error[Q6_LANES], safe = d != 0 ? d : 1;
  int s[Q6_LANES];
  EACH(k, Q6_LANES) {
    s[k] = round_away(between((d != 0 ? scale[k] : 0) / safe, -128, 127));
    rounded[k] = s[k];
    least_error[k] = INFINITY;
  }
  for (int step = -1; step <= 1; step++) {
    float of[Q6_LANES], inverse[Q6_LANES], error[Q6_LANES] = {0};
    EACH(k, Q6_LANES) of[k] = d * between((float)(s[k] + step), -128, 127);
    q6_inverses(of, inverse);
    for (int i = 0; i < Q6_GROUP; i++) EACH(k, Q6_LANES) {
        float e = of[k] * (float)(q6_code(b->x[i][k], inverse[k]) - 32) - b->x[i][k];
        error[k] += e * e;
      }
    EACH(k, Q6_LANES) {
      bool better = error[k] < least_error[k];
      rounded[k] = pick_int(better, (int)between((float)(s[k] + step), -128, 127), rounded[k]);
      least_error[k] = pick(better, error[k], least_error[k]);
    }
  }
}

WIDE_PART void q6_codes(const Q6Block *b, float d, const int *scale, uint8_t *out) {
  float of[Q6_LANES], inverse[Q6_LANES];
  int code[Q6_GROUP][Q6_LANES];
  EACH(k, Q6_LANES) of[k] = d * (float)scale[k];
  q6_inverses(of, inverse);
  for (int i = 0; i < Q6_GROUP; i++) EACH(k, Q6_LANES) code[i][k] = q6_code(b->x[i][k], inverse[k]);
  memset(out, 0, 192);
  EACH(k, Q6_LANES) {
    int within = k % 8, part = k / 8;
    uint8_t *low = out + 64 * part + 16 * (within % 4), *high = out + 128 + 32 * part + 16 * (within % 2);
    for (int i = 0; i < Q6_GROUP; i++) {
      low[i] |= (uint8_t)((code[i][k] & 15) << (within / 4 * 4));
      high[i] |= (uint8_t)(code[i][k] >> 4 << (within / 2 * 2));
    }
    out[192 + k] = (uint8_t)(int8_t)scale[k];
  }
}

WIDE void encode_q6_k(const float *in, int64_t n, uint8_t *out) {
  for (; n > 0; n--, in += LONG, out += 210) {
    Q6Block b;
    float scale[Q6_LANES], most = 0;
    int rounded[Q6_LANES];
    q6_load(in, &b);
    q6_search(&b, scale);
    EACH(k, Q6_LANES) most = fabsf(scale[k]) > fabsf(most) ? scale[k] : most;
    put_half(out + 208, most / -128);
    float d = half_at(out + 208);
    q6_round(&b, scale, d, rounded);
    q6_codes(&b, d, rounded, out);
  }
}
