#include "cli/tokenize.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"

Err tokenize_threads(const char *text, int *threads) {
  *threads = 0;
  if (!text) return ERR_OK;
  char *end;
  long n = strtol(text, &end, 10);
  CHECK(*text && !*end && n >= 1 && n <= 1024, ERR_ARG, "--threads %s: wanted a number from 1 to 1024", text);
  *threads = (int)n;
  return ERR_OK;
}

static Err open_threads(Tokenize *t, int threads) {
  TRY(pool_open(&t->pool, threads, false));
  t->thread = calloc((size_t)pool_threads(t->pool), sizeof *t->thread);
  CHECK(t->thread, ERR_MEMORY, "no memory for %d threads", pool_threads(t->pool));
  for (int i = 0; i < pool_threads(t->pool); i++) TRY(tokenizer_work_open(&t->thread[i].work, t->tokenizer));
  return ERR_OK;
}

Err tokenize_open(Tokenize *t, int argc, char **argv) {
  static const char *const options[] = {"--tokenizer", "--threads", "--special", "--jsonl", "--json", "--help", NULL};
  const char *path = NULL, *threads_text = NULL, *special = "text";
  int threads;
  *t = (Tokenize){0};
  TRY(cli_value(&argc, argv, "--tokenizer", &path));
  TRY(cli_value(&argc, argv, "--threads", &threads_text));
  TRY(cli_value(&argc, argv, "--special", &special));
  t->jsonl = cli_flag(&argc, argv, "--jsonl");
  t->json = cli_flag(&argc, argv, "--json");
  TRY(cli_no_more(argc, argv, options));
  CHECK(path, ERR_ARG, "%s needs --tokenizer FILE (a .model, a tokenizer.json, the folder of one, or a GGUF)", argv[0]);
  TRY(tokenize_threads(threads_text, &threads));
  bool parse = strcmp(special, "parse") == 0;
  CHECK(parse || strcmp(special, "text") == 0, ERR_ARG, "--special %s: wanted \"parse\" or \"text\"", special);
  t->special = parse ? SPECIAL_PARSE : SPECIAL_TEXT;
  Err err = tokenizer_open(&t->tokenizer, path);
  if (!err) err = open_threads(t, threads);
  if (err) tokenize_close(t);
  return err;
}

void tokenize_count(TokenizeThread *thread, int64_t tokens, size_t text_bytes) {
  thread->lines++;
  thread->tokens += tokens;
  thread->text_bytes += (int64_t)text_bytes;
}

Err tokenize_report(const Tokenize *t) {
  int64_t lines = 0, tokens = 0, text_bytes = 0;
  if (!t->json) return ERR_OK;
  for (int i = 0; i < pool_threads(t->pool); i++) {
    lines += t->thread[i].lines;
    tokens += t->thread[i].tokens;
    text_bytes += t->thread[i].text_bytes;
  }
  return cli_json(json_pack("{s:I, s:I, s:I}", "lines", (json_int_t)lines, "tokens", (json_int_t)tokens, "text_bytes",
                            (json_int_t)text_bytes),
                  "the counts");
}

void tokenize_close(Tokenize *t) {
  for (int i = 0; t->thread && i < pool_threads(t->pool); i++) {
    tokenizer_work_close(t->thread[i].work);
    ids_free(&t->thread[i].ids);
    bytes_free(&t->thread[i].text);
    strings_free(&t->thread[i].string);
  }
  free(t->thread);
  if (t->pool) pool_close(t->pool);
  tokenizer_close(t->tokenizer);
  *t = (Tokenize){0};
}

// Without a branch on how many digits there are: eight are made in the bytes of a word, and those that are not needed are
// shifted out.
// Both halves of the word are multiplied at once, as Wojciech Mula does it.
static char *put_id(char *to, int32_t id) {
  if (id < 0 || id >= 100000000) return to + snprintf(to, 12, "%d", id);
  uint64_t halves = (uint64_t)id / 10000 | ((uint64_t)id % 10000) << 32;
  uint64_t hundreds = (halves * 10486 >> 20) & 0x7f0000007f;
  uint64_t pairs = ((halves - 100 * hundreds) << 16) + hundreds;
  uint64_t tens = (pairs * 103 >> 10) & 0xf000f000f000f;
  uint64_t digits = tens + ((pairs - 10 * tens) << 8);
  int unused = __builtin_ctzll(digits | (uint64_t)1 << 56) / 8;
  digits = (digits | 0x3030303030303030) >> 8 * unused;
  memcpy(to, &digits, 8);
  return to + 8 - unused;
}

Err append_ids(Bytes *out, const Ids *ids, const char *between) {
  enum { AT_A_TIME = 1024, BETWEEN_BYTES = 4, ID_BYTES = 12 + BETWEEN_BYTES };
  char letters[BETWEEN_BYTES] = {0};
  size_t n = strlen(between);
  assert(n <= sizeof letters);
  memcpy(letters, between, n);
  for (int64_t i = 0; i < ids->count;) {
    int64_t end = ids->count - i < AT_A_TIME ? ids->count : i + AT_A_TIME;
    TRY(bytes_reserve(out, AT_A_TIME * ID_BYTES));
    char *to = out->data + out->size;
    for (; i < end; i++) {
      memcpy(to, letters, sizeof letters);
      to = put_id(i ? to + n : to, ids->id[i]);
    }
    out->size = (size_t)(to - out->data);
  }
  return ERR_OK;
}

Err append_json_string(Bytes *out, const char *text, size_t size) {
  TRY(bytes_append(out, "\"", 1));
  if (!size) text = "";
  size_t plain = 0;
  for (size_t i = 0; i < size; i++) {
    uint8_t c = (uint8_t)text[i];
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    TRY(bytes_append(out, text + plain, i - plain));
    plain = i + 1;
    char escape[8];
    int n = c == '"' || c == '\\' ? snprintf(escape, sizeof escape, "\\%c", c)
            : c == '\n'           ? snprintf(escape, sizeof escape, "\\n")
                                  : snprintf(escape, sizeof escape, "\\u%04x", c);
    TRY(bytes_append(out, escape, (size_t)n));
  }
  TRY(bytes_append(out, text + plain, size - plain));
  return bytes_append(out, "\"", 1);
}
