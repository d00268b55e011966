#include "data/build.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/data.h"

static const char help[] =
    "pleiad data build: text to token files\n"
    "\n"
    "usage: pleiad data build INPUT... --tokenizer F --output PREFIX [options]\n"
    "\n"
    "INPUT: files, folders, or - for the standard input. JSON lines (.jsonl .json .ndjson; one {\"text\": \"...\"} a line) and "
    "plain\n"
    "text, each also as .gz and .zst. Of folders, all files of these kinds and .txt .text .md .rst, sorted by path.\n"
    "\n"
    "  --tokenizer F      SentencePiece .model, Hugging Face tokenizer.json, or a folder with one\n"
    "  --output PREFIX    makes PREFIX.bin (tokens) and PREFIX.idx (where documents begin)\n"
    "  --key KEY          where the text is in a line of JSON (default text); a list of strings becomes a sequence each\n"
    "  --format F         auto (by the ending), jsonl or text\n"
    "  --split S          of plain text, a document is a: file (default), blank-line (what stands between blank lines), line\n"
    "  --eod TOKEN        id or name of the token that ends each document (default: the tokenizer's end of sequence)\n"
    "  --no-eod           end documents with nothing\n"
    "  --skip-bad         leave out lines that cannot be read and count them (default: the first one ends the build)\n"
    "  --threads N        default: one a core; the result is the same bytes\n"
    "  --fresh            forget an unfinished build of this output\n"
    "  --json             the last line is one JSON object\n"
    "\n"
    "Dialogs to learn answers from (each a line of JSON: {\"system\", \"dialog\": [{\"role\": \"user\" | \"bot\", "
    "\"content\"}, ...]} or\n"
    "{\"messages\": [{\"role\": \"system\" | \"user\" | \"assistant\", \"content\"}, ...]}):\n"
    "\n"
    "  --sft R            packed by the recipe R: telechat2 (dialogs with one system text share a sample) or mindformers "
    "(whole\n"
    "                     dialogs one after the other). Makes PREFIX.mask.bin and .idx, too: what is learnt. data.train: "
    "PREFIX\n"
    "                     trains with it. --tokenizer must have <_system>, <_user>, <_bot>, <_end>. Or template: in the form\n"
    "                     that the model's own chat template gives them, tools and calls too; --tokenizer is the model's "
    "folder\n"
    "  --kwargs JSON      more variables of that template, e.g. '{\"enable_thinking\": false}'\n"
    "  --length L         tokens of a sample (8192); data.seq_length of the run\n"
    "  --original         lose what the released scripts lose (docs/formats.md); default: nothing that fits is lost\n"
    "\n"
    "Text never becomes a control token: \"</s>\" in a document is letters. A build that was killed goes on where it stopped "
    "when the\n"
    "same command is given again (not from the standard input). Ids are 16 bits wide for vocabularies below 65500, else 32.\n"
    "\n"
    "examples:\n  pleiad data build corpus/*.jsonl.zst --tokenizer tokenizer.model --output data/train\n"
    "  pleiad data build dialogs.jsonl --sft mindformers --length 8192 --tokenizer telechat3/ --output data/chat\n";

static const char *const known[] = {"--tokenizer", "--output", "--key",      "--format",   "--split",
                                    "--eod",       "--no-eod", "--skip-bad", "--threads",  "--fresh",
                                    "--json",      "--sft",    "--length",   "--original", NULL};

static Err find_eod(const Tokenizer *t, const char *text, int32_t *eod) {
  *eod = text ? tokenizer_id(t, text) : tokenizer_eos(t);
  if (*eod >= 0) return ERR_OK;
  CHECK(text, ERR_ARG, "the tokenizer names no end of sequence; give --eod TOKEN, or --no-eod");
  char *end;
  long id = strtol(text, &end, 10);
  CHECK(*text && !*end && id >= 0 && id < tokenizer_vocab(t), ERR_ARG, "--eod %s: neither a token nor an id below %lld", text,
        (long long)tokenizer_vocab(t));
  *eod = (int32_t)id;
  return ERR_OK;
}

typedef struct {
  const char *tokenizer, *output, *key, *eod, *threads;
  int format, split;  // an InputFormat, a TextSplit
  bool no_eod, skip_bad, fresh, json;
} Words;

