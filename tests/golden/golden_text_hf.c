#include "golden/golden_text_hf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "text/tokenizer.h"

enum { FILE_BYTES_MAX = 1 << 28 };

typedef struct {
  GoldenCount *count;
  const char *name;
  int64_t row;
  Tokenizer *t;
  TokenizerWork *w;
  Ids ids;
  Bytes text;
} Case;

static void compare(Case *c, const char *what, bool ok, const char *why) {
  c->count->comparisons++;
  if (ok) return;
  c->count->failed++;
  fprintf(stderr, "  %s/%s row %lld: %s %s\n", c->count->folder, c->name, (long long)c->row, what, why);
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

static void run_row(Case *c, const json_t *row) {
  const json_t *text = json_object_get(row, "text"), *ids = json_object_get(row, "ids"),
               *with = json_object_get(row, "ids_special");
  const json_t *decode = json_object_get(row, "decode"), *skip = json_object_get(row, "decode_skip");
  const char *at = json_string_value(text);
  size_t size = json_string_length(text);
  if (!decode) decode = text;
  c->count->cases++;
  c->ids.count = 0;
  compare_ids(c, "ids_special", with ? with : ids, tokenizer_encode_special(c->t, c->w, at, size, SPECIAL_PARSE, &c->ids));
  c->ids.count = 0;
  compare_ids(c, "ids", ids, tokenizer_encode(c->t, c->w, at, size, SPECIAL_PARSE, &c->ids));
  compare_text(c, "decode", decode, true);
  compare_text(c, "decode_skip", skip ? skip : decode, false);
}

static void run_rows(Case *c, const char *path) {
  char *lines = NULL;
  size_t size = 0;
  if (file_read(path, FILE_BYTES_MAX, &lines, &size)) {
    compare(c, "ids.jsonl", false, err_text());
    return;
  }
  for (char *at = lines, *end; at < lines + size; at = end + 1) {
    end = memchr(at, '\n', (size_t)(lines + size - at));
    if (!end) end = lines + size;
    c->row++;
    json_t *row = NULL;
    if (json_parse(&row, at, (size_t)(end - at), path, true)) compare(c, "row", false, err_text());
    else run_row(c, row);
    json_decref(row);
  }
  free(lines);
}

GoldenCount golden_text_hf(const char *folder) {
  GoldenCount count = {.folder = "text/hf"};
  char **names = NULL;
  size_t n = 0;
  if (folder_list(folder, &names, &n)) {
    fprintf(stderr, "  %s: %s\n", count.folder, err_text());
    count.failed++;
    return count;
  }
  for (size_t i = 0; i < n; i++) {
    char path[3 * PATH_BYTES];
    Case c = {.count = &count, .name = names[i]};
    snprintf(path, sizeof path, "%s/%s/tokenizer.json", folder, names[i]);
    Err err = tokenizer_open(&c.t, path);
    if (!err) err = tokenizer_work_open(&c.w, c.t);
    compare(&c, "tokenizer.json", !err, err ? err_text() : "");
    snprintf(path, sizeof path, "%s/%s/ids.jsonl", folder, names[i]);
    if (!err) run_rows(&c, path);
    tokenizer_work_close(c.w);
    tokenizer_close(c.t);
    ids_free(&c.ids);
    bytes_free(&c.text);
  }
  names_free(names, n);
  return count;
}
