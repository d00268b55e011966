#include "golden/golden_train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/safetensors.h"
#include "test.h"
#include "train/lr.h"
#include "train/optimizer.h"

typedef struct {
  GoldenCount *count;
  const SafeTensors *file;
  const char *name;  // "clip over"
  Dev *dev;
} Case;

static void compare(const Case *c, const char *what, int64_t at, double got, double want, double tolerance) {
  c->count->comparisons++;
  if (fabs(got - want) <= tolerance || got == want) return;
  c->count->failed++;
  fprintf(stderr, "  golden %s: %s[%lld] is %.17g, want %.17g within %g\n", c->name, what, (long long)at, got, want, tolerance);
}

static double at(const SafeTensors *file, const char *name, int64_t i) {
  const StTensor *t = safetensors_find(file, name);
  if (!t || i >= st_elements(t)) return NAN;
  if (t->type == ST_F64) return ((const double *)t->data)[i];
  if (t->type == ST_F32) return (double)((const float *)t->data)[i];
  return t->type == ST_I64 ? (double)((const int64_t *)t->data)[i] : NAN;
}
static int64_t count_of(const SafeTensors *file, const char *name) {
  const StTensor *t = safetensors_find(file, name);
  return t ? st_elements(t) : 0;
}

// ---- learning rates: a tensor is named after its kind, wsd's after its decay
static bool kind_of(const char *name, LrSchedule *l) {
  for (int d = 0; d < DECAY_SHAPES; d++)
    if (strncmp(name, "wsd_", 4) == 0 && strcmp(name + 4, decay_shape_names[d]) == 0) {
      l->kind = LR_WSD, l->decay = d;
      return true;
    }
  for (int k = 0; k < LR_KINDS; k++)
    if (strcmp(name, lr_kind_names[k]) == 0) {
      l->kind = k;
      return true;
    }
  return false;
}

static void run_lr(Case c) {
  LrSchedule l = {.peak = at(c.file, "settings_peak_low", 0),
                  .low = at(c.file, "settings_peak_low", 1),
                  .steps = (int64_t)at(c.file, "settings_N_warmup_decaystart", 0),
                  .warmup = (int64_t)at(c.file, "settings_N_warmup_decaystart", 1),
                  .decay_start = (int64_t)at(c.file, "settings_N_warmup_decaystart", 2)};
  for (int64_t i = 0; i < c.file->count; i++) {
    const char *name = c.file->tensor[i].name;
    if (strcmp(name, "step") == 0 || strncmp(name, "settings", 8) == 0) continue;
    c.name = name;
    c.count->cases++;
    bool known = kind_of(name, &l);
    compare(&c, "a known schedule", 0, known, 1, 0);
    for (int64_t s = 0; known && s < count_of(c.file, name); s++)
      compare(&c, "lr", s, lr_at(&l, (int64_t)at(c.file, "step", s)), at(c.file, name, s), 1e-15 * l.peak + 1e-18);
  }
}

// ---- the optimiser
static Param param_of(const char *name, float *w, float *g, int64_t n) {
  Param p = {.role = PARAM_MATRIX, .n_dims = 2, .dim = {1, n}, .n = n, .w = w, .g = g};
  snprintf(p.name, sizeof p.name, "%s", name);
  return p;
}

static float *values(const SafeTensors *file, const char *name) {
  float *x = calloc((size_t)count_of(file, name) + 1, sizeof *x);
  for (int64_t i = 0; i < count_of(file, name); i++) x[i] = (float)at(file, name, i);
  return x;
}

static void run_clip(Case c) {
  char a[64], b[64], want[64];
  snprintf(a, sizeof a, "%s.a", c.name), snprintf(b, sizeof b, "%s.b", c.name),
      snprintf(want, sizeof want, "%s.norm_coef", c.name);
  float *ga = values(c.file, a), *gb = values(c.file, b);
  Param param[2] = {param_of("a", NULL, ga, count_of(c.file, a)), param_of("b", NULL, gb, count_of(c.file, b))};
  ParamList list = {.param = param, .count = 2};
  ParamSettings settings[2] = {{1, 0, 1e-8, -1}, {1, 0, 1e-8, -1}};
  Arena arena;
  Optimizer o;
  arena_measure(&arena, "moments");
  if (optimizer_init(&o, (OptimizerConfig){.clip = 1}, &list, settings, &arena) == ERR_OK) {
    double norm = optimizer_norm(&o, c.dev), relative = 1e-7;
    compare(&c, "norm", 0, norm, at(c.file, want, 0), relative * at(c.file, want, 0));
    compare(&c, "coefficient", 0, clip_coefficient(norm, 1), at(c.file, want, 1), relative * at(c.file, want, 1));
  }
  optimizer_free(&o);
  free(ga);
  free(gb);
}