static Err read_words(int *argc, char **argv, Words *w) {
  static const char *const formats[] = {"auto", "jsonl", "text", NULL}, *const splits[] = {"file", "blank-line", "line", NULL};
  *w = (Words){.key = "text", .threads = "0"};
  w->no_eod = cli_flag(argc, argv, "--no-eod");
  w->skip_bad = cli_flag(argc, argv, "--skip-bad");
  w->fresh = cli_flag(argc, argv, "--fresh");
  w->json = cli_flag(argc, argv, "--json");
  TRY(cli_value(argc, argv, "--tokenizer", &w->tokenizer));
  TRY(cli_value(argc, argv, "--output", &w->output));
  TRY(cli_value(argc, argv, "--key", &w->key));
  TRY(cli_choice(argc, argv, "--format", formats, &w->format));
  TRY(cli_choice(argc, argv, "--split", splits, &w->split));
  TRY(cli_value(argc, argv, "--eod", &w->eod));
  TRY(cli_value(argc, argv, "--threads", &w->threads));
  for (int i = 1; i < *argc; i++) {
    if (strncmp(argv[i], "--", 2) != 0) continue;
    char *rest[] = {"data build", argv[i], NULL};
    return cli_no_more(2, rest, known);
  }
  CHECK(*argc > 1, ERR_ARG, "data build: which input? files, folders, or - for the standard input");
  CHECK(w->tokenizer, ERR_ARG, "data build: --tokenizer F is wanted");
  CHECK(w->output, ERR_ARG, "data build: --output PREFIX is wanted");
  CHECK(!(w->no_eod && w->eod), ERR_ARG, "data build: --eod and --no-eod exclude each other");
  return ERR_OK;
}

static void print_report(const char *output, const BuildReport *r) {
  printf("%s.bin, .idx: %lld documents, %lld sequences, %lld tokens (%s) of %.1f MB of input in %.1f s\n", output,
         (long long)r->documents, (long long)r->sequences, (long long)r->tokens, token_type_name(r->type),
         (double)r->text_bytes * 1e-6, r->seconds);
  if (r->resumed_documents) printf("%lld documents were there from the build before\n", (long long)r->resumed_documents);
  if (r->ignored_files) printf("%lld files of other kinds were left out\n", (long long)r->ignored_files);
  if (r->skipped) printf("%lld bad lines were left out:\n", (long long)r->skipped);
  for (int i = 0; i < BUILD_NAMED && r->named[i][0]; i++) printf("  %s\n", r->named[i]);
  if (r->skipped > BUILD_NAMED) printf("  ... and %lld more\n", (long long)(r->skipped - BUILD_NAMED));
  if (r->documents == 0) log_warn("the input holds no documents");
}

static Err print_json(const char *output, const BuildReport *r) {
  json_t *bad = json_array();
  for (int i = 0; i < BUILD_NAMED && r->named[i][0]; i++)
    json_array_append_new(bad, cli_json_text(r->named[i], strlen(r->named[i])));
  json_t *o = json_pack(
      "{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:f}", "output", cli_json_text(output, strlen(output)), "dtype",
      token_type_name(r->type), "documents", (json_int_t)r->documents, "sequences", (json_int_t)r->sequences, "tokens",
      (json_int_t)r->tokens, "text_bytes", (json_int_t)r->text_bytes, "resumed_documents", (json_int_t)r->resumed_documents,
      "skipped", (json_int_t)r->skipped, "bad", bad, "ignored_files", (json_int_t)r->ignored_files, "seconds", r->seconds);
  return cli_json(o, "the report");
}

Err data_build_command(int argc, char **argv) {
  if (cli_help(argc, argv, help)) return ERR_OK;
  Words w;
  const char *sft = NULL;
  TRY(cli_value(&argc, argv, "--sft", &sft));
  if (sft) return data_sft_command(argc, argv, sft);
  TRY(read_words(&argc, argv, &w));
  char *end;
  long threads = strtol(w.threads, &end, 10);
  CHECK(!*end && threads >= 0 && threads <= 4096, ERR_ARG, "--threads %s: 0 to 4096 is wanted", w.threads);
  Tokenizer *t = NULL;
  TRY(tokenizer_open(&t, w.tokenizer));
  BuildOptions o = {.output = w.output,
                    .input = (const char *const *)argv + 1,
                    .inputs = argc - 1,
                    .format = (InputFormat)w.format,
                    .split = (TextSplit)w.split,
                    .key = w.key,
                    .tokenizer = t,
                    .tokenizer_path = w.tokenizer,
                    .eod = -1,
                    .skip_bad = w.skip_bad,
                    .fresh = w.fresh,
                    .threads = (int)threads,
                    .journal_s = 5,
                    .progress = true};
  BuildReport report;
  Err err = w.no_eod ? ERR_OK : find_eod(t, w.eod, &o.eod);
  if (!err) err = data_build(&o, &report);
  tokenizer_close(t);
  if (err) return err;
  if (w.json) return print_json(w.output, &report);
  print_report(w.output, &report);
  return ERR_OK;
}
