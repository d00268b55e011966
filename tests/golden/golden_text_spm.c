#include "golden/golden_text_spm.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "test.h"
#include "text/tokenizer_backend.h"

typedef struct {
  GoldenCount count;
  Tokenizer *t;
  TokenizerWork *w;
  json_t *sets;             // special_sets.json
  const char *path, *kind;  // of the rows
  int line;
} Case;

static void verdict(Case *c, bool ok, const char *what) {
  c->count.comparisons++;
  if (ok) return;
  c->count.failed++;
  fprintf(stderr, "  %s:%d: %s differs\n", c->path, c->line, what);
}

static int hex(char x) { return x <= '9' ? x - '0' : x - 'a' + 10; }

// "text", or "bytes" in hex, as bytes.
static void row_text(const json_t *row, Bytes *b) {
  const json_t *text = json_object_get(row, "text");
  b->size = 0;
  if (text) {
    ASSERT_OK(bytes_append(b, json_string_value(text), json_string_length(text)));
    return;
  }
  const char *s = json_string_value(json_object_get(row, "bytes"));
  for (; s && s[0] && s[1]; s += 2) {
    char byte = (char)(hex(s[0]) * 16 + hex(s[1]));
    ASSERT_OK(bytes_append(b, &byte, 1));
  }
}

static bool same_ids(const Ids *got, const json_t *want) {
  if ((size_t)got->count != json_array_size(want)) return false;
  for (int64_t i = 0; i < got->count; i++)
    if (got->id[i] != json_integer_value(json_array_get(want, (size_t)i))) return false;
  return true;
}

static bool same_text(const Bytes *got, const json_t *want, const Bytes *otherwise) {
  const char *text = want ? json_string_value(want) : otherwise->data;
  size_t size = want ? json_string_length(want) : otherwise->size;
  return got->size == size && (size == 0 || memcmp(got->data, text, size) == 0);
}

static void row_ids(const json_t *row, Ids *ids) {
  size_t i;
  json_t *id;
  ids->count = 0;
  json_array_foreach(json_object_get(row, "ids"), i, id) ASSERT_OK(ids_push(ids, (int32_t)json_integer_value(id)));
}

static void check_decode(Case *c, const json_t *want_ids, bool keep, const json_t *want, const Bytes *otherwise,
                         const char *what) {
  Ids ids = {0};
  Bytes got = {0};
  json_t *row = json_pack("{sO}", "ids", want_ids);
  row_ids(row, &ids);
  bool ok = tokenizer_decode(c->t, c->w, ids.id, ids.count, keep, &got) == ERR_OK;
  verdict(c, ok && same_text(&got, want, otherwise), what);
  json_decref(row);
  ids_free(&ids);
  bytes_free(&got);
}

static void check_ids(Case *c, const json_t *row) {
  Bytes text = {0};
  Ids ids = {0};
  row_text(row, &text);
  bool ok = tokenizer_encode(c->t, c->w, text.data, text.size, SPECIAL_TEXT, &ids) == ERR_OK;
  verdict(c, ok && same_ids(&ids, json_object_get(row, "ids")), "ids");
  check_decode(c, json_object_get(row, "ids"), false, json_object_get(row, "decode"), &text, "decode");
  ids_free(&ids);
  bytes_free(&text);
}

static void check_decode_row(Case *c, const json_t *row) {
  if (!json_object_get(row, "error")) {
    Bytes text = {0};
    row_text(row, &text);
    check_decode(c, json_object_get(row, "ids"), false, NULL, &text, "decode");
    bytes_free(&text);
    return;
  }
  Ids ids = {0};
  Bytes out = {0};
  row_ids(row, &ids);
  bool refused = tokenizer_decode(c->t, c->w, ids.id, ids.count, false, &out) == ERR_ARG;
  verdict(c, refused && strstr(err_text(), "out of range"), "error");
  ids_free(&ids);
  bytes_free(&out);
}

static void use_set(Case *c, const char *name) {
  const json_t *tokens = json_object_get(json_object_get(c->sets, name), "tokens");
  const char *names[256], *key;
  int32_t ids[256];
  int64_t n = 0;
  json_t *id;
  json_object_foreach((json_t *)(uintptr_t)tokens, key, id) {
    ASSERT(n < 256);
    names[n] = key;
    ids[n++] = (int32_t)json_integer_value(id);
  }
  ASSERT_OK(tokenizer_set_specials(c->t, names, ids, n));
}

static void check_special(Case *c, const json_t *row) {
  const json_t *set = json_object_get(row, "set");
  bool parse = json_is_true(json_object_get(row, "special"));
  use_set(c, json_is_string(set) ? json_string_value(set) : "");
  Bytes text = {0};
  Ids ids = {0};
  row_text(row, &text);
  bool ok = tokenizer_encode(c->t, c->w, text.data, text.size, parse ? SPECIAL_PARSE : SPECIAL_TEXT, &ids) == ERR_OK;
  verdict(c, ok && same_ids(&ids, json_object_get(row, "ids")), "ids");
  const json_t *want = json_object_get(row, "ids"), *skip = json_object_get(row, "skip");
  // Rows without special tokens say nothing of decoding (that is in NAME.ids.jsonl).
  if (parse) check_decode(c, want, true, json_object_get(row, "keep"), &text, "keep");
  if (skip) check_decode(c, want, false, skip, &text, "skip");
  ids_free(&ids);
  bytes_free(&text);
}

