#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/data.h"
#include "data/summary.h"
#include "text/tokenizer.h"

static const char help[] =
    "pleiad data info: what a token file holds\n"
    "\n"
    "usage: pleiad data info PREFIX [--check] [--tokenizer F] [--json]\n"
    "\n"
    "The index is always checked in full. --check reads every token as well; with --tokenizer every id must be in its "
    "vocabulary,\n"
    "and documents that end with its end of sequence are counted.\n";

static const char *const known[] = {"--check", "--tokenizer", "--json", NULL};

static void print_histogram(const Summary *s) {
  enum { WIDTH = 40 };
  int64_t most = 1;
  int low = SUMMARY_BUCKETS, high = -1;
  for (int k = 0; k < SUMMARY_BUCKETS; k++) {
    if (s->count[k] == 0) continue;
    if (low > k) low = k;
    high = k;
    if (s->count[k] > most) most = s->count[k];
  }
  if (high >= 0) printf("\n  tokens of a sequence        sequences%*sof all tokens\n", WIDTH - 2, "");
  for (int k = low; k <= high; k++) {
    int bar = (int)((s->count[k] * WIDTH + most - 1) / most);
    printf("  %10lld .. %-10lld %11lld ", k ? 1LL << k : 0LL, (2LL << k) - 1, (long long)s->count[k]);
    for (int i = 0; i < WIDTH; i++) fputs(i < bar ? "█" : " ", stdout);
    printf(" %5.1f %%\n", s->tokens ? 100.0 * (double)s->bucket_tokens[k] / (double)s->tokens : 0.0);
  }
}

static void print_summary(const Indexed *x, const Summary *s, bool read, int32_t eod) {
  printf("%s\n", x->prefix);
  printf("  documents   %lld (%lld without tokens)\n", (long long)s->documents, (long long)s->empty_documents);
  printf("  sequences   %lld (%lld of length 0)\n", (long long)s->sequences, (long long)s->empty_sequences);
  printf("  tokens      %lld as %s, %.1f MB\n", (long long)s->tokens, token_type_name(x->type), (double)x->bin.size * 1e-6);
  printf("  lengths     %lld least, %lld median, %.1f mean, %lld of 90 %%, %lld of 99 %%, %lld greatest\n",
         (long long)s->shortest, (long long)s->median, s->mean, (long long)s->p90, (long long)s->p99, (long long)s->longest);
  if (x->mode) printf("  modes       yes (multimodal)\n");
  if (s->unused_bytes > 0) printf("  unused      %lld bytes of the .bin are in no sequence\n", (long long)s->unused_bytes);
  if (s->unused_bytes < 0) printf("  shared      sequences share %lld bytes of the .bin\n", -(long long)s->unused_bytes);
  if (read && s->tokens) printf("  ids         %d to %d, all read\n", s->least_id, s->greatest_id);
  if (read && eod >= 0)
    printf("  ends        id %d ends %lld of %lld documents and occurs %lld times\n", eod, (long long)s->eod_documents,
           (long long)s->documents, (long long)s->eod_tokens);
  printf("  checks      index whole and consistent%s\n", read ? ", every token in range" : "; --check reads the tokens too");
  print_histogram(s);
}

static Err print_json(const Indexed *x, const Summary *s, bool read, int32_t eod) {
  json_t *buckets = json_array();
  for (int k = 0; k < SUMMARY_BUCKETS; k++) {
    if (s->count[k] == 0) continue;
    json_array_append_new(buckets, json_pack("{s:I, s:I, s:I, s:I}", "from", k ? (json_int_t)1 << k : (json_int_t)0, "to",
                                             ((json_int_t)2 << k) - 1, "sequences", (json_int_t)s->count[k], "tokens",
                                             (json_int_t)s->bucket_tokens[k]));
  }
  json_t *o = json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:I, s:b, s:o}", "prefix",
                        cli_json_text(x->prefix, strlen(x->prefix)), "dtype", token_type_name(x->type), "documents",
                        (json_int_t)s->documents, "sequences", (json_int_t)s->sequences, "tokens", (json_int_t)s->tokens,
                        "empty_documents", (json_int_t)s->empty_documents, "empty_sequences", (json_int_t)s->empty_sequences,
                        "shortest", (json_int_t)s->shortest, "median", (json_int_t)s->median, "mean", s->mean, "p90",
                        (json_int_t)s->p90, "p99", (json_int_t)s->p99, "longest", (json_int_t)s->longest, "modes",
                        x->mode != NULL, "lengths", buckets);
  json_object_set_new(o, "unused_bytes", json_integer(s->unused_bytes));
  json_object_set_new(o, "checked_tokens", json_boolean(read));
  if (read) {
    json_object_set_new(o, "least_id", json_integer(s->tokens ? s->least_id : -1));
    json_object_set_new(o, "greatest_id", json_integer(s->greatest_id));
  }
  if (read && eod >= 0) {
    json_object_set_new(o, "eod", json_integer(eod));
    json_object_set_new(o, "eod_documents", json_integer(s->eod_documents));
  }
  return cli_json(o, "the report");
}

Err data_info_command(int argc, char **argv) {
  if (cli_help(argc, argv, help)) return ERR_OK;
  bool json = cli_flag(&argc, argv, "--json"), read = cli_flag(&argc, argv, "--check");
  const char *tokenizer = NULL;
  TRY(cli_value(&argc, argv, "--tokenizer", &tokenizer));
  CHECK(argc > 1, ERR_ARG, "data info: which PREFIX?");
  const char *prefix = argv[1];
  char *rest[] = {"data info", argc > 2 ? argv[2] : argv[1], NULL};
  if (argc > 2 || prefix[0] == '-') return cli_no_more(2, rest, known);
  int64_t vocab = INT64_MAX;
  int32_t eod = -1;
  if (tokenizer) {
    Tokenizer *t = NULL;
    TRY(tokenizer_open(&t, tokenizer));
    vocab = tokenizer_vocab(t);
    eod = tokenizer_eos(t);
    tokenizer_close(t);
    read = true;
  }
  Indexed x;
  Summary s;
  TRY(indexed_open(&x, prefix));
  Err err = summary_lengths(&x, &s);
  if (!err && read) err = summary_tokens(&x, vocab, eod, &s);
  if (!err && json) err = print_json(&x, &s, read, eod);
  if (!err && !json) print_summary(&x, &s, read, eod);
  indexed_close(&x);
  return err;
}
