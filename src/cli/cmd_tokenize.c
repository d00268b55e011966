#include <stdio.h>

#include "base/json.h"
#include "cli/cli.h"
#include "cli/lines.h"
#include "cli/tokenize.h"

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

static int hex_digit(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

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

static Err text_of_json(const char *line, size_t size, Bytes *out) {
  json_t *root;
  TRY(json_parse(&root, line, size, "JSON", false));
  const json_t *text = json_object_get(root, "text"), *bytes = json_object_get(root, "bytes");
  out->size = 0;
  Err err;
  if (json_is_string(text)) err = bytes_append(out, json_string_value(text), json_string_length(text));
  else if (json_is_string(bytes)) err = bytes_of_hex(json_string_value(bytes), json_string_length(bytes), out);
  else err = ERR_HERE(ERR_FORMAT, "wanted an object with \"text\" or \"bytes\", a string");
  json_decref(root);
  return err;
}

static Err tokenize_line(void *context, int thread, const char *line, size_t size, Bytes *out) {
  const Tokenize *t = context;
  TokenizeThread *own = &t->thread[thread];
  if (t->jsonl) {
    TRY(text_of_json(line, size, &own->text));
    line = own->text.data;
    size = own->text.size;
  }
  own->ids.count = 0;
  TRY(tokenizer_encode(t->tokenizer, own->work, line, size, t->special, &own->ids));
  tokenize_count(own, own->ids.count, size);
  if (t->jsonl) TRY(bytes_append(out, "{\"ids\": [", 9));
  for (int64_t i = 0; i < own->ids.count; i++) {
    if (i) TRY(bytes_append(out, ", ", t->jsonl ? 2 : 0));
    if (i && !t->jsonl) TRY(bytes_append(out, " ", 1));
    TRY(append_id(out, own->ids.id[i]));
  }
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