// Runs `check` on every line of the file.
static void each_row(Case *c, const char *path, void check(Case *, const json_t *)) {
  FileMap f;
  ASSERT_OK(file_map(&f, path));
  c->path = path;
  c->line = 0;
  for (size_t at = 0; at < f.size;) {
    const uint8_t *end = memchr(f.data + at, '\n', f.size - at);
    size_t size = end ? (size_t)(end - f.data) - at : f.size - at;
    json_t *row = NULL;
    c->line++;
    ASSERT_OK(json_parse(&row, (const char *)f.data + at, size, path, false));
    check(c, row);
    json_decref(row);
    at += size + 1;
  }
  file_unmap(&f);
}

static void check_normalized(Case *c, const json_t *row) {
  const json_t *want = json_object_get(row, "normalized");
  check_ids(c, row);
  if (!want) return;
  Bytes text = {0}, got = {0};
  row_text(row, &text);
  bool ok = tokenizer_normalize(c->t, text.data, text.size, &got) == ERR_OK;
  verdict(c, ok && same_text(&got, want, &text), "normalized");
  bytes_free(&text);
  bytes_free(&got);
}

static bool ends_with(const char *name, const char *end) {
  size_t n = strlen(name), m = strlen(end);
  return n >= m && strcmp(name + n - m, end) == 0;
}

static bool open_case(Case *c, const char *path) {
  c->count.cases++;
  c->path = path;
  c->line = 0;
  if (tokenizer_open(&c->t, path) == ERR_OK && tokenizer_work_open(&c->w, c->t) == ERR_OK) return true;
  verdict(c, false, err_text());
  return false;
}

static void close_case(Case *c) {
  tokenizer_work_close(c->w);
  tokenizer_close(c->t);
  c->w = NULL;
  c->t = NULL;
}

GoldenCount golden_text_spm(const char *text) {
  Case c = {.count = {.folder = "text/spm"}};
  char folder[PATH_BYTES], model[PATH_BYTES], rows[PATH_BYTES];
  char **names = NULL;
  size_t count = 0;
  ASSERT_OK(path_join(folder, text, "spm"));
  if (!file_is_folder(folder)) return c.count;
  ASSERT_OK(folder_list(folder, &names, &count));
  for (size_t i = 0; i < count; i++) {
    if (!ends_with(names[i], ".model")) continue;
    ASSERT_OK(path_join(model, folder, names[i]));
    snprintf(rows, sizeof rows, "%.*s.ids.jsonl", (int)(strlen(model) - strlen(".model")), model);
    if (open_case(&c, model)) {
      ASSERT_OK(tokenizer_set_specials(c.t, NULL, NULL, 0));
      each_row(&c, rows, check_normalized);
    }
    close_case(&c);
  }
  names_free(names, count);
  return c.count;
}

// PIECES.json: {"vocab_size", "first_N": [[piece, score, kind], ...]}
static void check_pieces(Case *c, const char *path) {
  json_t *root = NULL;
  ASSERT_OK(json_read(&root, path, false));
  c->path = path;
  c->line = 0;
  verdict(c, tokenizer_vocab(c->t) == json_integer_value(json_object_get(root, "vocab_size")), "vocab_size");
  const char *key;
  json_t *list, *item;
  size_t i;
  json_object_foreach(root, key, list) {
    json_array_foreach(list, i, item) {
      const char *name = json_string_value(json_array_get(item, 0)), *got = tokenizer_piece(c->t, (int32_t)i);
      verdict(c, got && strcmp(got, name) == 0, name);
      verdict(c, tokenizer_id(c->t, name) == (int32_t)i, name);
      bool control = strcmp(json_string_value(json_array_get(item, 2)), "control") == 0;
      verdict(c, tokenizer_is_special(c->t, (int32_t)i) == control, name);
    }
  }
  json_decref(root);
}

static void tokenizer_case(Case *c, const char *text, const char *name) {
  static const struct {
    const char *end;
    void (*check)(Case *, const json_t *);
  } files[] = {{"ids", check_ids}, {"decode", check_decode_row}, {"special", check_special}};
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/../../data/tokenizers/%s/tokenizer.model", text, name);
  if (open_case(c, path)) {
    snprintf(path, sizeof path, "%s/tokenizer/%s.pieces.json", text, name);
    if (file_exists(path)) check_pieces(c, path);
    ASSERT_OK(tokenizer_set_specials(c->t, NULL, NULL, 0));
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
      snprintf(path, sizeof path, "%s/tokenizer/%s.%s.jsonl", text, name, files[i].end);
      if (file_exists(path)) each_row(c, path, files[i].check);
    }
  }
  close_case(c);
}

GoldenCount golden_text_tokenizer(const char *text) {
  Case c = {.count = {.folder = "text/tokenizer"}};
  char folder[PATH_BYTES], path[PATH_BYTES];
  char **names = NULL;
  size_t count = 0;
  ASSERT_OK(path_join(folder, text, "tokenizer"));
  if (!file_is_folder(folder)) return c.count;
  ASSERT_OK(path_join(path, folder, "special_sets.json"));
  if (file_exists(path)) ASSERT_OK(json_read(&c.sets, path, false));
  ASSERT_OK(folder_list(folder, &names, &count));
  for (size_t i = 0; i < count; i++) {
    if (!ends_with(names[i], ".ids.jsonl")) continue;
    names[i][strlen(names[i]) - strlen(".ids.jsonl")] = '\0';
    tokenizer_case(&c, text, names[i]);
  }
  names_free(names, count);
  json_decref(c.sets);
  return c.count;
}
