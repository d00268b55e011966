// Encoding of Q4_K and Q6_K, which have scales of their own for each 32 or 16 elements. These are searched: for each of some
// step widths, round the elements, fit the scale (and the least number) to what came out by least squares, keep the best; then
// round the scales themselves to their few bits, and try their neighbours. The error is the plain sum of squares: nothing is
// known of what the weights are multiplied with.
//
// Eight groups are worked on side by side: group k is lane k of each vector, and a group's sums go in the order of its
// elements. Divisions are by what cannot be zero, so that no lane branches.
#include <math.h>
#include <string.h>

#include "base/gguf_codec.h"
#include "base/wide.h"

#pragma GCC diagnostic ignored "-Wpsabi"  // how vectors are handed over: not at all, all is inlined

enum { LONG = 256, LANES = 8 };

typedef float Lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t Whole __attribute__((vector_size(4 * LANES)));  // also a comparison's answers: all bits, or none

WIDE_PART Whole pick_whole(Whole first, Whole a, Whole b) { return (first & a) | (~first & b); }
WIDE_PART Lanes pick(Whole first, Lanes a, Lanes b) { return (Lanes)pick_whole(first, (Whole)a, (Whole)b); }
WIDE_PART Lanes all(float x) { return x - (Lanes){0}; }
WIDE_PART Lanes floats(Whole x) { return __builtin_convertvector(x, Lanes); }
// Towards 0.
WIDE_PART Whole wholes(Lanes x) { return __builtin_convertvector(x, Whole); }

// NaN gives `low`.
WIDE_PART Lanes between(Lanes x, float low, float high) {
  x = pick(x > low, x, all(low));
  return pick(x < high, x, all(high));
}

// Rows and columns change places: each turn moves the highest bit of an element's index (row, column) to its end.
WIDE_PART void turn_over(Lanes *x) {
  UNROLL(3)
  for (int turn = 0; turn < 3; turn++) {
    Lanes y[LANES];
    UNROLL(4)
    for (int i = 0; i < LANES / 2; i++) {
      Lanes a = x[i], b = x[i + LANES / 2];
      y[2 * i] = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
      y[2 * i + 1] = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
    }
    memcpy(x, y, sizeof y);
  }
}

// Groups of n elements, which follow each other; x[i]: element i of each.
WIDE_PART void lanes_load(const float *in, int n, Lanes *x) {
  for (int i = 0; i < n; i += LANES) {
    for (int k = 0; k < LANES; k++) memcpy(&x[i + k], in + k * n + i, sizeof *x);
    turn_over(x + i);
  }
}

WIDE_PART void put_bytes(uint8_t *out, Whole x) {
  typedef uint8_t Bytes __attribute__((vector_size(LANES)));
  Bytes bytes = __builtin_convertvector(x, Bytes);
  memcpy(out, &bytes, sizeof bytes);
}

// ---- Q4_K: x ~ scale * q - least

enum { Q4_GROUP = 32, Q4_MOST = 15, SCALE_MOST = 63 };

typedef struct {
  Lanes x[Q4_GROUP], sum, sum2, low, high;
} Q4Block;

typedef struct {
  Lanes scale, least, error;
} Q4Fit;

WIDE_PART void q4_load(const float *in, Q4Block *b) {
  lanes_load(in, Q4_GROUP, b->x);
  Lanes sum = {0}, sum2 = {0}, low = {0}, high = b->x[0];
  UNROLL(8)
  for (int i = 0; i < Q4_GROUP; i++) {
    Lanes x = b->x[i];
    sum += x;
    sum2 += x * x;
    low = pick(x < low, x, low);
    high = pick(x > high, x, high);
  }
  b->sum = sum, b->sum2 = sum2, b->low = low, b->high = high;
}

WIDE_PART Lanes q4_number(Lanes x, Lanes least, Lanes inverse) {
  return floats(wholes(between((x + least) * inverse + 0.5f, 0, Q4_MOST)));
}

// Numbers by round(inverse * (x + least)), then the best scale and least number for them, and the squared error of those.
WIDE_PART Q4Fit q4_fit(const Q4Block *b, Lanes inverse, Lanes least) {
  const float n = Q4_GROUP;
  Lanes xq = {0}, q1 = {0}, q2 = {0};
  UNROLL(8)
  for (int i = 0; i < Q4_GROUP; i++) {
    Lanes q = q4_number(b->x[i], least, inverse);
    xq += b->x[i] * q;
    q1 += q;
    q2 += q * q;
  }
  Lanes divisor = n * q2 - q1 * q1, safe = pick(divisor > 0, divisor, all(1));
  Lanes scale = pick(divisor > 0, (n * xq - b->sum * q1) / safe, all(0)), offset = (scale * q1 - b->sum) / n;
  Lanes alone = xq / pick(q2 > 0, q2, all(1));  // the format has no positive offset
  scale = pick(offset < 0, alone, scale);
  offset = pick(offset < 0, all(0), offset);
  Lanes error =
      b->sum2 + scale * scale * q2 + n * offset * offset - 2 * scale * xq - 2 * scale * offset * q1 + 2 * offset * b->sum;
  return (Q4Fit){scale, offset, error};
}

