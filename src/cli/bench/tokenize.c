#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/median.h"
#include "base/rng.h"
#include "base/thread.h"
#include "cli/bench/bench.h"
#include "cli/cli.h"
#include "cli/machine.h"
#include "cli/tokenize.h"

static const char help[] =
    "pleiad bench tokenize: text to token ids, MB/s on one thread and on all; how long opening the tokenizer takes\n\n"
    "usage: pleiad bench tokenize --tokenizer FILE [--text FILE] [--threads N] [--json]\n\n"
    "  --tokenizer FILE  a SentencePiece .model, a Hugging Face tokenizer.json, the folder of one, or a GGUF file\n"
    "  --text FILE       UTF-8; each line is encoded alone. Default: 16 MB of the tokenizer's own pieces in random order,\n"
    "                    the first ones most often\n"
    "  --threads N       how many \"all\" are; default: one a core\n"
    "  --json            the last line is one JSON object\n\n"
    "The middle of five runs each. The ids are compared between the runs. bench/peers/sentencepiece_bench.py measures the\n"
    "SentencePiece library on the same file in the same run.\n";

enum { RUNS = 5, DEFAULT_BYTES = 16 << 20 };

typedef struct {
  int64_t ids;
  uint64_t hash;  // a sum over lines: no division of the lines among threads changes it
  Err err;
  ErrInfo info;
} Part;

typedef struct {
  const Tokenizer *tokenizer;
  const char *text;
  size_t size;
  TokenizerWork **work;
  Ids *ids;
  Part *part;
} Run;

// The first line that begins in the part of this thread.
static size_t part_start(const Run *r, int thread, int n_threads) {
  if (thread == n_threads) return r->size;
  size_t at = r->size / (size_t)n_threads * (size_t)thread;
  const char *newline = at ? memchr(r->text + at - 1, '\n', r->size - at + 1) : NULL;
  return at == 0 ? 0 : newline ? (size_t)(newline - r->text) + 1 : r->size;
}

static void encode_part(void *arg, int thread, int n_threads) {
  const Run *r = arg;
  Part *p = &r->part[thread];
  Ids *ids = &r->ids[thread];
  size_t end = part_start(r, thread + 1, n_threads);
  *p = (Part){0};
  for (size_t at = part_start(r, thread, n_threads), size; at < end && !p->err; at += size + 1) {
    const char *newline = memchr(r->text + at, '\n', end - at);
    size = newline ? (size_t)(newline - r->text) - at : end - at;
    ids->count = 0;
    p->err = tokenizer_encode(r->tokenizer, r->work[thread], r->text + at, size, SPECIAL_TEXT, ids);
    p->ids += ids->count;
    if (ids->count) p->hash += hash64(ids->id, (size_t)ids->count * sizeof *ids->id, at);
  }
  if (p->err) err_take(&p->info);
}

typedef struct {
  double mb_per_s;
  int64_t ids;
  uint64_t hash;
} Result;

// Each run begins with fresh work: what a thread remembers of a text must not speed up the same text's next run.
static Err measure(Run *r, Pool *pool, Result *result) {
  double rate[RUNS];
  for (int i = 0; i < RUNS; i++) {
    Result now = {0};
    for (int k = 0; k < pool_threads(pool); k++) {
      tokenizer_work_close(r->work[k]);
      r->work[k] = NULL;
      TRY(tokenizer_work_open(&r->work[k], r->tokenizer));
    }
    double start_s = clock_s();
    pool_run(pool, encode_part, r);
    rate[i] = (double)r->size / 1e6 / (clock_s() - start_s);
    for (int k = 0; k < pool_threads(pool); k++) {
      if (r->part[k].err) return err_give(&r->part[k].info);
      now.ids += r->part[k].ids;
      now.hash += r->part[k].hash;
    }
    CHECK(i == 0 || now.hash == result->hash, ERR_STATE, "two runs gave different ids");
    *result = now;
  }
  result->mb_per_s = median_sort(rate, RUNS);
  return ERR_OK;
}

static Err run_threads(const Tokenizer *t, const char *text, size_t size, int threads, int *used, Result *result) {
  Pool *pool = NULL;
  Run r = {.tokenizer = t, .text = text, .size = size};
  Err err = ERR_OK;
  TRY_OUT(pool_open(&pool, threads, false));
  *used = pool_threads(pool);
  r.work = calloc((size_t)*used, sizeof *r.work);
  r.ids = calloc((size_t)*used, sizeof *r.ids);
  r.part = calloc((size_t)*used, sizeof *r.part);
  CHECK_OUT(r.work && r.ids && r.part, ERR_MEMORY, "no memory for %d threads", *used);
  TRY_OUT(measure(&r, pool, result));
out:
  for (int i = 0; r.work && i < *used; i++) tokenizer_work_close(r.work[i]);
  for (int i = 0; r.ids && i < *used; i++) ids_free(&r.ids[i]);
  free(r.work);
  free(r.ids);
  free(r.part);
  if (pool) pool_close(pool);
  return err;
}