static void run_adamw(Case c) {
  char key[4][64];
  const char *what[4] = {"p0", "grads", "lr", "wd_eps_b1_b2"};
  for (int i = 0; i < 4; i++) snprintf(key[i], sizeof key[i], "%s.%s", c.name, what[i]);
  int64_t n = count_of(c.file, key[0]), steps = count_of(c.file, key[2]);
  float *w = values(c.file, key[0]), *g = calloc((size_t)n, sizeof *g);
  Param param = param_of("p", w, g, n);
  ParamList list = {.param = &param, .count = 1};
  ParamSettings settings = {1, at(c.file, key[3], 0), at(c.file, key[3], 1), -1};
  OptimizerConfig config = {.beta1 = at(c.file, key[3], 2), .beta2 = at(c.file, key[3], 3)};
  Arena arena;
  Optimizer o = {0};
  if (arena_init(&arena, "moments", 1 << 16) == ERR_OK && optimizer_init(&o, config, &list, &settings, &arena) == ERR_OK)
    for (int64_t s = 0; s < steps; s++) {
      for (int64_t i = 0; i < n; i++) g[i] = (float)at(c.file, key[1], s * n + i);
      optimizer_step(&o, c.dev, at(c.file, key[2], s), 1);
      char p[64];
      snprintf(p, sizeof p, "%s.p", c.name);
      for (int64_t i = 0; i < n; i++) {
        double want = at(c.file, p, s * n + i);
        compare(&c, "p", s * n + i, (double)w[i], want, 4e-7 * (fabs(want) + 1e-2));  // a few fp32 roundings a step
        compare(&c, "gradient after the step", i, (double)g[i], 0, 0);
      }
    }
  optimizer_free(&o);
  arena_free(&arena);
  free(w);
  free(g);
}

static void run_balance(Case c) {
  char load[64], before[64], rate[64], after[64];
  snprintf(load, sizeof load, "%s.load", c.name), snprintf(before, sizeof before, "%s.before", c.name);
  snprintf(rate, sizeof rate, "%s.rate", c.name), snprintf(after, sizeof after, "%s.after", c.name);
  int64_t n = count_of(c.file, load), experts = n ? safetensors_find(c.file, load)->dim[1] : 1;  // a row a layer
  float *bias = values(c.file, before);
  int64_t *picks = calloc((size_t)n + 1, sizeof *picks);
  for (int64_t e = 0; e < n; e++) picks[e] = (int64_t)at(c.file, load, e);
  for (int64_t row = 0; row < n / experts; row++)
    balance_step(bias + row * experts, picks + row * experts, experts, at(c.file, rate, 0));
  for (int64_t e = 0; e < n; e++)
    compare(&c, "bias", e, (double)bias[e], at(c.file, after, e), 1e-7 * fabs(at(c.file, after, e)));
  free(bias);
  free(picks);
}

// ---- cases of a file: what stands before ".`tensor`" in the name of a tensor
static void run_cases(Case c, const char *tensor, void (*run)(Case c)) {
  for (int64_t i = 0; i < c.file->count; i++) {
    const char *dot = strchr(c.file->tensor[i].name, '.');
    if (!dot || strcmp(dot + 1, tensor) != 0) continue;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(dot - c.file->tensor[i].name), c.file->tensor[i].name);
    c.name = name;
    c.count->cases++;
    run(c);
  }
}

GoldenCount golden_train(const char *ops) {
  GoldenCount count = {.folder = "ops (training)"};
  static const struct {
    const char *file, *tensor;  // a tensor that every case of the file has
    void (*run)(Case c);
  } reader[] = {{"lr.safetensors", NULL, run_lr},
                {"clip.safetensors", "norm_coef", run_clip},
                {"adamw.safetensors", "p0", run_adamw},
                {"router.safetensors", "rate", run_balance}};
  Dev dev;
  if (dev_open(&dev, 1) != ERR_OK) {
    fprintf(stderr, "  golden training: %s\n", err_text());
    count.failed++;
    return count;
  }
  for (size_t i = 0; i < sizeof reader / sizeof *reader; i++) {
    char path[PATH_BYTES];
    SafeTensors file;
    if (path_join(path, ops, reader[i].file) != ERR_OK || !file_exists(path)) continue;
    if (safetensors_open(&file, path) != ERR_OK) {
      fprintf(stderr, "  golden training: %s\n", err_text());
      count.failed++;
      continue;
    }
    Case c = {&count, &file, reader[i].file, &dev};
    if (reader[i].tensor) run_cases(c, reader[i].tensor, reader[i].run);
    else reader[i].run(c);
    safetensors_close(&file);
  }
  dev_close(&dev);
  return count;
}

TEST(learning_rates_clipping_adamw_and_balance_match_the_goldens) {
  char path[PATH_BYTES];
  ASSERT_OK(path_join(path, test_shared(), "golden/ops"));
  GoldenCount count = golden_train(path);
  ASSERT_INT(count.failed, 0);
  ASSERT(count.cases >= 8 + 4 + 3 + 1 && count.comparisons > 500);
}