WIDE_PART Q4Fit q4_better(Q4Fit a, Q4Fit b) {
  Whole second = (b.scale > 0) & (b.error < a.error);
  return (Q4Fit){pick(second, b.scale, a.scale), pick(second, b.least, a.least), pick(second, b.error, a.error)};
}

WIDE_PART Q4Fit q4_search(const Q4Block *b) {
  enum { STEPS = 4 };
  Whole differ = b->high > b->low;
  Lanes span = pick(differ, b->high - b->low, all(1));
  Q4Fit best = {.error = all(INFINITY)};
  for (int step = 0; step < STEPS; step++)
    best = q4_better(best, q4_fit(b, ((float)Q4_MOST - 1 + 0.8f * (float)step) / span, -b->low));
  // Again with what was found: elements move to where they now fit best.
  best = q4_better(best, q4_fit(b, 1 / pick(best.scale > 0, best.scale, all(1)), best.least));
  best.scale = pick(differ, best.scale, all(0));  // all elements are one
  best.least = pick(differ, best.least, -b->low);
  return best;
}

// The scales as they will be stored: the nearest number or a neighbour, whichever loses least; the nearest least number.
WIDE_PART void q4_round(const Q4Block *b, const Q4Fit *fit, Lanes d, Lanes dmin, Whole *scale, Whole *least) {
  Lanes s = floats(wholes(between(pick(d > 0, fit->scale, all(0)) / pick(d > 0, d, all(1)) + 0.5f, 0, SCALE_MOST)));
  Lanes m = floats(wholes(between(pick(dmin > 0, fit->least, all(0)) / pick(dmin > 0, dmin, all(1)) + 0.5f, 0, SCALE_MOST)));
  Lanes off = dmin * m, best = {0}, least_error = all(INFINITY);
  for (int step = -1; step <= 1; step++) {
    Lanes s_here = between(s + (float)step, 0, SCALE_MOST);
    Lanes of = d * s_here, error = {0};
    Lanes inverse = pick(of > 0, all(1), all(0)) / pick(of > 0, of, all(1));
    UNROLL(8)
    for (int i = 0; i < Q4_GROUP; i++) {
      Lanes e = of * q4_number(b->x[i], off, inverse) - off - b->x[i];
      error += e * e;
    }
    Whole better = error < least_error;
    best = pick(better, s_here, best);
    least_error = pick(better, error, least_error);
  }
  *scale = wholes(best), *least = wholes(m);
}

// The greatest, from 0 up.
WIDE_PART float most_of(Lanes x) {
  float most = 0;
  for (int k = 0; k < LANES; k++) most = x[k] > most ? x[k] : most;
  return most;
}

// Six bits of each of 8 scales and 8 least numbers, in 12 bytes.
WIDE_PART void pack_scales(Whole scale, Whole least, uint8_t *out) {
  for (int i = 0; i < 4; i++) {
    out[i] = (uint8_t)(scale[i] | scale[i + 4] >> 4 << 6);
    out[i + 4] = (uint8_t)(least[i] | least[i + 4] >> 4 << 6);
    out[i + 8] = (uint8_t)((scale[i + 4] & 15) | (least[i + 4] & 15) << 4);
  }
}

// The numbers, pairs of groups side by side.
WIDE_PART void q4_codes(const Q4Block *b, Lanes d, Lanes dmin, Whole scale, Whole least, uint8_t *out) {
  Lanes of = d * floats(scale), off = dmin * floats(least), inverse = pick(of > 0, all(1), all(0)) / pick(of > 0, of, all(1));
  for (int i = 0; i < Q4_GROUP; i += LANES) {
    Lanes code[LANES];
    UNROLL(8)
    for (int k = 0; k < LANES; k++) code[k] = (Lanes)wholes(between((b->x[i + k] + off) * inverse + 0.5f, 0, Q4_MOST));
    turn_over(code);
    UNROLL(4)
    for (int k = 0; k < LANES; k += 2) put_bytes(out + k / 2 * Q4_GROUP + i, (Whole)code[k] | (Whole)code[k + 1] << 4);
  }
}

WIDE void encode_q4_k(const float *in, int64_t n, uint8_t *out) {
  for (; n > 0; n--, in += LONG, out += 144) {
    Q4Block b;
    Whole scale, least;
    q4_load(in, &b);
    Q4Fit fit = q4_search(&b);
    put_half(out, most_of(fit.scale) / SCALE_MOST);
    put_half(out + 2, most_of(fit.least) / SCALE_MOST);
    Lanes d = all(half_at(out)), dmin = all(half_at(out + 2));
    q4_round(&b, &fit, d, dmin, &scale, &least);
    pack_scales(scale, least, out + 4);
    q4_codes(&b, d, dmin, scale, least, out + 16);
  }
}

// ---- Q6_K: x ~ scale * q

