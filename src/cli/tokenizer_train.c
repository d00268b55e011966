#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/progress.h"
#include "cli/cli.h"
#include "cli/tokenizer.h"
#include "text/tokenizer.h"

static const char help[] =
    "pleiad tokenizer train: learn a tokenizer from text (byte pair encoding)\n"
    "\n"
    "usage: pleiad tokenizer train --input TEXT... --vocab N --output F [options]\n"
    "\n"
    "  --input TEXT...        files, folders, or - : plain text, and JSON lines (.jsonl .json .ndjson), also .gz and .zst\n"
    "  --key KEY              where the text is in a line of JSON (default text)\n"
    "  --vocab N              pieces in all, special ones included (8000 to 131072 is usual; 4 characters a token are good)\n"
    "  --output F             a file ending in .model or .json, or a folder (made if missing) for tokenizer.model or .json\n"
    "  --format F             sentencepiece (default) or huggingface (byte level, GPT-2's pattern)\n"
    "  --like NAME            begin with the settings of a model family; options given as well go before them. telechat3:\n"
    "                         <_unk> <_start> <_end> <_pad>, control pieces <_user> <_bot> <_system>, byte fallback, digits\n"
    "                         and underscores, newline and tab pieces of their own, pieces of spaces\n"
    "  --control-symbols L    special pieces that no text becomes, separated by commas (\\, \\n \\t \\\\ as they look); may "
    "repeat\n"
    "  --user-symbols L       pieces that stand for themselves wherever a text has them\n"
    "  --unk, --bos, --eos, --pad NAME   names of these pieces (the first ids, in this order; \"\" for none)\n"
    "  --split-digits         each digit is a piece of its own\n"
    "  --threads N            default: one a core; the result is the same bytes\n"
    "  --json                 the last line is one JSON object\n"
    "\n"
    "SentencePiece only:\n"
    "  --byte-fallback        256 byte pieces, so that no character is unknown\n"
    "  --character-coverage C share of the text whose characters become pieces (default 0.9995)\n"
    "  --max-piece-length N   characters of a piece (default 16)\n"
    "  --max-sentence-bytes N longer lines are left out, and counted (default 4192)\n"
    "  --whitespace-only      pieces of several spaces\n"
    "  --across-spaces        pieces may go on over spaces (good for languages without them, slow)\n"
    "  --across-scripts       pieces may mix scripts\n"
    "  --no-split-by-number   pieces may hold digits beside letters\n"
    "\n"
    "The pieces are those that SentencePiece's trainer (BPE, no normalization) or Hugging Face's BpeTrainer make of the same "
    "text.\n"
    "\n"
    "example: pleiad tokenizer train --input corpus --vocab 8192 --like telechat3 --output runs/tokenizer\n";

static const char *const known[] = {"--input",
                                    "--key",
                                    "--vocab",
                                    "--output",
                                    "--format",
                                    "--like",
                                    "--control-symbols",
                                    "--user-symbols",
                                    "--unk",
                                    "--bos",
                                    "--eos",
                                    "--pad",
                                    "--split-digits",
                                    "--threads",
                                    "--json",
                                    "--byte-fallback",
                                    "--character-coverage",
                                    "--max-piece-length",
                                    "--max-sentence-bytes",
                                    "--whitespace-only",
                                    "--across-spaces",
                                    "--across-scripts",
                                    "--no-split-by-number",
                                    NULL};

// ---- options

typedef struct {
  char **name;
  int64_t count;
} Names;

typedef struct {
  TrainOptions train;
  Names control, user;
  const char *output, *key;
  int threads;
  bool json;
} Command;

static void names_clear(Names *n) {
  for (int64_t i = 0; i < n->count; i++) free(n->name[i]);
  free(n->name);
  *n = (Names){0};
}

static Err names_push(Names *n, const char *text, size_t size) {
  char **name = realloc(n->name, ((size_t)n->count + 1) * sizeof *name);
  CHECK(name, ERR_MEMORY, "no memory for a symbol");
  n->name = name;
  n->name[n->count] = strndup(text, size);
  CHECK(n->name[n->count], ERR_MEMORY, "no memory for a symbol");
  n->count++;
  return ERR_OK;
}

