// pleiad bench ops
#include "cli/bench/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/median.h"
#include "cli/bench/bench.h"
#include "cli/bench/parts.h"
#include "cli/bench/peer.h"
#include "cli/cli.h"
#include "ops/peak.h"
#include "train/config.h"

static const char help_text[] =
    "pleiad bench ops [SHAPE.json] [--op PART] [--case PART] [--dtype fp32|bf16] [--isa LEVEL] [--threads N]\n"
    "                 [--peer LIBRARY] [--warm] [--subnormal] [--json]\n"
    "\n"
    "Times every operation at a layer's sizes, in fp32 and bf16, at each instruction set of this machine above the\n"
    "reference: the median of several calls, GFLOP/s or GB/s, and the share of the peak measured in the same run. SHAPE.json\n"
    "holds the sizes (bench/shapes/nano.json, 105b.json, 105b-experts.json), or a whole model's configuration as\n"
    "`bench train` reads it (105b-layer.json, 36b-layer.json, 39b-layer.json; the last need up to 8 GiB).\n"
    "Products are measured against multiply-adds in registers, the rest against the memory: reading, or copying where a\n"
    "quarter or more of its bytes are written. Before each of those calls 128 MiB are read or copied: that is what the\n"
    "call is set against, and the caches are cold. What is written to the caches last may still make more than 100 %.\n"
    "Products of 256 MiB or more also say how long the memory would take to read and write their bytes, by passes in between.\n"
    "Bytes are counted by one model: every element that the operation must read or write, once a call, in its type; rows\n"
    "that are gathered, each time. Not counted is the line that a store to the caches brings in first, nor what lies in\n"
    "the lines between strided columns (RoPE). The router and the sort of its picks search: they are no streams.\n"
    "--peer LIBRARY (libopenblas.so.0, libdnnl.so.3, a path) times its fp32 product after each of ours that it has too.\n"
    "--warm: 64 tokens and 64 Ki parameters, which stay in the caches if the layer is small, and no passes in between: what\n"
    "the instructions make where the memory does not hold them up, against the memory's best of the run.\n"
    "--subnormal fills every tensor with subnormal numbers, to compare: no operation may take ten times as long.\n";

static const char *const known[] = {"--op",   "--case", "--dtype",     "--isa",  "--threads",
                                    "--peer", "--warm", "--subnormal", "--json", NULL};

static const struct {
  const char *name;
  const BenchCase *cases;
} ops[] = {
#define OP(name, params, tolerance) {#name, bench_op_##name},
#include "ops/ops.inc"
#undef OP
};
enum {
  N_OPS = sizeof ops / sizeof ops[0],
  RUNS_MAX = 64,
  RUNS_MIN = 3,
  PARAMETERS = 1 << 26,
  LARGE_BYTES = 1 << 28,
  WARM_TOKENS = 64,
  WARM_PARAMETERS = 1 << 16
};
static const double CASE_BUDGET_S = 0.1, PEAK_BUDGET_S = 1;

typedef struct {
  const char *shape, *part, *part_case, *isa, *peer;
  bool fp32, bf16, warm, subnormal, json;
  int threads;
  BenchSizes sizes;
} Request;

// Of a whole model's configuration: one of its layers, with all experts.
static BenchSizes sizes_of(const ModelConfig *c, int64_t B, int64_t T) {
  bool latent = config_is_mla(c), experts = c->moe.experts > 0;
  return (BenchSizes){.B = B,
                      .T = T,
                      .D = c->model.width,
                      .F = c->model.ffn,
                      .expert_F = experts ? c->moe.ffn : 0,
                      .E = c->moe.experts,
                      .router_E = c->moe.experts,
                      .k = experts ? c->moe.top_k : 0,
                      .H = c->attention.heads,
                      .K = latent ? 0 : c->attention.kv_heads,
                      .q_rank = latent ? c->mla.q_rank : 0,
                      .kv_rank = latent ? c->mla.kv_rank : 0,
                      .nope = latent ? c->mla.nope : 0,
                      .rope = latent ? c->mla.rope : config_head_dim(c),
                      .v = latent ? c->mla.v : config_head_dim(c),
                      .V = c->model.vocab,
                      .parameters = PARAMETERS};
}

