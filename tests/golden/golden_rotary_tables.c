// Rotary tables. A file has the tables of well-known models, not their settings: these follow from the name of the case.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "golden/golden_tensors.h"
#include "nn/rotary.h"

enum { HEAD_WIDTH = 192, POSITIONS_MAX = 1 << 20 };

#define STRETCHED .beta_fast = 32, .beta_slow = 1
static const struct {
  const char *name;
  RotarySpec spec;
} known[] = {
    {"yarn_standard", {128, 1e6, ROPE_YARN, .factor = 4, .original_length = 8192, STRETCHED}},
    {"yarn_deepseek", {64, 1e4, ROPE_YARN, .factor = 40, .original_length = 4096, STRETCHED, .mscale = 1, .mscale_all = 1}},
    {"yarn_mscale_differs",
     {64, 1e4, ROPE_YARN, .factor = 8, .original_length = 2048, STRETCHED, .mscale = 1, .mscale_all = 0.707}},
};

// telechat2_ntk_LENGTH, telechat3_36b_32k (or any other length), plain_NAME, or a known one.
static bool spec_of(const TensorCase *c, RotarySpec *spec) {
  long long length;
  int64_t d = 2 * case_elements(c, "inv_freq");
  if (sscanf(c->name, "telechat2_ntk_%lld", &length) == 1 && length > 0) {
    *spec = (RotarySpec){128, 1e4, ROPE_DYNAMIC_NTK, .original_length = 8192, .base_length = 8192, .length = length};
  } else if (sscanf(c->name, "telechat3_36b_%lldk", &length) == 1 && length > 8) {
    double factor = (double)length / 8;
    *spec = (RotarySpec){128, 1e6, ROPE_TELECHAT3_YARN, .factor = factor, .original_length = 8192, STRETCHED};
  } else if (strncmp(c->name, "plain_", 6) == 0 && d > 2) {  // its base is what its own frequencies say
    *spec = (RotarySpec){.d = d, .theta = pow(case_real(c, "inv_freq", 1), -(double)d / 2), .scaling = ROPE_PLAIN};
  } else {
    size_t i = 0, n = sizeof known / sizeof known[0];
    while (i < n && strcmp(known[i].name, c->name) != 0) i++;
    if (i == n) return false;
    *spec = known[i].spec;
  }
  return true;
}

static void near(const TensorCase *c, const char *what, int64_t at, double got, double want, double relative) {
  case_compare(c, fabs(got - want) <= relative * fabs(want), "%s[%lld] is %.17g, want %.17g", what, (long long)at, got, want);
}

// Where YaRN's ramp begins and ends, read off our frequencies: two of its inner points lie on a straight line.
static void check_ramp(const TensorCase *c, const RotarySpec *spec, const double *inv_freq) {
  int64_t first = -1, last = -1;
  double ramp[2] = {0, 0};
  for (int64_t i = 0; i < spec->d / 2; i++) {
    double share = inv_freq[i] / pow(spec->theta, -2 * (double)i / (double)spec->d), r = (1 - share) / (1 - 1 / spec->factor);
    if (r < 1e-9 || r > 1 - 1e-9) continue;
    if (first < 0) first = i, ramp[0] = r;
    last = i, ramp[1] = r;
  }
  if (last <= first) return;
  double width = (double)(last - first) / (ramp[1] - ramp[0]), low = (double)first - ramp[0] * width;
  near(c, "low_high", 0, low, case_real(c, "low_high", 0), 1e-9);
  near(c, "low_high", 1, low + width, case_real(c, "low_high", 1), 1e-9);
}

// Dynamic NTK's base, and what it was multiplied by.
static void check_base(const TensorCase *c, const RotarySpec *spec, const double *inv_freq) {
  double base = pow(inv_freq[1], -(double)spec->d / 2);
  near(c, "alpha_base", 0, pow(base / spec->theta, (double)(spec->d - 2) / (double)spec->d), case_real(c, "alpha_base", 0),
       1e-11);
  near(c, "alpha_base", 1, base, case_real(c, "alpha_base", 1), 1e-11);
}

// The file has the table a second time, of frequencies and angles rounded to fp32: one of the two is to be had.
static void pass_over_fp32(const TensorCase *c) {
  (void)case_find(c, "cos_fp32");
  (void)case_find(c, "sin_fp32");
}

static void check_table(const TensorCase *c, const RotarySpec *spec, int64_t half) {
  int64_t n = case_elements(c, "positions"), positions = 1;
  int32_t *position = case_ints(c, "positions", n, 0, POSITIONS_MAX);
  for (int64_t i = 0; i < n; i++)
    if (position[i] >= positions) positions = position[i] + 1;
  Rotary r;
  Arena measure, arena;
  arena_measure(&measure, "rotary tables");
  rotary_init(&r, spec, false, positions, &measure);
  if (!golden_ok(c->count, arena_init(&arena, "rotary tables", measure.used))) return;
  rotary_init(&r, spec, false, positions, &arena);
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < half; j++) {
      double got[2] = {mat_get(r.cos, position[i] * half + j), mat_get(r.sin, position[i] * half + j)},
             want[2] = {case_real(c, "cos", i * half + j), case_real(c, "sin", i * half + j)};
      for (int k = 0; k < 2; k++)
        case_compare(c, fabs(got[k] - want[k]) <= 1e-6, "%s of position %d, pair %lld is %.9g, want %.9g", k ? "sin" : "cos",
                     position[i], (long long)j, got[k], want[k]);
    }
  arena_free(&arena);
}

static void table(const TensorCase *c) {
  RotarySpec spec;
  if (!spec_of(c, &spec)) {
    golden_not_read(c->count, c->name, "the settings of this table (tests/golden/golden_rotary_tables.c has the known ones)");
    c->count->cases--;
    return;
  }
  int64_t half = spec.d / 2;
  double *inv_freq = arena_take(c->arena, (size_t)half * sizeof *inv_freq), factor;
  rotary_frequencies(&spec, inv_freq, &factor);
  case_compare(c, case_elements(c, "inv_freq") == half, "%lld frequencies", (long long)half);
  for (int64_t i = 0; i < half; i++) near(c, "inv_freq", i, inv_freq[i], case_real(c, "inv_freq", i), 1e-13);
  near(c, "attention_factor", 0, factor, case_real(c, "attention_factor", 0), 1e-13);
  if (case_find(c, "softmax_scale"))
    near(c, "softmax_scale", 0, rotary_mla_scale(&spec) / sqrt(HEAD_WIDTH), case_real(c, "softmax_scale", 0), 1e-13);
  if (case_find(c, "low_high")) check_ramp(c, &spec, inv_freq);
  if (case_find(c, "alpha_base")) check_base(c, &spec, inv_freq);
  check_table(c, &spec, half);
  pass_over_fp32(c);
}

void golden_rotary_tables(GoldenCount *n) { golden_each_case(n, "inv_freq", true, table); }