// Symbols separated by commas, with escapes.
static Err names_take(Names *n, const char *option, const char *list) {
  char *text = malloc(strlen(list) + 1);
  CHECK(text, ERR_MEMORY, "no memory for %s", option);
  Err err = ERR_OK;
  size_t size = 0;
  for (const char *p = list;; p++) {
    if (*p == ',' || !*p) {
      CHECK_OUT(size > 0, ERR_ARG, "%s \"%s\": an empty symbol", option, list);
      TRY_OUT(names_push(n, text, size));
      size = 0;
      if (!*p) break;
      continue;
    }
    char c = *p;
    if (c == '\\') {
      c = *++p;
      CHECK_OUT(c == 'n' || c == 't' || c == ',' || c == '\\', ERR_ARG,
                "%s \"%s\": after a backslash n, t, a comma or a backslash is wanted", option, list);
      c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
    }
    text[size++] = c;
  }
out:
  free(text);
  return err;
}

static Err take_lists(int *argc, char **argv, const char *option, Names *n) {
  bool first = true;
  for (;;) {
    const char *list = NULL;
    TRY(cli_value(argc, argv, option, &list));
    if (!list) return ERR_OK;
    if (first) names_clear(n);  // what is given replaces what --like brought
    first = false;
    if (*list) TRY(names_take(n, option, list));
  }
}

static Err like_telechat3(Command *c) {
  TrainOptions *o = &c->train;
  o->unk = "<_unk>";
  o->bos = "<_start>";
  o->eos = "<_end>";
  o->pad = "<_pad>";
  o->split_digits = o->allow_whitespace_only = true;
  o->byte_fallback = o->format == TRAIN_SENTENCEPIECE;
  o->max_piece_length = 128;
  o->max_sentence_bytes = 100000;
  TRY(names_take(&c->control, "telechat3", "<_user>,<_bot>,<_system>"));
  return names_take(&c->user, "telechat3", "0,1,2,3,4,5,6,7,8,9,_,\\n,\\t,__,___,____");
}

static Err take_number(int *argc, char **argv, const char *option, int64_t *out) {
  const char *text = NULL;
  TRY(cli_value(argc, argv, option, &text));
  if (!text) return ERR_OK;
  char *end;
  long long v = strtoll(text, &end, 10);
  CHECK(*text && !*end, ERR_ARG, "%s %s: a whole number is wanted", option, text);
  *out = v;
  return ERR_OK;
}

static Err take_name(int *argc, char **argv, const char *option, const char **out) {
  const char *text = NULL;
  TRY(cli_value(argc, argv, option, &text));
  if (text) *out = *text ? text : NULL;
  return ERR_OK;
}

// Options that only one of the formats has.
static Err take_spm_options(int *argc, char **argv, TrainOptions *o) {
  const char *coverage = NULL;
  int before = *argc;
  TRY(cli_value(argc, argv, "--character-coverage", &coverage));
  if (coverage) {
    char *end;
    o->character_coverage = strtod(coverage, &end);
    CHECK(*coverage && !*end, ERR_ARG, "--character-coverage %s: a number is wanted", coverage);
  }
  TRY(take_number(argc, argv, "--max-piece-length", &o->max_piece_length));
  TRY(take_number(argc, argv, "--max-sentence-bytes", &o->max_sentence_bytes));
  if (cli_flag(argc, argv, "--byte-fallback")) o->byte_fallback = true;
  if (cli_flag(argc, argv, "--whitespace-only")) o->allow_whitespace_only = true;
  if (cli_flag(argc, argv, "--across-spaces")) o->split_by_whitespace = false;
  if (cli_flag(argc, argv, "--across-scripts")) o->split_by_script = false;
  if (cli_flag(argc, argv, "--no-split-by-number")) o->split_by_number = false;
  CHECK(*argc == before || o->format == TRAIN_SENTENCEPIECE, ERR_ARG,
        "--byte-fallback, --character-coverage, --max-piece-length, --max-sentence-bytes, --whitespace-only, --across-... and "
        "--no-split-by-number are for --format sentencepiece; the byte level knows every byte");
  return ERR_OK;
}