// Pieces by a power law on their ids, about 60 a line.
static Err make_text(const Tokenizer *t, TokenizerWork *w, Bytes *text) {
  Rng rng = rng_named(1, "bench tokenize");
  double log_vocab = log((double)tokenizer_vocab(t));
  for (uint64_t i = 0; text->size < DEFAULT_BYTES; i++) {
    int32_t id = (int32_t)exp(rng_uniform(rng, 0, i) * log_vocab) - 1;
    if (tokenizer_piece(t, id) && !tokenizer_is_special(t, id)) TRY(tokenizer_decode(t, w, &id, 1, false, text));
    TRY(bytes_append(text, i % 60 == 59 ? "\n" : " ", 1));
  }
  return ERR_OK;
}

typedef struct {
  Tokenizer *tokenizer;
  double open_ms;
  int threads;
  bool json;
} Bench;

// Opens it RUNS times; the last one stays.
static Err open_timed(Bench *b, const char *path) {
  double ms[RUNS];
  for (int i = 0; i < RUNS; i++) {
    tokenizer_close(b->tokenizer);
    b->tokenizer = NULL;
    double start_s = clock_s();
    TRY(tokenizer_open(&b->tokenizer, path));
    ms[i] = (clock_s() - start_s) * 1e3;
  }
  b->open_ms = median_sort(ms, RUNS);
  return ERR_OK;
}

static Err bench(const Bench *b, const char *path, const char *text, size_t size) {
  const Tokenizer *t = b->tokenizer;
  Result one = {0}, all = {0};
  int used;
  Machine machine;
  TRY(machine_read(&machine));
  TRY(run_threads(t, text, size, 1, &used, &one));
  TRY(run_threads(t, text, size, b->threads, &used, &all));
  CHECK(one.hash == all.hash, ERR_STATE, "one thread and %d gave different ids", used);
  printf("processor   %s\ntokenizer   %s, %lld ids\ntext        %s, %.1f MB, %.2f bytes an id\n", machine.processor,
         tokenizer_kind(t), (long long)tokenizer_vocab(t), path ? path : "the tokenizer's own pieces", (double)size / 1e6,
         (double)size / (double)one.ids);
  printf("opening     %.1f ms\n1 thread    %.1f MB/s\n%d threads   %.1f MB/s, %.2f times one\n", b->open_ms, one.mb_per_s, used,
         all.mb_per_s, all.mb_per_s / one.mb_per_s);
  if (!b->json) return ERR_OK;
  Bytes name = {0};
  TRY(append_json_string(&name, machine.processor, strlen(machine.processor)));
  printf(
      "{\"bench\": \"tokenize\", \"processor\": %.*s, \"bytes\": %zu, \"ids\": %lld, \"mb_per_s_1\": %.2f, \"threads\": %d, "
      "\"mb_per_s_all\": %.2f, \"open_ms\": %.2f}\n",
      (int)name.size, name.data, size, (long long)one.ids, one.mb_per_s, used, all.mb_per_s, b->open_ms);
  bytes_free(&name);
  return ERR_OK;
}

static Err bench_text(const Bench *b, const char *path) {
  if (path) {
    FileMap f;
    TRY(file_map(&f, path));
    Err err = f.size ? bench(b, path, (const char *)f.data, f.size) : ERR_HERE(ERR_FORMAT, "%s: the file is empty", path);
    file_unmap(&f);
    return err;
  }
  TokenizerWork *w;
  Bytes text = {0};
  TRY(tokenizer_work_open(&w, b->tokenizer));
  Err err = make_text(b->tokenizer, w, &text);
  tokenizer_work_close(w);
  if (!err) err = bench(b, NULL, text.data, text.size);
  bytes_free(&text);
  return err;
}

Err bench_tokenize(int argc, char **argv) {
  static const char *const options[] = {"--tokenizer", "--text", "--threads", "--json", "--help", NULL};
  const char *path = NULL, *text = NULL, *threads_text = NULL;
  Bench b = {0};
  if (cli_help(argc, argv, help)) return ERR_OK;
  TRY(cli_value(&argc, argv, "--tokenizer", &path));
  TRY(cli_value(&argc, argv, "--text", &text));
  TRY(cli_value(&argc, argv, "--threads", &threads_text));
  b.json = cli_flag(&argc, argv, "--json");
  TRY(cli_no_more(argc, argv, options));
  CHECK(path, ERR_ARG, "bench tokenize needs --tokenizer FILE");
  TRY(tokenize_threads(threads_text, &b.threads));
  Err err = open_timed(&b, path);
  if (!err) err = bench_text(&b, text);
  tokenizer_close(b.tokenizer);
  return err;
}
