// pleiad bench layer
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/median.h"
#include "base/progress.h"
#include "base/rng.h"
#include "cli/bench/bench.h"
#include "cli/bench/parts.h"
#include "cli/cli.h"
#include "model/counts.h"
#include "model/model.h"
#include "ops/peak.h"
#include "train/config.h"
#include "train/trainer.h"

static const char help_text[] =
    "pleiad bench layer SHAPE.json [--dtype bf16|fp32] [--steps N] [--threads N] [--recompute none|rows|attention|block]\n"
    "                   [--json]\n"
    "\n"
    "Times the forward and the backward of one layer at its true size: the last decoder layer of SHAPE.json, {\"hf\": a\n"
    "Hugging Face configuration, \"batch\": B, \"seq\": T}, without the other layers, embedding and head. So a layer of\n"
    "a model that needs a cluster runs here. Weights in the compute type alone, random; gradients in fp32, added up. One\n"
    "step warms up, N (2) count. The share is of a matrix product measured in the same run.\n";

enum { STEPS_MAX = 1000, RANDOM_ROWS = 61 };
static const double PEAK_BUDGET_S = 0.5;

typedef enum { LAYER_WEIGHTS, LAYER_GRADS, LAYER_KEPT, LAYER_TEMP, LAYER_ROWS, LAYER_ARENAS } LayerArena;
static const char *const arena_names[LAYER_ARENAS] = {"weights", "gradients", "activations", "temporary", "batch"};

typedef struct {
  const char *path;
  ModelConfig config;
  int64_t B, T, steps, threads;
  int type, recompute;  // a Dtype, a Recompute
  // the layer
  Model model;
  Dev dev;
  Arena arena[LAYER_ARENAS];
  BlockSaved saved[3];  // of embed, the layer, head
  Stream stream;
  int32_t *position;
} Layer;

typedef struct {
  double forward_s, backward_s;  // medians
  Speed speed;
  size_t bytes[LAYER_ARENAS], rest, used;  // rest: kernels' and the program's own
} Result;

// One layer of the configuration's last kind, and next to nothing around it.
static void keep_one_layer(ModelConfig *c) {
  c->model.layers = 1, c->mtp.layers = 0, c->moe.first_dense = 0;
  c->model.vocab = 1, c->model.tied = true, c->model.embedding_size = 0;
}

static Err take_shape(Layer *l, int argc, char **argv, bool *json) {
  static const char *const known[] = {"--dtype", "--steps", "--threads", "--recompute", "--json", NULL};
  *l = (Layer){.steps = 2, .type = DT_BF16};
  TRY(cli_choice(&argc, argv, "--dtype", train_dtype_names, &l->type));
  TRY(cli_choice(&argc, argv, "--recompute", recompute_names, &l->recompute));
  TRY(cli_int(&argc, argv, "--steps", 1, STEPS_MAX, &l->steps));
  TRY(cli_int(&argc, argv, "--threads", 1, 4096, &l->threads));
  *json = cli_flag(&argc, argv, "--json");
  CHECK(argc >= 2 && argv[1][0] != '-', ERR_ARG, "bench layer needs a shape: pleiad bench layer SHAPE.json");
  l->path = argv[1];
  argv[1] = argv[0];
  TRY(cli_no_more(argc - 1, argv + 1, known));
  TRY(bench_read_batch(l->path, &l->config, &l->B, &l->T));
  keep_one_layer(&l->config);
  return ERR_OK;
}

// ---- the layer

static Run run_of(Layer *l) {
  return (Run){.dev = &l->dev,
               .type = (Dtype)l->type,
               .kept = &l->arena[LAYER_KEPT],
               .temp = &l->arena[LAYER_TEMP],
               .training = true,
               .recompute = (Recompute)l->recompute};
}

static Err carve(Layer *l) {
  int64_t N = l->B * l->T, D = l->config.model.width;
  TRY(model_init(&l->model, &l->config, (Dtype)l->type, l->T, NULL, &l->arena[LAYER_GRADS], &l->arena[LAYER_WEIGHTS]));
  l->stream.h = mat_take(&l->arena[LAYER_ROWS], N, D, DT_F32);
  l->stream.dh = mat_take(&l->arena[LAYER_ROWS], N, D, DT_F32);
  l->position = arena_take(&l->arena[LAYER_ROWS], (size_t)N * sizeof *l->position);
  return ERR_OK;
}

