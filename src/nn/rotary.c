#include "nn/rotary.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

static double mscale(double factor, double a) { return factor <= 1 ? 1 : 0.1 * a * log(factor) + 1; }

// The (real) index of the pair that turns `rotations` times over the original length.
static double correction(const RotarySpec *s, double rotations) {
  return (double)s->d * log((double)s->original_length / (2 * PI * rotations)) / (2 * log(s->theta));
}

static void stretch_yarn(const RotarySpec *s, double *inv_freq) {
  double low = fmax(floor(correction(s, s->beta_fast)), 0);
  double high = fmin(ceil(correction(s, s->beta_slow)), (double)s->d - 1);
  if (low == high) high += 0.001;
  for (int64_t i = 0; i < s->d / 2; i++) {
    double ramp = fmin(fmax(((double)i - low) / (high - low), 0), 1);
    inv_freq[i] *= ramp / s->factor + 1 - ramp;
  }
}

static void stretch_llama3(const RotarySpec *s, double *inv_freq) {
  for (int64_t i = 0; i < s->d / 2; i++) {
    double turns = (double)s->original_length * inv_freq[i] / (2 * PI);
    double keep = fmin(fmax((turns - s->beta_slow) / (s->beta_fast - s->beta_slow), 0), 1);
    inv_freq[i] *= keep + (1 - keep) / s->factor;
  }
}

static double ntk_length(const RotarySpec *s) {
  return (double)(s->length > s->original_length ? s->length : s->original_length);
}

static double ntk_theta(const RotarySpec *s) {
  double alpha = fmax(exp2(ceil(log2(ntk_length(s) / (double)s->base_length) + 1)) - 1, 1);
  return s->theta * pow(alpha, (double)s->d / (double)(s->d - 2));
}

static double dynamic_theta(const RotarySpec *s) {
  double alpha = s->factor * ntk_length(s) / (double)s->original_length - s->factor + 1;
  return s->theta * pow(alpha, (double)s->d / (double)(s->d - 2));
}

static double yarn_factor(const RotarySpec *s) {
  if (s->scaling == ROPE_TELECHAT3_YARN) return 0.07 * log(s->factor) + 1;
  if (s->attention_factor != 0) return s->attention_factor;
  if (s->mscale == 0 || s->mscale_all == 0) return mscale(s->factor, 1);
  return mscale(s->factor, s->mscale) / mscale(s->factor, s->mscale_all);
}

void rotary_frequencies(const RotarySpec *s, double *inv_freq, double *attention_factor) {
  double theta = s->scaling == ROPE_DYNAMIC_NTK ? ntk_theta(s) : s->scaling == ROPE_DYNAMIC ? dynamic_theta(s) : s->theta;
  for (int64_t i = 0; i < s->d / 2; i++) inv_freq[i] = pow(theta, -2.0 * (double)i / (double)s->d);
  *attention_factor = 1;
  if (s->scaling == ROPE_DYNAMIC_NTK) *attention_factor = 0.1 * log(ntk_length(s) / (double)s->original_length) + 1;
  if (s->scaling == ROPE_LLAMA3) stretch_llama3(s, inv_freq);
  for (int64_t i = 0; i < s->d / 2 && s->scaling == ROPE_LINEAR; i++) inv_freq[i] /= s->factor;
  if (s->scaling != ROPE_YARN && s->scaling != ROPE_TELECHAT3_YARN) return;
  stretch_yarn(s, inv_freq);
  *attention_factor = yarn_factor(s);
}

double rotary_mla_scale(const RotarySpec *s) {
  if (s->scaling != ROPE_YARN || s->mscale_all == 0) return 1;
  double m = mscale(s->factor, s->mscale_all);
  return m * m;
}

void rotary_init(Rotary *r, const RotarySpec *spec, bool pairs, int64_t positions, Arena *arena) {
  int64_t half = spec->d / 2;
  *r = (Rotary){.d = spec->d, .positions = positions, .pairs = pairs};
  size_t bytes = (size_t)(positions * half) * sizeof(float);
  r->cos = mat_of(arena_take(arena, bytes), half, DT_F32);
  r->sin = mat_of(arena_take(arena, bytes), half, DT_F32);
  double *inv_freq = arena_take(arena, (size_t)half * sizeof(double));
  if (!r->cos.data) return;
  double factor;
  rotary_frequencies(spec, inv_freq, &factor);
  float *c = r->cos.data, *s = r->sin.data;
  for (int64_t p = 0; p < positions; p++)
    for (int64_t i = 0; i < half; i++) {
      double angle = (double)p * inv_freq[i];
      c[p * half + i] = (float)(cos(angle) * factor);
      s[p * half + i] = (float)(sin(angle) * factor);
    }
}

void rotary_turn(const Rotary *r, Dev *dev, Mat x, const int32_t *position, int64_t N, int64_t H, int64_t stride,
                 bool inverse) {
  dev->op->rope(dev, x, position, r->cos, r->sin, N, H, stride, r->d, r->pairs, inverse);
}
