// pleiad bench train
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/median.h"
#include "base/progress.h"
#include "base/rng.h"
#include "cli/bench/bench.h"
#include "cli/bench/parts.h"
#include "cli/cli.h"
#include "ops/peak.h"
#include "train/config.h"
#include "train/trainer.h"

static const char help_text[] =
    "pleiad bench train SHAPE.json [--dtype fp32|bf16] [--steps N] [--micro_batch N] [--threads N]\n"
    "                   [--recompute auto|none|rows|attention|block|all] [--json]\n"
    "\n"
    "Times whole training steps: forward, loss, backward, clipping to 1, AdamW. SHAPE.json is\n"
    "{\"hf\": a Hugging Face configuration, \"batch\": B, \"seq\": T}. Two steps warm up, N (6) count. MFU is against the\n"
    "peak measured in the same run, multiply-adds in registers alone; beside it the share of a matrix product's speed.\n"
    "--recompute is train.recompute (auto); all: a table of the bytes and the time of each, under --json {\"runs\": [...]}.\n";

enum { WARM_UP_STEPS = 2, STEPS_MAX = 1000, ALL = RECOMPUTE_AUTO + 1 };
static const double PEAK_BUDGET_S = 0.5;

typedef struct {
  const char *path;
  ModelConfig model;
  int64_t batch, T, micro_batch, steps, threads;
  Dtype type;
  int recompute;  // as of TrainerOptions, or ALL: each in turn
} Shape;

typedef struct {
  double best_s, median_s, loss, phase_s[PHASES];
  Recompute recompute;
  Speed speed;
  size_t bytes[MEMORY_LINES], announced, used;
} Result;

static Err read_shape(Shape *s) {
  TRY(bench_read_batch(s->path, &s->model, &s->batch, &s->T));
  if (!s->micro_batch) s->micro_batch = s->batch;
  CHECK(s->batch % s->micro_batch == 0, ERR_ARG, "--micro_batch %lld does not divide the batch of %lld",
        (long long)s->micro_batch, (long long)s->batch);
  return ERR_OK;
}

static Err take_shape(Shape *s, int argc, char **argv, bool *json) {
  static const char *const known[] = {"--dtype", "--steps", "--micro_batch", "--threads", "--recompute", "--json", NULL};
  const char *recomputes[ALL + 2] = {[ALL] = "all"};
  int type = DT_F32;
  *s = (Shape){.steps = 6, .recompute = RECOMPUTE_AUTO};
  memcpy(recomputes, train_recompute_names, ALL * sizeof *recomputes);
  TRY(cli_choice(&argc, argv, "--dtype", train_dtype_names, &type));
  TRY(cli_int(&argc, argv, "--steps", 1, STEPS_MAX, &s->steps));
  TRY(cli_int(&argc, argv, "--micro_batch", 1, 1 << 20, &s->micro_batch));
  TRY(cli_int(&argc, argv, "--threads", 1, 4096, &s->threads));
  TRY(cli_choice(&argc, argv, "--recompute", recomputes, &s->recompute));
  s->type = (Dtype)type;
  *json = cli_flag(&argc, argv, "--json");
  CHECK(argc >= 2 && argv[1][0] != '-', ERR_ARG, "bench train needs a shape: pleiad bench train SHAPE.json");
  s->path = argv[1];
  argv[1] = argv[0];
  TRY(cli_no_more(argc - 1, argv + 1, known));
  return read_shape(s);
}

static void fill_random(Batch *b, const Shape *s) {
  b->B = s->batch, b->T = s->T, b->mask_count = s->batch * s->T;
  Rng rng = rng_named(0, "bench");
  for (int64_t i = 0; i < b->B * b->T; i++)
    b->ids[i] = (int32_t)(rng_uniform(rng, 0, (uint64_t)i) * (double)s->model.model.vocab);
  for (int64_t i = 0; i < b->B * b->T; i++) {
    b->labels[i] = b->ids[(i + 1) % (b->B * b->T)];
    b->mask[i] = 1;
    b->position[i] = (int32_t)(i % b->T);
    b->doc_start[i] = 0;
  }
}

