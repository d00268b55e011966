#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/data.h"
#include "data/indexed.h"
#include "text/tokenizer.h"

static const char help[] =
    "pleiad data show: one document of a token file\n"
    "\n"
    "usage: pleiad data show PREFIX [--doc N] [--tokenizer F] [--tokens N] [--json]\n"
    "\n"
    "  --doc N          which document, from 0 (default 0); -1 is the last\n"
    "  --tokenizer F    shows the text, and the piece of each token\n"
    "  --tokens N       rows of the token table for each sequence (default 40; 0: none; all)\n";

static const char *const known[] = {"--doc", "--tokenizer", "--tokens", "--json", NULL};

typedef struct {
  const Indexed *file;
  int64_t document, rows, vocab;
  Tokenizer *tokenizer;
  TokenizerWork *work;
  int32_t *id;
  Bytes text;
} Show;

// On a terminal, control characters are shown, not obeyed.
static void print_text(const char *text, size_t size, bool newlines) {
  bool plain = newlines && !isatty(STDOUT_FILENO);
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)text[i];
    bool keep = plain || (c >= ' ' && c != 0x7F) || (newlines && (c == '\n' || c == '\t'));
    if (keep) putchar(c);
    else if (c == '\n') fputs("\\n", stdout);
    else if (c == '\t') fputs("\\t", stdout);
    else printf("\\x%02X", c);
  }
}

static Err read_sequence(Show *s, int64_t sequence, int64_t length) {
  int32_t *grown = realloc(s->id, (size_t)(length + 1) * sizeof *grown);
  CHECK(grown, ERR_MEMORY, "no memory for a sequence of %lld tokens", (long long)length);
  s->id = grown;
  TRY(indexed_read(s->file, sequence, 0, length, s->vocab, s->id));
  s->text.size = 0;
  return s->tokenizer ? tokenizer_decode(s->tokenizer, s->work, s->id, length, true, &s->text) : ERR_OK;
}

static Err print_table(Show *s, int64_t length) {
  int64_t rows = length < s->rows ? length : s->rows;
  for (int64_t i = 0; i < rows; i++) {
    printf("  %8lld %8d", (long long)i, s->id[i]);
    const char *piece = s->tokenizer ? tokenizer_piece(s->tokenizer, s->id[i]) : NULL;
    if (piece) {
      fputs("  ", stdout);
      print_text(piece, strlen(piece), false);
      if (tokenizer_is_special(s->tokenizer, s->id[i])) fputs("  (special)", stdout);
    }
    putchar('\n');
  }
  if (rows < length && s->rows) printf("  ... %lld more; --tokens all shows them\n", (long long)(length - rows));
  return ERR_OK;
}

static Err print_document(Show *s) {
  int64_t begin = indexed_document(s->file, s->document), end = indexed_document(s->file, s->document + 1);
  printf("%s: document %lld of %lld, %lld sequences\n", s->file->prefix, (long long)s->document, (long long)s->file->documents,
         (long long)(end - begin));
  for (int64_t q = begin; q < end; q++) {
    int64_t length = indexed_length(s->file, q);
    TRY(read_sequence(s, q, length));
    printf("\nsequence %lld: %lld tokens at byte %lld", (long long)q, (long long)length, (long long)indexed_offset(s->file, q));
    printf(s->tokenizer ? ", %zu bytes of text\n" : "\n", s->text.size);
    if (s->tokenizer) {
      print_text(s->text.data, s->text.size, true);
      putchar('\n');
    }
    TRY(print_table(s, length));
  }
  return ERR_OK;
}

static Err print_json(Show *s) {
  int64_t begin = indexed_document(s->file, s->document), end = indexed_document(s->file, s->document + 1);
  json_t *sequences = json_array();
  Err err = ERR_OK;
  for (int64_t q = begin; q < end && !err; q++) {
    int64_t length = indexed_length(s->file, q);
    err = read_sequence(s, q, length);
    if (err) break;
    json_t *ids = json_array();
    for (int64_t i = 0; i < length; i++) json_array_append_new(ids, json_integer(s->id[i]));
    json_t *one = json_pack("{s:I, s:o}", "sequence", (json_int_t)q, "ids", ids);
    json_t *text = s->tokenizer ? cli_json_text(s->text.data ? s->text.data : "", s->text.size) : NULL;
    if (text) json_object_set_new(one, "text", text);
    json_array_append_new(sequences, one);
  }
  json_t *o = json_pack("{s:o, s:I, s:o}", "prefix", cli_json_text(s->file->prefix, strlen(s->file->prefix)), "document",
                        (json_int_t)s->document, "sequences", sequences);
  if (!err) return cli_json(o, "the document");
  json_decref(o);
  return err;
}

static Err show(Show *s, const char *document, const char *tokenizer, bool json) {
  char *end;
  CHECK(s->file->documents > 0, ERR_ARG, "%s holds no documents", s->file->prefix);
  s->document = strtoll(document, &end, 10);
  if (s->document < 0) s->document += s->file->documents;
  CHECK(*document && !*end && s->document >= 0 && s->document < s->file->documents, ERR_ARG,
        "--doc %s: %s has %lld documents, 0 to %lld", document, s->file->prefix, (long long)s->file->documents,
        (long long)s->file->documents - 1);
  if (tokenizer) {
    TRY(tokenizer_open(&s->tokenizer, tokenizer));
    TRY(tokenizer_work_open(&s->work, s->tokenizer));
    s->vocab = tokenizer_vocab(s->tokenizer);
  }
  return json ? print_json(s) : print_document(s);
}

Err data_show_command(int argc, char **argv) {
  if (cli_help(argc, argv, help)) return ERR_OK;
  bool json = cli_flag(&argc, argv, "--json");
  const char *document = "0", *tokenizer = NULL, *rows = "40";
  TRY(cli_value(&argc, argv, "--doc", &document));
  TRY(cli_value(&argc, argv, "--tokenizer", &tokenizer));
  TRY(cli_value(&argc, argv, "--tokens", &rows));
  CHECK(argc > 1, ERR_ARG, "data show: which PREFIX?");
  char *rest[] = {"data show", argc > 2 ? argv[2] : argv[1], NULL};
  if (argc > 2 || argv[1][0] == '-') return cli_no_more(2, rest, known);
  char *end;
  int64_t most = strcmp(rows, "all") == 0 ? INT64_MAX : strtoll(rows, &end, 10);
  CHECK(most == INT64_MAX || (*rows && !*end && most >= 0), ERR_ARG, "--tokens %s: a count or all is wanted", rows);
  Indexed x;
  TRY(indexed_open(&x, argv[1]));
  Show s = {.file = &x, .rows = most, .vocab = INT64_MAX};
  Err err = show(&s, document, tokenizer, json);
  if (s.work) tokenizer_work_close(s.work);
  if (s.tokenizer) tokenizer_close(s.tokenizer);
  bytes_free(&s.text);
  free(s.id);
  indexed_close(&x);
  return err;
}