enum { Q6_GROUP = 16, Q6_MOST = 31, Q6_LEAST = -32 };

// Half a block.
typedef struct {
  Lanes x[Q6_GROUP], sum2;
  Lanes most;  // the element of the largest magnitude
} Q6Half;

WIDE_PART Lanes magnitude(Lanes x) { return (Lanes)((Whole)x & 0x7fffffff); }

WIDE_PART void q6_load(const float *in, Q6Half *b) {
  lanes_load(in, Q6_GROUP, b->x);
  Lanes most = {0}, sum2 = {0};
  UNROLL(16)
  for (int i = 0; i < Q6_GROUP; i++) {
    Lanes x = b->x[i];
    most = pick(magnitude(x) > magnitude(most), x, most);
    sum2 += x * x;
  }
  b->most = most, b->sum2 = sum2;
}

// As they are stored: 32 more than the number.
WIDE_PART Whole q6_code(Lanes x, Lanes inverse) { return wholes(between(x * inverse, Q6_LEAST, Q6_MOST) + 32.5f); }

WIDE_PART Lanes q6_search(const Q6Half *b) {
  enum { STEPS = 2 };
  Lanes best = {0}, least_error = all(INFINITY), safe = pick(b->most != 0, b->most, all(1));
  for (int step = -STEPS; step <= STEPS; step++) {
    Lanes inverse = ((float)Q6_LEAST + 0.75f * (float)step) / safe, xq = {0}, q2 = {0};
    UNROLL(16)
    for (int i = 0; i < Q6_GROUP; i++) {
      Lanes q = floats(q6_code(b->x[i], inverse) - 32);
      xq += b->x[i] * q;
      q2 += q * q;
    }
    Lanes scale = xq / pick(q2 > 0, q2, all(1)), error = b->sum2 - scale * xq;
    Whole better = error < least_error;
    best = pick(better, scale, best);
    least_error = pick(better, error, least_error);
  }
  return best;
}

// Inverses of the scales; 0 of 0.
WIDE_PART Lanes q6_inverses(Lanes scale) { return pick(scale != 0, all(1), all(0)) / pick(scale != 0, scale, all(1)); }

WIDE_PART Whole q6_round(const Q6Half *b, Lanes scale, float d) {
  Lanes nearest = between(d != 0 ? scale / d : all(0), -128, 127), least_error = all(INFINITY);
  Whole cut = wholes(nearest);
  Lanes rest = nearest - floats(cut);  // exact
  Lanes s = floats(cut - (rest >= 0.5f) + (rest <= -0.5f)), best = s;
  for (int step = -1; step <= 1; step++) {
    Lanes here = between(s + (float)step, -128, 127), of = d * here, inverse = q6_inverses(of), error = {0};
    UNROLL(16)
    for (int i = 0; i < Q6_GROUP; i++) {
      Lanes e = of * floats(q6_code(b->x[i], inverse) - 32) - b->x[i];
      error += e * e;
    }
    Whole better = error < least_error;
    best = pick(better, here, best);
    least_error = pick(better, error, least_error);
  }
  return wholes(best);
}

WIDE_PART void q6_codes(const Q6Half *b, float d, Whole scale, uint8_t *low, uint8_t *high) {
  Lanes inverse = q6_inverses(d * floats(scale));
  for (int i = 0; i < Q6_GROUP; i += LANES) {
    Lanes code[LANES];
    Whole row[LANES];
    UNROLL(8)
    for (int k = 0; k < LANES; k++) code[k] = (Lanes)q6_code(b->x[i + k], inverse);
    turn_over(code);
    memcpy(row, code, sizeof row);
    UNROLL(4)
    for (int k = 0; k < 4; k++) put_bytes(low + Q6_GROUP * k + i, (row[k] & 15) | (row[k + 4] & 15) << 4);
    UNROLL(2)
    for (int k = 0; k < 2; k++)
      put_bytes(high + Q6_GROUP * k + i, row[k] >> 4 | row[k + 2] >> 4 << 2 | row[k + 4] >> 4 << 4 | row[k + 6] >> 4 << 6);
  }
}

WIDE void encode_q6_k(const float *in, int64_t n, uint8_t *out) {
  for (; n > 0; n--, in += LONG, out += 210) {
    Q6Half half[2];
    Lanes scale[2];
    float most = 0;
    for (int h = 0; h < 2; h++) {
      q6_load(in + h * LONG / 2, &half[h]);
      scale[h] = q6_search(&half[h]);
      for (int k = 0; k < LANES; k++) most = fabsf(scale[h][k]) > fabsf(most) ? scale[h][k] : most;
    }
    put_half(out + 208, most / -128);
    float d = half_at(out + 208);
    for (int h = 0; h < 2; h++) {
      Whole rounded = q6_round(&half[h], scale[h], d);
      q6_codes(&half[h], d, rounded, out + 64 * h, out + 128 + 32 * h);
      put_bytes(out + 192 + LANES * h, rounded);
    }
  }
}
