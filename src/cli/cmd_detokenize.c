#include <stdio.h>

#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/lines.h"
#include "cli/tokenize.h"
#include "data/jsonl.h"

static const char help[] =
    "pleiad detokenize: token ids to text, a line at a time, from standard input to standard output\n\n"
    "usage: pleiad detokenize --tokenizer FILE [--jsonl] [--special text|parse] [--threads N] [--json]\n\n"
    "  --tokenizer FILE  a SentencePiece .model, a Hugging Face tokenizer.json, the folder of one, or a GGUF file\n"
    "  --jsonl           a line is {\"ids\": [...]}; the answer is {\"text\": \"...\"}, or {\"bytes\": \"hex\"} where it is "
    "not UTF-8\n"
    "                    (without: a line is ids with spaces between, the answer is the text and a newline)\n"
    "  --special text    all ids are decoded together, as the model alone does it (default)\n"
    "  --special parse   special tokens are written by their names, and the text between them is decoded alone\n"
    "  --threads N       default: one a core; the result does not depend on it\n"
    "  --json            one more line at the end: {\"lines\": .., \"tokens\": .., \"text_bytes\": ..}\n\n"
    "  echo '105258 124386 1598' | pleiad detokenize --tokenizer tokenizer.model\n";

static Err ids_of_text(const char *line, size_t size, Ids *ids) {
  for (size_t i = 0; i < size;) {
    if (line[i] == ' ' || line[i] == '\t' || line[i] == '\r') {
      i++;
      continue;
    }
    size_t begin = i;
    int64_t id = 0;
    for (; i < size && line[i] >= '0' && line[i] <= '9' && id <= INT32_MAX; i++) id = id * 10 + (line[i] - '0');
    bool ends = i == size || line[i] == ' ' || line[i] == '\t' || line[i] == '\r';
    CHECK(i > begin && ends && id <= INT32_MAX, ERR_FORMAT, "column %zu: wanted a token id, found \"%.*s\"", begin + 1,
          (int)(size - begin < 16 ? size - begin : 16), line + begin);
    TRY(ids_push(ids, (int32_t)id));
  }
  return ERR_OK;
}

static Err append_json(Bytes *out, const Bytes *text) {
  static const char digits[] = "0123456789abcdef";
  if (utf8_invalid_at(text->data, text->size) == text->size) {
    TRY(bytes_append(out, "{\"text\": ", 9));
    TRY(append_json_string(out, text->data, text->size));
    return bytes_append(out, "}\n", 2);
  }
  TRY(bytes_append(out, "{\"bytes\": \"", 11));
  for (size_t i = 0; i < text->size; i++) {
    uint8_t b = (uint8_t)text->data[i];
    TRY(bytes_append(out, (char[]){digits[b >> 4], digits[b & 15]}, 2));
  }
  return bytes_append(out, "\"}\n", 3);
}

static Err detokenize_line(void *context, int thread, const char *line, size_t size, Bytes *out) {
  const Tokenize *t = context;
  TokenizeThread *own = &t->thread[thread];
  own->ids.count = 0;
  own->text.size = 0;
  TRY(t->jsonl ? jsonl_ids(line, size, "ids", &own->ids) : ids_of_text(line, size, &own->ids));
  TRY(tokenizer_decode(t->tokenizer, own->work, own->ids.id, own->ids.count, true, &own->text));
  tokenize_count(own, own->ids.count, own->text.size);
  if (t->jsonl) return append_json(out, &own->text);
  TRY(bytes_append(out, own->text.data, own->text.size));
  return bytes_append(out, "\n", 1);
}

Err cmd_detokenize(int argc, char **argv) {
  if (cli_help(argc, argv, help)) return ERR_OK;
  Tokenize t;
  TRY(tokenize_open(&t, argc, argv));
  Err err = t.special == SPECIAL_TEXT ? tokenizer_set_specials(t.tokenizer, NULL, NULL, 0) : ERR_OK;
  if (!err) err = lines_run(t.pool, detokenize_line, &t);
  if (!err) err = tokenize_report(&t);
  tokenize_close(&t);
  return err;
}
