// SentencePiece models: the small ones of text/spm, with the rows beside them, and the real ones of text/tokenizer, whose
// models are not part of a tree.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden/golden.h"
#include "text/tokenizer_backend.h"

enum { SPECIALS_MAX = 256 };

typedef struct {
  Tokenizer *t;
  TokenizerWork *w;
  json_t *sets;  // special_sets.json
  Bytes text, got;
  Ids ids, want;
} Case;

static void compare(GoldenCount *n, bool ok, const char *what) {
  golden_compare(n, ok, "row %lld: %s differs", (long long)n->cases, what);
}

// ---- rows

static int hex(char x) { return x <= '9' ? x - '0' : (x | 32) - 'a' + 10; }

// "text", or "bytes" in hex, into c->text.
static void take_text(GoldenCount *n, Case *c, const json_t *row) {
  const json_t *text = json_object_get(row, "text"), *bytes = json_object_get(row, "bytes");
  c->text.size = 0;
  if (json_is_string(text)) {
    golden_ok(n, bytes_append(&c->text, json_string_value(text), json_string_length(text)));
    return;
  }
  if (!json_is_string(bytes)) golden_compare(n, false, "row %lld has neither \"text\" nor \"bytes\"", (long long)n->cases);
  for (const char *s = json_string_value(bytes); s && s[0] && s[1]; s += 2) {
    char byte = (char)(hex(s[0]) * 16 + hex(s[1]));
    golden_ok(n, bytes_append(&c->text, &byte, 1));
  }
}

// "ids" into c->want.
static void take_ids(GoldenCount *n, Case *c, const json_t *row) {
  size_t i;
  json_t *id;
  c->want.count = 0;
  json_array_foreach(golden_array(n, row, "ids"), i, id) {
    json_int_t value = json_integer_value(id);
    golden_ok(n, ids_push(&c->want, value < INT32_MIN || value > INT32_MAX ? -1 : (int32_t)value));
  }
}

static void compare_ids(GoldenCount *n, Case *c, SpecialPolicy special) {
  c->ids.count = 0;
  bool ok = golden_ok(n, tokenizer_encode(c->t, c->w, c->text.data, c->text.size, special, &c->ids));
  size_t bytes = (size_t)c->want.count * sizeof c->want.id[0];
  ok = ok && c->ids.count == c->want.count && (bytes == 0 || memcmp(c->ids.id, c->want.id, bytes) == 0);
  compare(n, ok, "ids");
}

// Decoded must be `want`, or the row's own text where the row has none.
static void compare_text(GoldenCount *n, Case *c, const Bytes *got, const json_t *want, const char *what) {
  const char *text = want ? json_string_value(want) : c->text.data;
  size_t size = want ? json_string_length(want) : c->text.size;
  compare(n, got->size == size && (size == 0 || (text && memcmp(got->data, text, size) == 0)), what);
}

static void compare_decoded(GoldenCount *n, Case *c, bool keep, const json_t *want, const char *what) {
  c->got.size = 0;
  if (golden_ok(n, tokenizer_decode(c->t, c->w, c->want.id, c->want.count, keep, &c->got)))
    compare_text(n, c, &c->got, want, what);
}

static void ids_row(GoldenCount *n, const json_t *row, void *context) {
  Case *c = context;
  const json_t *normalized = json_object_get(row, "normalized");
  take_text(n, c, row);
  take_ids(n, c, row);
  compare_ids(n, c, SPECIAL_TEXT);
  compare_decoded(n, c, false, json_object_get(row, "decode"), "decode");
  if (!normalized) return;
  c->got.size = 0;
  if (golden_ok(n, tokenizer_normalize(c->t, c->text.data, c->text.size, &c->got)))
    compare_text(n, c, &c->got, normalized, "normalized");
}

static void decode_row(GoldenCount *n, const json_t *row, void *context) {
  Case *c = context;
  take_ids(n, c, row);
  if (!json_object_get(row, "error")) {
    take_text(n, c, row);
    compare_decoded(n, c, false, NULL, "decode");
    return;
  }
  c->got.size = 0;
  Err err = tokenizer_decode(c->t, c->w, c->want.id, c->want.count, false, &c->got);
  compare(n, err == ERR_ARG && strstr(err_text(), "out of range"), "error");
}

static void use_set(GoldenCount *n, Case *c, const char *name) {
  const json_t *tokens = json_object_get(json_object_get(c->sets, name), "tokens");
  const char *names[SPECIALS_MAX], *key;
  int32_t ids[SPECIALS_MAX];
  int64_t count = 0;
  json_t *id;
  golden_compare(n, !*name || json_is_object(tokens), "special_sets.json has no set \"%s\"", name);
  json_object_foreach((json_t *)(uintptr_t)tokens, key, id) {
    if (count == SPECIALS_MAX) golden_compare(n, false, "set %s has more than %d tokens", name, SPECIALS_MAX);
    if (count == SPECIALS_MAX) break;
    names[count] = key;
    ids[count++] = (int32_t)json_integer_value(id);
  }
  golden_ok(n, tokenizer_set_specials(c->t, names, ids, count));
}