static Err take_options(int *argc, char **argv, Command *c) {
  const char *format = "sentencepiece", *like = NULL;
  int64_t threads = 0;
  TRY(cli_value(argc, argv, "--format", &format));
  bool spm = strcmp(format, "sentencepiece") == 0;
  CHECK(spm || strcmp(format, "huggingface") == 0, ERR_ARG, "--format %s: sentencepiece or huggingface is wanted", format);
  train_defaults(&c->train, spm ? TRAIN_SENTENCEPIECE : TRAIN_HUGGINGFACE);
  c->train.vocab = 0;
  TRY(cli_value(argc, argv, "--like", &like));
  CHECK(!like || strcmp(like, "telechat3") == 0, ERR_ARG, "--like %s: telechat3 is known", like);
  if (like) TRY(like_telechat3(c));
  TrainOptions *o = &c->train;
  TRY(take_lists(argc, argv, "--control-symbols", &c->control));
  TRY(take_lists(argc, argv, "--user-symbols", &c->user));
  TRY(take_name(argc, argv, "--unk", &o->unk));
  TRY(take_name(argc, argv, "--bos", &o->bos));
  TRY(take_name(argc, argv, "--eos", &o->eos));
  TRY(take_name(argc, argv, "--pad", &o->pad));
  TRY(take_spm_options(argc, argv, o));
  TRY(take_number(argc, argv, "--vocab", &o->vocab));
  TRY(take_number(argc, argv, "--threads", &threads));
  TRY(cli_value(argc, argv, "--output", &c->output));
  TRY(cli_value(argc, argv, "--key", &c->key));
  if (cli_flag(argc, argv, "--split-digits")) o->split_digits = true;
  c->json = cli_flag(argc, argv, "--json");
  CHECK(threads >= 0 && threads <= 1024, ERR_ARG, "--threads %lld: 0 to 1024 is wanted", (long long)threads);
  c->threads = (int)threads;
  o->control = (const char *const *)c->control.name;
  o->n_control = c->control.count;
  o->user = (const char *const *)c->user.name;
  o->n_user = c->user.count;
  CHECK(o->vocab > 0, ERR_ARG, "tokenizer train: --vocab N is wanted, above 0");
  CHECK(c->output, ERR_ARG, "tokenizer train: --output F is wanted");
  return ERR_OK;
}

// What is left are the inputs; the word --input before them may be there or not.
static Err take_inputs(int *argc, char **argv) {
  int kept = 1;
  for (int i = 1; i < *argc; i++) {
    if (strcmp(argv[i], "--input") == 0) continue;
    if (strncmp(argv[i], "--", 2) == 0) {
      char *rest[] = {"tokenizer train", argv[i], NULL};
      return cli_no_more(2, rest, known);
    }
    argv[kept++] = argv[i];
  }
  *argc = kept;
  CHECK(kept > 1, ERR_ARG, "tokenizer train: which text? --input files, folders, or - for the standard input");
  return ERR_OK;
}

// ---- the result

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n > m && strcmp(text + n - m, end) == 0;
}

// A folder also gets a tokenizer_config.json, which says what tokenizer.json has no place for.
static Err write_config(const TrainOptions *o, const char *folder) {
  char path[PATH_BYTES];
  TRY(path_join(path, folder, "tokenizer_config.json"));
  const struct {
    const char *key, *name;
  } ends[] = {{"unk_token", o->unk}, {"bos_token", o->bos}, {"eos_token", o->eos}, {"pad_token", o->pad}};
  json_t *config = json_object();
  json_object_set_new(config, "tokenizer_class", json_string("PreTrainedTokenizerFast"));
  for (int i = 0; i < 4; i++)
    if (ends[i].name) json_object_set_new(config, ends[i].key, json_string(ends[i].name));
  Err err = json_write(config, path);
  json_decref(config);
  return err;
}