static void step(Layer *l, double *forward_s, double *backward_s) {
  Run run = run_of(l);
  MicroBatch mb = {.B = l->B, .T = l->T, .position = l->position, .sequence_scale = 1 / (double)l->B};
  Losses losses = {0};
  Stream stream = l->stream;
  size_t kept = arena_mark(run.kept);
  double begin = clock_s();
  model_forward(&l->model, &run, &mb, 1, 2, &stream, l->saved, &losses);
  double middle = clock_s();
  model_backward(&l->model, &run, &mb, 1, 2, &stream, l->saved, MOVE_BACKWARD);
  *forward_s = middle - begin, *backward_s = clock_s() - middle;
  arena_rewind(run.kept, kept);
}

static Err measure_memory(Layer *l, size_t bytes[LAYER_ARENAS]) {
  double unused;
  dev_measure(&l->dev);
  for (int i = 0; i < LAYER_ARENAS; i++) arena_measure(&l->arena[i], arena_names[i]);
  Err err = carve(l);
  if (!err) step(l, &unused, &unused);
  for (int i = 0; i < LAYER_ARENAS; i++) bytes[i] = l->arena[i].peak;
  model_free(&l->model);
  return err;
}

// The same few random rows again and again: what is timed does not depend on more. `some` [RANDOM_ROWS, in].
static void fill_rows(Dev *dev, const Weight *w, Mat some) {
  some.ld = w->in;
  rng_fill_normal(rng_named(1, "layer"), 0, 0, some.data, RANDOM_ROWS * w->in, 0, 0.02);
  for (int64_t i = 0; i < w->out; i += RANDOM_ROWS)
    dev->op->cast(dev, mat_at(w->w, i, 0), some, w->out - i < RANDOM_ROWS ? w->out - i : RANDOM_ROWS, w->in);
}

// Tokens and router wholly random: experts then have about equal loads.
static Err fill_all(Layer *l) {
  const ParamList *list = &l->model.params;
  int64_t D = l->config.model.width, N = l->B * l->T, widest = 0;
  for (int64_t i = 0; i < list->count; i++)
    if (list->param[i].w.type == DT_F32) model_reset_param(&list->param[i], 1, model_init_std(&l->config, &list->param[i]));
  for (int64_t i = 0; i < list->n_weights; i++)
    if (list->weight[i]->in > widest) widest = list->weight[i]->in;
  Mat some = mat_of(malloc((size_t)(RANDOM_ROWS * widest) * sizeof(float)), widest, DT_F32);
  CHECK(some.data, ERR_MEMORY, "no memory for %d random rows", RANDOM_ROWS);
  for (int64_t i = 0; i < list->n_weights; i++)
    if (list->weight[i]->w.type != DT_F32) fill_rows(&l->dev, list->weight[i], some);
  free(some.data);
  for (int64_t n = 0; n < N; n++) {
    rng_fill_normal(rng_named(1, "h"), 0, (uint64_t)(n * D), mat_at(l->stream.h, n, 0).data, D, 0, 1);
    rng_fill_normal(rng_named(1, "dh"), 0, (uint64_t)(n * D), mat_at(l->stream.dh, n, 0).data, D, 0, 1e-3);
    l->position[n] = (int32_t)(n % l->T);
  }
  return ERR_OK;
}

static Err open_layer(Layer *l, Result *r) {
  TRY(measure_memory(l, r->bytes));
  TRY(dev_open(&l->dev, (int)l->threads));
  TRY(speed_measure(&l->dev, (Dtype)l->type, PEAK_BUDGET_S, &r->speed));
  for (int i = 0; i < LAYER_ARENAS; i++) TRY(arena_init(&l->arena[i], arena_names[i], r->bytes[i]));
  TRY(carve(l));
  TRY(fill_all(l));
  arena_touch(&l->arena[LAYER_KEPT]), arena_touch(&l->arena[LAYER_TEMP]), arena_touch(&l->arena[LAYER_GRADS]);
  arena_touch(&l->dev.scratch);
  size_t arenas = l->dev.scratch.size, all = memory_process_bytes();
  for (int i = 0; i < LAYER_ARENAS; i++) arenas += r->bytes[i] = l->arena[i].size;
  r->rest = l->dev.scratch.size + (all > arenas ? all - arenas : 0);
  return ERR_OK;
}