static void special_row(GoldenCount *n, const json_t *row, void *context) {
  Case *c = context;
  const json_t *skip = json_object_get(row, "skip");
  bool parse = golden_true(row, "special");
  use_set(n, c, golden_text(row, "set"));
  take_text(n, c, row);
  take_ids(n, c, row);
  compare_ids(n, c, parse ? SPECIAL_PARSE : SPECIAL_TEXT);
  // Rows without special tokens say nothing of decoding (that is in NAME.ids.jsonl).
  if (parse) compare_decoded(n, c, true, json_object_get(row, "keep"), "keep");
  if (skip) compare_decoded(n, c, false, skip, "skip");
}

// ---- files

static bool open_case(GoldenCount *n, Case *c, const char *model) {
  return golden_ok(n, tokenizer_open(&c->t, model)) && golden_ok(n, tokenizer_work_open(&c->w, c->t));
}

static bool no_specials(GoldenCount *n, Case *c) { return golden_ok(n, tokenizer_set_specials(c->t, NULL, NULL, 0)); }

static void close_case(Case *c) {
  tokenizer_work_close(c->w);
  tokenizer_close(c->t);
  json_decref(c->sets);
  bytes_free(&c->text);
  bytes_free(&c->got);
  ids_free(&c->ids);
  ids_free(&c->want);
}

void golden_text_spm(GoldenCount *n) {
  char path[PATH_BYTES], rows[GOLDEN_NAME_BYTES + 16];
  Case c = {0};
  snprintf(rows, sizeof rows, "%.*s.ids.jsonl", (int)(strlen(n->folder) - strlen(".model")), n->folder);
  if (open_case(n, &c, golden_path(n, path, "%s", n->folder)) && no_specials(n, &c)) golden_each_line(n, rows, ids_row, &c);
  close_case(&c);
}

// text/tokenizer/NAME.KIND.json[l], by the model NAME; false: there is none, which is said.
static bool open_real(GoldenCount *n, Case *c, const char *kind) {
  char name[GOLDEN_NAME_BYTES], model[PATH_BYTES];
  const char *slash = strrchr(n->folder, '/');
  snprintf(name, sizeof name, "%.*s", (int)(strlen(slash + 1) - strlen(kind)), slash + 1);
  if (golden_tokenizer(n, model, name)) return open_case(n, c, model);
  golden_not_read(n, "", "the real tokenizer model, which is in no golden tree (data/tokenizers of the shared folder has it)");
  golden_path(n, model, "%s", n->folder);
  return false;
}

static void real_rows(GoldenCount *n, const char *kind, GoldenLineFn *fn) {
  Case c = {0};
  if (open_real(n, &c, kind) && no_specials(n, &c)) golden_each_line(n, n->folder, fn, &c);
  close_case(&c);
}

void golden_text_ids(GoldenCount *n) { real_rows(n, ".ids.jsonl", ids_row); }
void golden_text_decode(GoldenCount *n) { real_rows(n, ".decode.jsonl", decode_row); }

void golden_text_special(GoldenCount *n) {
  char path[PATH_BYTES];
  Case c = {0};
  bool opened = open_real(n, &c, ".special.jsonl");
  golden_path(n, path, "text/tokenizer/special_sets.json");
  if (opened && golden_ok(n, json_read(&c.sets, path, false))) golden_each_line(n, n->folder, special_row, &c);
  close_case(&c);
}

static void compare_piece(GoldenCount *n, const Tokenizer *t, int32_t id, const json_t *piece) {
  const char *name = json_string_value(json_array_get(piece, 0)), *kind = json_string_value(json_array_get(piece, 2)),
             *got = tokenizer_piece(t, id);
  bool row = name && kind;
  golden_compare(n, row && got && strcmp(got, name) == 0, "piece %d is %s", id, got ? got : "missing");
  golden_compare(n, row && tokenizer_id(t, name) == id, "the id of piece %d", id);
  golden_compare(n, row && tokenizer_is_special(t, id) == (strcmp(kind, "control") == 0), "the kind of piece %d", id);
}

// {"vocab_size", "first_N": [[piece, score, kind], ...]}
void golden_text_pieces(GoldenCount *n) {
  char path[PATH_BYTES];
  json_t *root = NULL, *list, *piece;
  const char *key;
  size_t i;
  Case c = {0};
  if (open_real(n, &c, ".pieces.json") && golden_ok(n, json_read(&root, golden_path(n, path, "%s", n->folder), false))) {
    n->cases++;
    golden_compare(n, tokenizer_vocab(c.t) == golden_int(root, "vocab_size"), "vocab_size");
    json_object_foreach(root, key, list) json_array_foreach(list, i, piece) compare_piece(n, c.t, (int32_t)i, piece);
  }
  json_decref(root);
  close_case(&c);
}
