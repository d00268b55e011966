// pleiad bench data
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/bench/bench.h"
#include "cli/cli.h"
#include "data/gpt_dataset.h"
#include "data/jsonl.h"
#include "text/tokenizer.h"

static const char help[] =
    "pleiad bench data [FILE.jsonl] [--tokenizer F] [--tokens N] [--json]\n"
    "\n"
    "Measures, on one thread: finding the text in lines of JSON (ours, and jansson's tree for comparison), tokenising those "
    "texts where\n"
    "--tokenizer names one, and building the sample order of a file of N tokens (default 1000000000) in documents of about "
    "1000.\n"
    "Without FILE the lines are made up: Chinese, English, escapes.\n";

static const char *const known[] = {"--tokenizer", "--tokens", "--json", NULL};

enum { REPEATS = 5, LINES_MADE = 4000, T = 4096, MEAN_LENGTH = 1000 };

typedef struct {
  double scan_mb_s, tree_mb_s, encode_mb_s, share;  // share: of the scan in scan + encode
  double index_s, index_mib;
  int64_t tokens, samples;
} DataBench;

static Err make_lines(char **text, size_t *size) {
  static const char *const pieces[] = {"The quick brown fox jumps over the lazy dog. ", "今天天气很好，我们去公园散步。",
                                       "line\\nbreak \\\"quoted\\\" ", "\\u4f60\\u597d ",
                                       "for (int i = 0; i < n; i++) sum += a[i];\\n\\t"};
  FILE *f = open_memstream(text, size);
  CHECK(f, ERR_MEMORY, "no memory for the lines of the bench");
  for (unsigned i = 0, x = 1; i < LINES_MADE; i++) {
    fprintf(f, "{\"id\": %u, \"src\": \"bench\", \"text\": \"", i);
    for (unsigned k = 0; k < 30 + i % 40; k++) {
      x = x * 1664525u + 1013904223u;
      fputs(pieces[(x >> 24) % 10 < 8 ? (x >> 24) % 2 : 2 + (x >> 24) % 3], f);
    }
    fputs("\"}\n", f);
  }
  CHECK(fclose(f) == 0, ERR_MEMORY, "no memory for the lines of the bench");
  return ERR_OK;
}

typedef struct {
  const Tokenizer *tokenizer;
  TokenizerWork *work;
  Strings strings;
  Ids ids;
} Lines;

typedef Err LineUse(Lines *l, const char *line, size_t size);

static Err scan_line(Lines *l, const char *line, size_t size) { return jsonl_text(line, size, "text", &l->strings); }

static Err tree_line(Lines *l, const char *line, size_t size) {
  (void)l;
  json_t *root = NULL;
  (void)json_parse(&root, line, size, "bench",
                   false);  // it refuses some good lines (numbers out of range), which costs as much
  json_decref(root);
  return ERR_OK;
}

static Err encode_line(Lines *l, const char *line, size_t size) {
  TRY(scan_line(l, line, size));
  l->ids.count = 0;
  return tokenizer_encode(l->tokenizer, l->work, l->strings.data, l->strings.size, SPECIAL_TEXT, &l->ids);
}

// The best of a few passes over all lines, in seconds.
static Err pass_s(Lines *l, LineUse *use, const char *text, size_t size, double *best_s) {
  for (int i = 0; i < REPEATS; i++) {
    double start_s = clock_s();
    for (const char *at = text, *end = text + size; at < end;) {
      const char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline : end;
      TRY(use(l, at, (size_t)(stop - at)));
      at = stop + 1;
    }
    double took_s = clock_s() - start_s;
    if (i == 0 || took_s < *best_s) *best_s = took_s;
  }
  return ERR_OK;
}