static Err time_steps(Trainer *t, const Shape *s, Result *r) {
  double seconds[STEPS_MAX];
  Progress progress;
  progress_start(&progress, "bench", "step", (double)(WARM_UP_STEPS + s->steps), 0);
  for (int64_t i = 0; i < WARM_UP_STEPS + s->steps; i++) {
    if (i == WARM_UP_STEPS) memset(t->phase_s, 0, sizeof t->phase_s);
    double begin = clock_s(), norm;
    Losses losses;
    TRY(trainer_gradients(t, &t->batch, s->micro_batch, &losses, &norm));
    trainer_update(t, 1e-4, norm);
    r->loss = trainer_total(t, &losses);
    if (i >= WARM_UP_STEPS) seconds[i - WARM_UP_STEPS] = clock_s() - begin;
    progress_note(&progress, "loss %.4f", r->loss);
    progress_update(&progress, (double)(i + 1));
  }
  progress_end(&progress);
  r->median_s = median_sort(seconds, s->steps);
  if (s->steps % 2 == 0) r->median_s = (seconds[s->steps / 2 - 1] + r->median_s) / 2;
  r->best_s = seconds[0];
  memcpy(r->phase_s, t->phase_s, sizeof r->phase_s);
  return ERR_OK;
}

static Err measure(const Shape *s, int recompute, Result *r) {
  Trainer t;
  TrainerOptions o = {.model = &s->model,
                      .type = s->type,
                      .threads = (int)s->threads,
                      .leaves = 1,
                      .recompute = recompute,
                      .where = s->path,
                      .optimizer = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .decay = 0.1, .clip = 1},
                      .shape = {{s->micro_batch, s->T}},
                      .n_shapes = 1,
                      .batch_rows = s->batch * s->T,
                      .one_micro_batch = s->batch == s->micro_batch};
  TRY(trainer_open(&t, &o));
  r->recompute = (Recompute)t.option.recompute;
  Err err = ERR_OK;
  trainer_reset(&t, 1);
  fill_random(&t.batch, s);
  TRY_OUT(speed_measure(&t.dev, s->type, PEAK_BUDGET_S, &r->speed));
  trainer_count_program(&t);
  trainer_memory(&t, r->bytes);
  for (int i = 0; i < MEMORY_LINES; i++) r->announced += r->bytes[i];
  TRY_OUT(time_steps(&t, s, r));
  r->used = memory_process_bytes();
out:
  trainer_close(&t);
  return err;
}

static double flops_of(const Shape *s) { return 3 * (double)(s->batch * s->T) * model_flops_token(&s->model, s->T); }

static json_t *result_json(const Shape *s, const Result *r) {
  double tokens = (double)(s->batch * s->T), flops = flops_of(s), total = 0;
  json_t *phase = json_object(), *memory = json_object();
  for (int i = 0; i < PHASES; i++) total += r->phase_s[i];
  for (int i = 0; i < PHASES; i++)
    if (r->phase_s[i] > 0) json_object_set_new(phase, phase_names[i], json_real(r->phase_s[i] / total));
  for (int i = 0; i < MEMORY_LINES; i++)
    if (r->bytes[i]) json_object_set_new(memory, memory_names[i], json_integer((json_int_t)r->bytes[i]));
  return json_pack("{s:s, s:s, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o, s:I, s:I, s:f, s:f, s:o}", "shape",
                   s->path, "dtype", train_dtype_names[s->type], "recompute", recompute_names[r->recompute], "params",
                   (json_int_t)model_counts(&s->model).total, "tokens_per_s", tokens / r->best_s, "tokens_per_s_median",
                   tokens / r->median_s, "mfu", flops / r->best_s / r->speed.peak, "mfu_median",
                   flops / r->median_s / r->speed.peak, "of_gemm", flops / r->best_s / r->speed.gemm, "of_gemm_median",
                   flops / r->median_s / r->speed.gemm, "gemm_gflops", r->speed.gemm * 1e-9, "peak_gflops",
                   r->speed.peak * 1e-9, "memory_bytes", memory, "announced_bytes", (json_int_t)r->announced, "process_bytes",
                   (json_int_t)r->used, "loss", r->loss, "step_gflop", flops * 1e-9, "time_share", phase);
}

