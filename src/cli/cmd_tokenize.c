#include <stdio.h>

#include "base/hex.h"
#include "cli/cli.h"
#include "cli/lines.h"
#include "cli/tokenize.h"
#include "data/jsonl.h"

static const char help[] =
    "pleiad tokenize: text to token ids, a line at a time, from standard input to standard output\n\n"
    "usage: pleiad tokenize --tokenizer FILE [--jsonl] [--special text|parse] [--threads N] [--json]\n\n"
    "  --tokenizer FILE  a SentencePiece .model, a Hugging Face tokenizer.json, the folder of one, or a GGUF file\n"
    "  --jsonl           a line is {\"text\": \"...\"}, or {\"bytes\": \"hex\"} for any bytes; the answer is {\"ids\": [...]}\n"
    "                    (without: a line is a text, without its newline; the answer is ids with spaces between)\n"
    "  --special text    the names of special tokens in a text are letters as any others (default)\n"
    "  --special parse   they become their ids\n"
    "  --threads N       default: one a core; the result does not depend on it\n"
    "  --json            one more line at the end: {\"lines\": .., \"tokens\": .., \"text_bytes\": ..}\n\n"
    "Nothing is put before or behind (no bos, no eos). An error names the line; what was before it has been written.\n\n"
    "  echo '你好，世界' | pleiad tokenize --tokenizer tokenizer.model\n";

static Err bytes_of_hex(const char *hex, size_t size, Bytes *out) {
  CHECK(size % 2 == 0, ERR_FORMAT, "\"bytes\" has %zu hex digits, wanted an even number", size);
  for (size_t i = 0; i < size; i += 2) {
    int high = hex_digit(hex[i]), low = hex_digit(hex[i + 1]);
    CHECK(high >= 0 && low >= 0, ERR_FORMAT, "\"bytes\": \"%.2s\" at %zu is no hex byte", hex + i, i);
    char byte = (char)(high * 16 + low);
    TRY(bytes_append(out, &byte, 1));
  }
  return ERR_OK;
}

// *line, size: the text or the bytes of a line of JSON, in what `own` holds.
static Err text_of_json(TokenizeThread *own, const char **line, size_t *size) {
  static const char *const keys[] = {"text", "bytes"};
  int which;
  TRY(jsonl_string(*line, *size, keys, 2, &own->string, &which));
  CHECK(which < 2, ERR_FORMAT, "wanted an object with \"text\" or \"bytes\", a string");
  *line = own->string.data;
  *size = own->string.size;
  if (which == 0) return ERR_OK;
  own->text.size = 0;
  TRY(bytes_of_hex(*line, *size, &own->text));
  *line = own->text.data;
  *size = own->text.size;
  return ERR_OK;
}

static Err tokenize_line(void *context, int thread, const char *line, size_t size, Bytes *out) {
  const Tokenize *t = context;
  TokenizeThread *own = &t->thread[thread];
  if (t->jsonl) TRY(text_of_json(own, &line, &size));
  own->ids.count = 0;
  TRY(tokenizer_encode(t->tokenizer, own->work, line, size, t->special, &own->ids));
  tokenize_count(own, own->ids.count, size);
  if (t->jsonl) TRY(bytes_append(out, "{\"ids\": [", 9));
  TRY(append_ids(out, &own->ids, t->jsonl ? ", " : " "));
  return t->jsonl ? bytes_append(out, "]}\n", 3) : bytes_append(out, "\n", 1);
}

Err cmd_tokenize(int argc, char **argv) {
  if (cli_help(argc, argv, help)) return ERR_OK;
  Tokenize t;
  TRY(tokenize_open(&t, argc, argv));
  Err err = lines_run(t.pool, tokenize_line, &t);
  if (!err) err = tokenize_report(&t);
  tokenize_close(&t);
  return err;
}
