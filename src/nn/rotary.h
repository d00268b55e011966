// Rotary position tables: plain, YaRN, TeleChat3's YaRN, Llama 3's, TeleChat2's dynamic NTK, linear, and the dynamic NTK of
// transformers.
//
// Dynamic NTK of both kinds makes the angles depend on the length of the forward, so a cache of turned keys would see other
// angles than a forward over the whole text, and a token's log-probability would depend on what comes after it. Here the length
// is fixed: it is `length`, the longest that the model is announced for (model.max_length), whatever is run. So a forward gives
// what the reference gives for a text of that length, and decoding has the bits of a whole forward. A model announced for no
// more than it was trained with (released files are) computes as the reference does for every text up to there.
#ifndef NN_ROTARY_H
#define NN_ROTARY_H

#include <stdbool.h>

#include "base/arena.h"
#include "ops/ops.h"

// Which rule stretches the frequencies.
typedef enum {
  ROPE_PLAIN,
  ROPE_YARN,
  ROPE_TELECHAT3_YARN,
  ROPE_LLAMA3,
  ROPE_DYNAMIC_NTK,
  ROPE_LINEAR,
  ROPE_DYNAMIC,
  ROPE_SCALINGS
} RopeScaling;

typedef struct {
  int64_t d;  // columns turned in a head, even
  double theta;
  RopeScaling scaling;
  double factor;            // of the stretched length; not with ROPE_DYNAMIC_NTK
  int64_t original_length;  // before stretching: what the model was trained with
  double beta_fast, beta_slow;
  double mscale, mscale_all;    // YaRN's; 0: not given
  double attention_factor;      // YaRN's; 0: what follows from the others
  int64_t length, base_length;  // dynamic: announced; ROPE_DYNAMIC_NTK: where theta begins to grow
} RotarySpec;

typedef struct {
  int64_t d, positions;
  bool pairs;    // (x[2i], x[2i+1]), else (x[i], x[i + d/2])
  Mat cos, sin;  // [positions, d/2] f32, the attention factor multiplied in
} Rotary;

// inv_freq [d/2] out; *attention_factor multiplies cos and sin. YaRN: Peng et al. 2023, with floor and ceiling of the
// correction range; factor: m(f, mscale) / m(f, mscale_all) if both are given, else m(f, 1), m(f, a) = 0.1 a ln f + 1.
// telechat3-yarn: 0.07 ln f + 1. linear: divided by f. llama3: frequencies that turn more than beta_fast times within the
// original length stay, those that turn less than beta_slow times are divided by f, between them both are mixed by the turns.
// dynamic-ntk: with n = max(length, original), theta (2^ceil(log2(n / base) + 1) - 1)^(d / (d - 2)), the factor of 2^... at
// least 1; 0.1 ln(n / original) + 1. dynamic: theta (f n / original - f + 1)^(d / (d - 2)).
void rotary_frequencies(const RotarySpec *spec, double *inv_freq, double *attention_factor);
// What YaRN multiplies MLA's softmax scale with: m(f, mscale_all)^2, 1 without.
double rotary_mla_scale(const RotarySpec *spec);
// Angles and their cosines are computed in double and rounded once.
void rotary_init(Rotary *r, const RotarySpec *spec, bool pairs, int64_t positions, Arena *arena);
// Turns H heads of x in place; head h begins at column h * stride.
void rotary_turn(const Rotary *r, Dev *dev, Mat x, const int32_t *position, int64_t N, int64_t H, int64_t stride, bool inverse);

#endif