static Err save(const Command *c, const BpeTrainer *t, char path[PATH_BYTES]) {
  bool spm = c->train.format == TRAIN_SENTENCEPIECE;
  if (ends_with(c->output, ".model") || ends_with(c->output, ".json")) {
    CHECK(ends_with(c->output, ".model") == spm, ERR_ARG, "--output %s: the ending of --format %s is %s", c->output,
          spm ? "sentencepiece" : "huggingface", spm ? ".model" : ".json");
    snprintf(path, PATH_BYTES, "%s", c->output);
    return bpe_trainer_save(t, path);
  }
  TRY(folder_make(c->output));
  TRY(path_join(path, c->output, spm ? "tokenizer.model" : "tokenizer.json"));
  TRY(bpe_trainer_save(t, path));
  return spm ? ERR_OK : write_config(&c->train, c->output);
}

static void draw(void *arg, int64_t done, int64_t total) {
  Progress *bar = arg;
  if (bar->total == 0) progress_start(bar, "merge", "merges", (double)total, 0);
  progress_update(bar, (double)done);
}

static Err print(const Command *c, const char *path, int64_t vocab, TrainCounts n, double seconds) {
  printf("%s: %lld pieces from %.1f MB in %lld texts (%lld distinct words, %lld characters, %lld merges) in %.1f s\n", path,
         (long long)vocab, (double)n.bytes * 1e-6, (long long)n.texts, (long long)n.words, (long long)n.characters,
         (long long)n.merges, seconds);
  if (n.too_long)
    printf("%lld lines longer than %lld bytes were left out (--max-sentence-bytes)\n", (long long)n.too_long,
           (long long)c->train.max_sentence_bytes);
  if (n.reserved) printf("%lld lines with U+2585, which training needs for itself, were left out\n", (long long)n.reserved);
  if (vocab < c->train.vocab)
    log_warn("the text has no more merges: the vocabulary is smaller than the %lld wanted", (long long)c->train.vocab);
  if (!c->json) return ERR_OK;
  json_t *o = json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "output", cli_json_text(path, strlen(path)),
                        "vocab", (json_int_t)vocab, "texts", (json_int_t)n.texts, "text_bytes", (json_int_t)n.bytes, "words",
                        (json_int_t)n.words, "characters", (json_int_t)n.characters, "merges", (json_int_t)n.merges, "too_long",
                        (json_int_t)n.too_long, "reserved", (json_int_t)n.reserved, "seconds", seconds);
  return cli_json(o, "the report");
}

static Err train(const Command *c, const char *const *input, int64_t inputs) {
  double start_s = clock_s();
  char path[PATH_BYTES] = "";
  Pool *pool = NULL;
  BpeTrainer *t = NULL;
  Tokenizer *made = NULL;
  Progress bar = {0};
  TRY(pool_open(&pool, c->threads, false));
  Err err = bpe_trainer_open(&t, &c->train, pool);
  if (!err) err = tokenizer_train_read(t, c->train.format, input, inputs, c->key);
  if (!err) err = bpe_trainer_run(t, draw, &bar);
  if (bar.total > 0) progress_end(&bar);
  if (!err) err = save(c, t, path);
  if (!err) err = tokenizer_open(&made, path);  // what cannot be read back is not done
  if (!err) err = print(c, path, tokenizer_vocab(made), bpe_trainer_counts(t), clock_s() - start_s);
  tokenizer_close(made);
  bpe_trainer_close(t);
  pool_close(pool);
  return err ? err_frame(err, __func__, __FILE__, __LINE__) : ERR_OK;
}

Err tokenizer_train_command(int argc, char **argv) {
  if (cli_help(argc, argv, help)) return ERR_OK;
  Command c = {.key = "text"};
  Err err = take_options(&argc, argv, &c);
  if (!err) err = take_inputs(&argc, argv);
  if (!err) err = train(&c, (const char *const *)argv + 1, argc - 1);
  names_clear(&c.control);
  names_clear(&c.user);
  return err;
}
