// Rotary tables. A file has the tables of well-known models, not their settings: these are here, by the name of the case.
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
    {"telechat3_36b_32k", {128, 1e6, ROPE_TELECHAT3_YARN, .factor = 4, .original_length = 8192, STRETCHED}},
    {"telechat3_36b_128k", {128, 1e6, ROPE_TELECHAT3_YARN, .factor = 16, .original_length = 8192, STRETCHED}},
    {"yarn_standard", {128, 1e6, ROPE_YARN, .factor = 4, .original_length = 8192, STRETCHED}},
    {"yarn_deepseek", {64, 1e4, ROPE_YARN, .factor = 40, .original_length = 4096, STRETCHED, .mscale = 1, .mscale_all = 1}},
    {"yarn_mscale_differs",
     {64, 1e4, ROPE_YARN, .factor = 8, .original_length = 2048, STRETCHED, .mscale = 1, .mscale_all = 0.707}},
    {"plain_105b", {.d = 64, .theta = 0, .scaling = ROPE_PLAIN}},
};

// The base of an unstretched table is what its own frequencies say.
static bool spec_of(const TensorCase *c, RotarySpec *spec) {
  long long length;
  if (sscanf(c->name, "telechat2_ntk_%lld", &length) == 1 && length > 0) {
    *spec = (RotarySpec){128, 1e4, ROPE_DYNAMIC_NTK, .original_length = 8192, .base_length = 8192, .length = length};
    return true;
  }
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (strcmp(known[i].name, c->name) != 0) continue;
    *spec = known[i].spec;
    if (spec->theta == 0) spec->theta = pow(case_real(c, "inv_freq", 1), -(double)spec->d / 2);
    return true;
  }
  return false;
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
  for (int64_t i = 0; i < half; i++) {
    double want = case_real(c, "inv_freq", i);
    case_compare(c, fabs(inv_freq[i] - want) <= 1e-13 * want, "frequency %lld is %.17g, want %.17g", (long long)i, inv_freq[i],
                 want);
  }
  double want = case_real(c, "attention_factor", 0);
  case_compare(c, fabs(factor - want) <= 1e-13 * want, "attention_factor is %.17g, want %.17g", factor, want);
  if (case_find(c, "softmax_scale")) {
    double scale = rotary_mla_scale(&spec) / sqrt(HEAD_WIDTH);
    want = case_real(c, "softmax_scale", 0);
    case_compare(c, fabs(scale - want) <= 1e-13 * want, "softmax_scale is %.17g, want %.17g", scale, want);
  }
  check_table(c, &spec, half);
  pass_over_fp32(c);
}

void golden_rotary_tables(GoldenCount *n) { golden_each_case(n, "inv_freq", true, table); }