static double mib(size_t bytes) { return (double)bytes / (1 << 20); }

static void print_text(const Shape *s, const Result *r) {
  double tokens = (double)(s->batch * s->T), flops = flops_of(s), total = 0;
  printf("  tokens/s   %.0f best, %.0f median\n", tokens / r->best_s, tokens / r->median_s);
  printf("  MFU        %.1f %% best, %.1f %% median of the peak measured here, %.1f GFLOP/s\n",
         100 * flops / r->best_s / r->speed.peak, 100 * flops / r->median_s / r->speed.peak, r->speed.peak * 1e-9);
  printf("  of GEMM    %.1f %% best, %.1f %% median of the matrix product measured here, %.1f GFLOP/s\n",
         100 * flops / r->best_s / r->speed.gemm, 100 * flops / r->median_s / r->speed.gemm, r->speed.gemm * 1e-9);
  printf("  recompute  %s\n", recompute_names[r->recompute]);
  printf("  memory     %.1f MiB announced, %.1f MiB used (%+.1f %%):", mib(r->announced), mib(r->used),
         100 * ((double)r->used / (double)r->announced - 1));
  for (int i = 0, n = 0; i < MEMORY_LINES; i++)
    if (r->bytes[i]) printf("%s%s %.1f", n++ == 0 ? "\n             " : ", ", memory_names[i], mib(r->bytes[i]));
  printf("\n  time      ");
  for (int i = 0; i < PHASES; i++) total += r->phase_s[i];
  for (int i = 0; i < PHASES; i++)
    if (r->phase_s[i] > 0) printf(" %s %.1f %%", phase_names[i], 100 * r->phase_s[i] / total);
  printf("\n");
}

static void print_row(const Shape *s, const Result *r, const Result *none) {
  if (r->recompute == RECOMPUTE_NONE)
    printf("  recompute  activations  temporary   used MiB   ms a step   tokens/s    time  memory\n");
  printf("  %-9s %12.1f %10.1f %10.1f %11.1f %10.0f %6.2fx %6.2fx\n", recompute_names[r->recompute], mib(r->bytes[MEMORY_KEPT]),
         mib(r->bytes[MEMORY_TEMP]), mib(r->used), 1e3 * r->median_s, (double)(s->batch * s->T) / r->median_s,
         r->median_s / none->median_s, (double)r->used / (double)none->used);
}

// Every choice, one after the other; a row each.
static Err compare_recomputes(const Shape *s, json_t *rows) {
  Result none = {0};
  for (int c = RECOMPUTE_NONE; c < RECOMPUTES; c++) {
    Result r = {0};
    TRY(measure(s, c, &r));
    if (c == RECOMPUTE_NONE) none = r;
    if (rows) json_array_append_new(rows, result_json(s, &r));
    else print_row(s, &r, &none);
  }
  return ERR_OK;
}

static void print_shape(const Shape *s) {
  printf("%s in %s: %.1f M parameters, %lld sequences of %lld tokens a step\n", s->path, train_dtype_names[s->type],
         (double)model_counts(&s->model).total * 1e-6, (long long)s->batch, (long long)s->T);
}

Err bench_train(int argc, char **argv) {
  if (cli_help(argc, argv, help_text)) return ERR_OK;
  Shape s;
  Result r = {0};
  bool json;
  TRY(take_shape(&s, argc, argv, &json));
  if (!json) print_shape(&s);
  if (s.recompute == ALL) {
    json_t *rows = json ? json_array() : NULL;
    Err err = compare_recomputes(&s, rows);
    if (!json || err) return json_decref(rows), err;
    return cli_json(json_pack("{s:o}", "runs", rows), "the results");
  }
  TRY(measure(&s, s.recompute, &r));
  if (json) return cli_json(result_json(&s, &r), "the result");
  print_text(&s, &r);
  return ERR_OK;
}
