#include "cli/tokenize.h"

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
  }
  free(t->thread);
  if (t->pool) pool_close(t->pool);
  tokenizer_close(t->tokenizer);
  *t = (Tokenize){0};
}

Err append_id(Bytes *out, int32_t id) {
  char digits[12];
  size_t n = sizeof digits;
  int64_t rest = id < 0 ? -(int64_t)id : id;
  do digits[--n] = (char)('0' + rest % 10);
  while (rest /= 10);
  if (id < 0) digits[--n] = '-';
  return bytes_append(out, digits + n, sizeof digits - n);
}

Err append_json_string(Bytes *out, const char *text, size_t size) {
  TRY(bytes_append(out, "\"", 1));
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