static Err read_sizes(const json_t *root, Request *o) {
  BenchSizes *s = &o->sizes;
#define SIZE(name)                                                                                                         \
  TRY(json_int(root, #name, o->shape, &s->name));                                                                          \
  CHECK(s->name >= 0 && s->name <= (int64_t)1 << 31, ERR_FORMAT, "%s: \"%s\" is %lld; from 0 to 2^31 is wanted", o->shape, \
        #name, (long long)s->name);
  BENCH_SIZES(SIZE)
#undef SIZE
  CHECK(s->B && s->T && s->D && s->F && s->H && s->rope && s->v && s->V && s->parameters, ERR_FORMAT,
        "%s: B, T, D, F, H, rope, v, V and parameters must not be 0", o->shape);
  return ERR_OK;
}

static Err read_shape(Request *o) {
  json_t *root = NULL;
  TRY(json_read(&root, o->shape, true));
  bool model = json_object_get(root, "hf") != NULL;
  Err err = model ? ERR_OK : read_sizes(root, o);
  json_decref(root);
  if (err || !model) return err;
  ModelConfig config;
  int64_t B, T;
  TRY(bench_read_batch(o->shape, &config, &B, &T));
  o->sizes = sizes_of(&config, B, T);
  return ERR_OK;
}

static bool layer_has(const BenchSizes *s, BenchNeed need) {
  switch (need) {
    case NEEDS_NOTHING: return true;
    case NEEDS_EXPERTS: return s->E > 0;
    case NEEDS_LATENT: return s->q_rank > 0 && s->kv_rank > 0;
    case NEEDS_HEADS: return s->K > 0;
  }
  return false;
}

static Err take_options(Request *o, int argc, char **argv) {
  const char *threads = "0";
  int dtype = -1;  // both
  *o = (Request){.shape = "bench/shapes/nano.json", .part = "", .part_case = ""};
  o->json = cli_flag(&argc, argv, "--json");
  o->warm = cli_flag(&argc, argv, "--warm");
  o->subnormal = cli_flag(&argc, argv, "--subnormal");
  TRY(cli_value(&argc, argv, "--op", &o->part));
  TRY(cli_value(&argc, argv, "--case", &o->part_case));
  TRY(cli_choice(&argc, argv, "--dtype", train_dtype_names, &dtype));
  TRY(cli_value(&argc, argv, "--isa", &o->isa));
  TRY(cli_value(&argc, argv, "--peer", &o->peer));
  TRY(cli_value(&argc, argv, "--threads", &threads));
  o->fp32 = dtype != DT_BF16;
  o->bf16 = dtype != DT_F32;
  char *end;
  long count = strtol(threads, &end, 10);
  CHECK(*threads && !*end && count >= 0 && count <= 4096, ERR_ARG, "--threads %s: a number from 0 (all) to 4096 is wanted",
        threads);
  o->threads = (int)count;
  if (argc >= 2 && argv[1][0] != '-') {
    o->shape = argv[1];
    argv[1] = argv[0];
    argc--, argv++;
  }
  TRY(cli_no_more(argc, argv, known));
  TRY(read_shape(o));
  if (o->warm) o->sizes.B = 1, o->sizes.T = WARM_TOKENS, o->sizes.parameters = WARM_PARAMETERS;
  return ERR_OK;
}

typedef struct {
  const Request *o;
  const Peer *peer;
  Dev *dev;
  Peaks peaks;
  MemoryProbe memory;
  json_t *results;
} Bench;

// Of a case: median and least seconds of a call; the memory's median speed of the passes in between; and of a product of more
// bytes than the caches could hold, the seconds that the memory would take for them alone (else 0). Then the peer's (else 0).
typedef struct {
  double s, least_s, memory_bytes, memory_s, peer_s;
} Timing;

static bool is_product(const BenchJob *job) { return job->flops > 0; }
static bool is_large(const BenchJob *job) { return job->read_bytes + job->write_bytes >= LARGE_BYTES; }
static bool is_copy(const BenchJob *job) { return 4 * job->write_bytes >= job->read_bytes + job->write_bytes; }

// The peer's median seconds of the same product; 0: there is no peer, or it has none.
static double time_peer(const Bench *b, const BenchJob *job) {
  double seconds[RUNS_MAX];
  int runs = 0;
  if (!job->gemm.M || !peer_has(b->peer, &job->gemm)) return 0;
  peer_gemm(b->peer, &job->gemm);
  for (double start = clock_s(); runs < RUNS_MIN || (runs < RUNS_MAX && clock_s() - start < CASE_BUDGET_S); runs++) {
    double begin = clock_s();
    peer_gemm(b->peer, &job->gemm);
    seconds[runs] = clock_s() - begin;
  }
  return median_sort(seconds, runs);
}

// After one call that warms up.
static Timing time_case(const Bench *b, const BenchCase *c, BenchJob *job) {
  const bool passes = !b->o->warm;
  double seconds[RUNS_MAX], memory[RUNS_MAX] = {0}, bound[RUNS_MAX] = {0};
  int runs = 0;
  c->run(b->dev, job);
  for (double start = clock_s(); runs < RUNS_MIN || (runs < RUNS_MAX && clock_s() - start < CASE_BUDGET_S); runs++) {
    if (passes && !is_product(job)) memory[runs] = (is_copy(job) ? memory_probe_copy : memory_probe_read)(&b->memory, b->dev);
    else if (passes && is_large(job))
      bound[runs] =
          job->read_bytes / memory_probe_read(&b->memory, b->dev) + job->write_bytes / memory_probe_write(&b->memory, b->dev);
    double begin = clock_s();
    c->run(b->dev, job);
    seconds[runs] = clock_s() - begin;
  }
  const double median = median_sort(seconds, runs), best = is_copy(job) ? b->peaks.copy_bytes : b->peaks.read_bytes;
  return (Timing){median, seconds[0], passes ? median_sort(memory, runs) : best, median_sort(bound, runs),
                  is_product(job) ? time_peer(b, job) : 0};
}

static void report(const Bench *b, const char *op, const char *from, const char *what, const BenchJob *job, Timing time) {
  const bool product = is_product(job);
  const double s = time.s, rate = (product ? job->flops : job->read_bytes + job->write_bytes) / s;
  const double peak = product ? (job->type == DT_BF16 ? b->peaks.bf16.peak : b->peaks.fp32.peak) : time.memory_bytes;
  const char *type = train_dtype_names[job->type], *unit = product ? "GFLOP/s" : "GB/s";
  if (!b->o->json) {
    printf("%-25s %-27s %-4s %-12s %9.3f ms %9.1f %-7s %6.1f %%", op, what, type, from, s * 1e3, rate * 1e-9, unit,
           100 * rate / peak);
    if (time.memory_s > 0) printf("; its bytes alone %.0f ms, %.0f %%", time.memory_s * 1e3, 100 * time.memory_s / s);
    if (time.peer_s > 0) printf("; %s %.1f GFLOP/s, %.2fx", b->peer->name, job->flops / time.peer_s * 1e-9, time.peer_s / s);
    printf("\n");
  }
  fflush(stdout);
  json_array_append_new(
      b->results,
      json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:s, s:f, s:f, s:f}", "op", op, "case", what, "dtype", type, "isa",
                isa_names[b->dev->isa], "version", from, "ms", s * 1e3, "best_ms", time.least_s * 1e3, "rate", rate * 1e-9,
                "unit", unit, "of_peak", rate / peak, "memory_ms", time.memory_s * 1e3, "peer_ms", time.peer_s * 1e3));
}

static void fill(Arena *a, uint16_t value) {
  uint16_t *at = (uint16_t *)(void *)a->base;
  for (size_t i = 0; i < a->size / sizeof *at; i++) at[i] = value;
}

static Err run_case(const Bench *b, const char *op, const char *from, const BenchCase *c, Dtype type) {
  Arena arena;
  BenchJob job = {.type = type};
  arena_measure(&arena, "the bench's tensors");
  c->carve(&job, &arena, b->dev, &b->o->sizes);
  TRY(arena_init(&arena, "the bench's tensors", arena.peak));
  fill(&arena, b->o->subnormal ? 0x0040 : 0x3f3f);  // subnormal, or 0.75, in either type
  job = (BenchJob){.type = type};
  c->carve(&job, &arena, b->dev, &b->o->sizes);
  report(b, op, from, c->what, &job, time_case(b, c, &job));
  arena_free(&arena);
  return ERR_OK;
}

static const char *version_of(const Ops *o, const char *op) {
#define OP(name, params, tolerance) \
  if (strcmp(op, #name) == 0) return o->name##_from;
#include "ops/ops.inc"
#undef OP
  return "";
}

// Every case, in both types, of the versions that this level has and that `below` has not shown.
static Err run_level(const Bench *b) {
  for (int i = 0; i < N_OPS; i++) {
    const char *from = version_of(b->dev->op, ops[i].name);
    bool shown = b->dev->isa > ISA_AVX2 && strcmp(from, isa_names[b->dev->isa]) != 0 && !b->o->isa;
    if (shown || !strstr(ops[i].name, b->o->part)) continue;
    for (const BenchCase *c = ops[i].cases; c->what; c++) {
      if (!layer_has(&b->o->sizes, c->need) || !strstr(c->what, b->o->part_case)) continue;
      if (b->o->fp32) TRY(run_case(b, ops[i].name, from, c, DT_F32));
      if (b->o->bf16) TRY(run_case(b, ops[i].name, from, c, DT_BF16));
    }
  }
  return ERR_OK;
}

// One level on a device of its own.
static Err bench_level(const Request *o, const Peer *peer, Isa isa, json_t *levels, json_t *results) {
  Dev dev;
  Bench b = {.o = o, .peer = peer, .dev = &dev, .results = results};
  CHECK(setenv("PLEIAD_ISA", isa_names[isa], 1) == 0, ERR_MEMORY, "no memory for a variable of the environment");
  TRY(dev_open(&dev, o->threads));
  Err err = ERR_OK;
  TRY_OUT(memory_probe_open(&b.memory));
  TRY_OUT(peaks_measure(&dev, PEAK_BUDGET_S, &b.peaks));
  json_array_append_new(levels, json_pack("{s:s, s:i, s:f, s:f, s:f, s:f, s:f}", "isa", isa_names[isa], "threads",
                                          pool_threads(dev.pool), "peak_fp32_gflops", b.peaks.fp32.peak * 1e-9,
                                          "peak_bf16_gflops", b.peaks.bf16.peak * 1e-9, "read_gb_s", b.peaks.read_bytes * 1e-9,
                                          "copy_gb_s", b.peaks.copy_bytes * 1e-9, "region_us", b.peaks.region_s * 1e6));
  if (!o->json)
    printf("%s, %d threads: %.0f GFLOP/s fp32, %.0f bf16; %.1f GB/s read, %.1f copied; a region of all threads %.2f us\n",
           isa_names[isa], pool_threads(dev.pool), b.peaks.fp32.peak * 1e-9, b.peaks.bf16.peak * 1e-9,
           b.peaks.read_bytes * 1e-9, b.peaks.copy_bytes * 1e-9, b.peaks.region_s * 1e6);
  TRY_OUT(run_level(&b));
out:
  memory_probe_close(&b.memory);
  dev_close(&dev);
  return err;
}

Err bench_ops(int argc, char **argv) {
  if (cli_help(argc, argv, help_text)) return ERR_OK;
  Request o;
  TRY(take_options(&o, argc, argv));
  Dev best;
  Peer peer = {0};
  if (o.peer) TRY(peer_open(&peer, o.peer, o.threads));
  if (o.isa) CHECK(setenv("PLEIAD_ISA", o.isa, 1) == 0, ERR_MEMORY, "no memory for a variable of the environment");
  TRY(dev_open(&best, o.threads));
  Isa top = best.isa;
  dev_close(&best);
  json_t *levels = json_array(), *results = json_array();
  Err err = ERR_OK;
  for (Isa isa = o.isa || top == ISA_REF ? top : ISA_AVX2; isa <= top; isa++)
    TRY_OUT(bench_level(&o, &peer, isa, levels, results));
  if (o.json)
    TRY_OUT(cli_json(json_pack("{s:s, s:O, s:O}", "shape", o.shape, "levels", levels, "results", results), "the report"));
out:
  peer_close(&peer);
  json_decref(levels);
  json_decref(results);
  return err;
}
