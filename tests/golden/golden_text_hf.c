// Hugging Face tokenizers: a folder NAME/{tokenizer.json, ids.jsonl} each.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden/golden.h"
#include "text/tokenizer.h"

typedef struct {
  GoldenCount *count;
  Tokenizer *t;
  TokenizerWork *w;
  Ids ids;
  Bytes text;
} Case;

static void compare(Case *c, const char *what, bool ok, const char *why) {
  golden_compare(c->count, ok, "row %lld: %s %s", (long long)c->count->cases, what, why);
}

static void compare_ids(Case *c, const char *what, const json_t *want, Err err) {
  if (err) {
    compare(c, what, false, err_text());
    return;
  }
  bool ok = (int64_t)json_array_size(want) == c->ids.count;
  for (int64_t i = 0; ok && i < c->ids.count; i++) ok = json_integer_value(json_array_get(want, (size_t)i)) == c->ids.id[i];
  compare(c, what, ok, "differ");
}

static void compare_text(Case *c, const char *what, const json_t *want, bool keep_special) {
  c->text.size = 0;
  Err err = tokenizer_decode(c->t, c->w, c->ids.id, c->ids.count, keep_special, &c->text);
  size_t size = json_string_length(want);
  bool ok = !err && c->text.size == size && (size == 0 || memcmp(c->text.data, json_string_value(want), size) == 0);
  compare(c, what, ok, err ? err_text() : "differs");
}

static void run_row(GoldenCount *n, const json_t *row, void *context) {
  Case *c = context;
  const json_t *text = json_object_get(row, "text"), *ids = golden_array(n, row, "ids"),
               *with = json_object_get(row, "ids_special");
  const json_t *decode = json_object_get(row, "decode"), *skip = json_object_get(row, "decode_skip");
  if (!json_is_string(text)) {
    compare(c, "text", false, "is missing");
    return;
  }
  const char *at = json_string_value(text);
  size_t size = json_string_length(text);
  if (!decode) decode = text;
  c->ids.count = 0;
  compare_ids(c, "ids_special", with ? with : ids, tokenizer_encode_special(c->t, c->w, at, size, SPECIAL_PARSE, &c->ids));
  c->ids.count = 0;
  compare_ids(c, "ids", ids, tokenizer_encode(c->t, c->w, at, size, SPECIAL_PARSE, &c->ids));
  compare_text(c, "decode", decode, true);
  compare_text(c, "decode_skip", skip ? skip : decode, false);
}

void golden_text_hf(GoldenCount *n) {
  char path[PATH_BYTES], rows[GOLDEN_NAME_BYTES + 16];
  Case c = {.count = n};
  Err err = tokenizer_open(&c.t, golden_path(n, path, "%s/tokenizer.json", n->folder));
  if (!err) err = tokenizer_work_open(&c.w, c.t);
  snprintf(rows, sizeof rows, "%s/ids.jsonl", n->folder);
  if (golden_ok(n, err)) golden_each_line(n, rows, run_row, &c);
  tokenizer_work_close(c.w);
  tokenizer_close(c.t);
  ids_free(&c.ids);
  bytes_free(&c.text);
}
