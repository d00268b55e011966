// Rotary position tables: plain, YaRN, and TeleChat3's YaRN.
#ifndef NN_ROTARY_H
#define NN_ROTARY_H

#include <stdbool.h>

#include "base/arena.h"
#include "ops/ops.h"

// Which rule stretches the frequencies.
typedef enum { ROPE_PLAIN, ROPE_YARN, ROPE_TELECHAT3_YARN, ROPE_SCALINGS } RopeScaling;

typedef struct {
  int64_t d;  // columns turned in a head, even
  double theta;
  RopeScaling scaling;
  double factor;  // of the stretched length; the rest is read with YaRN only
  int64_t original_length;
  double beta_fast, beta_slow;
  double mscale, mscale_all;  // 0: not given
} RotarySpec;

typedef struct {
  int64_t d, positions;
  bool pairs;    // (x[2i], x[2i+1]), else (x[i], x[i + d/2])
  Mat cos, sin;  // [positions, d/2] f32, the attention factor multiplied in
} Rotary;

// inv_freq [d/2] out; *attention_factor multiplies cos and sin. YaRN: Peng et al. 2023, with floor and ceiling of the
// correction range; factor: m(f, mscale) / m(f, mscale_all) if both are given, else m(f, 1), m(f, a) = 0.1 a ln f + 1.
// telechat3-yarn: 0.07 ln f + 1.
void rotary_frequencies(const RotarySpec *spec, double *inv_freq, double *attention_factor);
// What YaRN multiplies MLA's softmax scale with: m(f, mscale_all)^2, 1 without.
double rotary_mla_scale(const RotarySpec *spec);
// Angles and their cosines are computed in double and rounded once.
void rotary_init(Rotary *r, const RotarySpec *spec, bool pairs, int64_t positions, Arena *arena);
// Turns H heads of x in place; head h begins at column h * stride.
void rotary_turn(const Rotary *r, Dev *dev, Mat x, const int32_t *position, int64_t N, int64_t H, int64_t stride, bool inverse);

#endif