static Err bench_lines(DataBench *b, const char *file, const char *tokenizer) {
  char *text = NULL;
  size_t size = 0;
  Lines l = {0};
  Tokenizer *t = NULL;
  double scan_s = 0, tree_s = 0, encode_s = 0;
  Err err = file ? file_read(file, 1u << 30, &text, &size) : make_lines(&text, &size);
  if (!err) err = pass_s(&l, scan_line, text, size, &scan_s);
  if (!err) err = pass_s(&l, tree_line, text, size, &tree_s);
  if (!err && tokenizer) {
    TRY_OUT(tokenizer_open(&t, tokenizer));
    TRY_OUT(tokenizer_work_open(&l.work, t));
    l.tokenizer = t;
    TRY_OUT(pass_s(&l, encode_line, text, size, &encode_s));
    b->encode_mb_s = (double)size * 1e-6 / (encode_s - scan_s);
    b->share = scan_s / encode_s;
  }
  if (err) goto out;
  b->scan_mb_s = (double)size * 1e-6 / scan_s;
  b->tree_mb_s = (double)size * 1e-6 / tree_s;
out:
  free(text);
  strings_free(&l.strings);
  ids_free(&l.ids);
  if (l.work) tokenizer_work_close(l.work);
  if (t) tokenizer_close(t);
  return err;
}

// The order needs lengths only, so the file is made up in memory.
static Err bench_index(DataBench *b, int64_t tokens) {
  int64_t sequences = tokens / MEAN_LENGTH;
  CHECK(sequences > 0, ERR_ARG, "--tokens %lld: at least %d", (long long)tokens, MEAN_LENGTH);
  int32_t *length = malloc((size_t)sequences * sizeof *length);
  CHECK(length, ERR_MEMORY, "no memory for %lld lengths", (long long)sequences);
  Indexed x = {.prefix = "bench", .sequences = sequences, .length = (const uint8_t *)length};
  uint32_t seed = 1;
  for (int64_t i = 0; i < sequences; i++, b->tokens += length[i - 1]) {
    seed = seed * 1664525u + 1013904223u;
    length[i] = (int32_t)(1 + (seed >> 8) % (2 * MEAN_LENGTH));
  }
  GptDataset g;
  double start_s = clock_s();
  Err err = gpt_dataset_build(&g, &x, 0, sequences, &(GptOptions){.samples = b->tokens / T, .T = T, .seed = 1234});
  b->index_s = clock_s() - start_s;
  if (!err) {
    b->samples = g.samples;
    b->index_mib = (4.0 * (double)g.entries + 20.0 * (double)g.samples + 16) / (1 << 20);
    gpt_dataset_free(&g);
  }
  free(length);
  return err;
}

static void print(const DataBench *b, bool json) {
  if (json) {
    printf(
        "{\"scan_mb_s\": %.1f, \"tree_mb_s\": %.1f, \"encode_mb_s\": %.1f, \"scan_share\": %.4f, \"index_tokens\": %lld, "
        "\"index_samples\": %lld, "
        "\"index_s\": %.4f, \"index_mib\": %.2f}\n",
        b->scan_mb_s, b->tree_mb_s, b->encode_mb_s, b->share, (long long)b->tokens, (long long)b->samples, b->index_s,
        b->index_mib);
    return;
  }
  printf("lines of JSON      %8.1f MB/s (a tree by jansson: %.1f)\n", b->scan_mb_s, b->tree_mb_s);
  if (b->encode_mb_s > 0)
    printf("tokenising         %8.1f MB/s; finding the text is %.1f %% of both\n", b->encode_mb_s, 100 * b->share);
  printf("sample order       %8.3f s for %lld tokens, %lld samples of %d; %.1f MiB\n", b->index_s, (long long)b->tokens,
         (long long)b->samples, T, b->index_mib);
}

Err bench_data(int argc, char **argv) {
  if (cli_help(argc, argv, help)) return ERR_OK;
  bool json = cli_flag(&argc, argv, "--json");
  const char *tokenizer = NULL, *tokens = "1000000000", *file = NULL;
  TRY(cli_value(&argc, argv, "--tokenizer", &tokenizer));
  TRY(cli_value(&argc, argv, "--tokens", &tokens));
  if (argc > 1 && argv[1][0] != '-') {
    file = argv[1];
    argv[1] = argv[0];
    argv++, argc--;
  }
  TRY(cli_no_more(argc, argv, known));
  char *end;
  int64_t wanted = strtoll(tokens, &end, 10);
  CHECK(*tokens && !*end && wanted > 0, ERR_ARG, "--tokens %s: a count is wanted", tokens);
  DataBench b = {0};
  TRY(bench_lines(&b, file, tokenizer));
  TRY(bench_index(&b, wanted));
  print(&b, json);
  return ERR_OK;
}