static void close_layer(Layer *l) {
  model_free(&l->model);
  for (int i = 0; i < LAYER_ARENAS; i++) arena_free(&l->arena[i]);
  if (l->dev.pool) dev_close(&l->dev);
}

static void time_steps(Layer *l, Result *r) {
  double forward[STEPS_MAX], backward[STEPS_MAX];
  Progress progress;
  progress_start(&progress, "bench", "step", (double)(1 + l->steps), 0);
  for (int64_t i = -1; i < l->steps; i++) {
    int64_t at = i < 0 ? 0 : i;
    step(l, &forward[at], &backward[at]);
    progress_update(&progress, (double)(i + 2));
  }
  progress_end(&progress);
  r->forward_s = median_sort(forward, l->steps), r->backward_s = median_sort(backward, l->steps);
  r->used = memory_process_bytes();
}

// ---- what came out

// Of one layer: what a second one would add.
static double flops_of(const Layer *l) {
  ModelConfig two = l->config;
  two.model.layers = 2;
  return 3 * (double)(l->B * l->T) * (model_flops_token(&two, l->T) - model_flops_token(&l->config, l->T));
}

static size_t announced(const Result *r) {
  size_t sum = r->rest;
  for (int i = 0; i < LAYER_ARENAS; i++) sum += r->bytes[i];
  return sum;
}

static Err print_json(const Layer *l, const Result *r) {
  double flops = flops_of(l), step_s = r->forward_s + r->backward_s;
  json_t *memory = json_object();
  for (int i = 0; i < LAYER_ARENAS; i++) json_object_set_new(memory, arena_names[i], json_integer((json_int_t)r->bytes[i]));
  return cli_json(json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:o, s:I, s:I}", "shape", l->path, "dtype",
                            train_dtype_names[l->type], "recompute", recompute_names[l->recompute], "forward_ms",
                            1e3 * r->forward_s, "backward_ms", 1e3 * r->backward_s, "gflops", flops / step_s * 1e-9,
                            "gemm_gflops", r->speed.gemm * 1e-9, "of_gemm", flops / step_s / r->speed.gemm, "memory_bytes",
                            memory, "announced_bytes", (json_int_t)announced(r), "process_bytes", (json_int_t)r->used),
                  "the result");
}

static void print_text(const Layer *l, const Result *r) {
  double flops = flops_of(l), step_s = r->forward_s + r->backward_s, GiB = 1 << 30;
  printf("%s in %s: one layer of %.1f M parameters, %lld sequences of %lld tokens\n", l->path, train_dtype_names[l->type],
         (double)(model_counts(&l->config).total - model_counts(&l->config).embedding) * 1e-6, (long long)l->B,
         (long long)l->T);
  printf("  time       forward %.1f ms, backward %.1f ms: %.0f tokens/s\n", 1e3 * r->forward_s, 1e3 * r->backward_s,
         (double)(l->B * l->T) / step_s);
  printf("  speed      %.1f GFLOP/s of %.2f TFLOP: %.1f %% of the matrix product measured here, %.1f GFLOP/s\n",
         flops / step_s * 1e-9, flops * 1e-12, 100 * flops / step_s / r->speed.gemm, r->speed.gemm * 1e-9);
  printf("  memory     %.2f GiB announced, %.2f GiB used (%+.1f %%):", (double)announced(r) / GiB, (double)r->used / GiB,
         100 * ((double)r->used / (double)announced(r) - 1));
  for (int i = 0; i < LAYER_ARENAS; i++) printf(" %s %.2f,", arena_names[i], (double)r->bytes[i] / GiB);
  printf(" the rest %.2f\n", (double)r->rest / GiB);
}

Err bench_layer(int argc, char **argv) {
  if (cli_help(argc, argv, help_text)) return ERR_OK;
  bool json;
  Result r = {0};
  Layer *l = malloc(sizeof *l);
  CHECK(l, ERR_MEMORY, "no memory for a layer");
  Err err = take_shape(l, argc, argv, &json);
  if (!err) err = open_layer(l, &r);
  if (!err) time_steps(l, &r);
  if (!err && json) err = print_json(l, &r);
  else if (!err) print_text(l, &r);
  close_layer(l);
  free(l);
  return err;
}
