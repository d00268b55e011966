// Broken files of every kind: each is refused (or taken, where the table says so), and the message says what it must.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "data/build.h"
#include "data/indexed.h"
#include "data/jsonl.h"
#include "data/tiny_tokenizer.h"
#include "golden/golden.h"

// The table says in words what a message names. Where ours says it in others, they are here.
static const struct {
  const char *file, *parts[3];
} our_words[] = {
    {"json_deep_10000.json", {"nesting deeper than the limit", "offset 512"}},
    {"json_deep_objects.json", {"nesting"}},
    {"json_nul.json", {"offset 8"}},
    {"json_bad_utf8.json", {"offset 7", "invalid UTF-8"}},
    {"json_number_huge.json", {"\"n\"", "out of range"}},
    {"json_two_documents.json", {"offset 3"}},
    {"json_utf16.json", {"UTF-16 byte order mark"}},
    {"yaml_billion_laughs.yaml", {".yaml:1:", "aliases are not supported"}},
    {"yaml_self_alias.yaml", {".yaml:1:", "alias"}},
    {"yaml_tab_indent.yaml", {".yaml:2:", "tab"}},
    {"yaml_duplicate_key.yaml", {".yaml:2:", "seed", "line 1"}},
    {"yaml_deep.yaml", {"nesting"}},
    {"yaml_bad_utf8.yaml", {".yaml:1:", "UTF-8"}},
    {"yaml_unknown_tag.yaml", {".yaml:1:", "tag"}},
    {"yaml_unterminated.yaml", {"line 1"}},
    {"yaml_undefined_alias.yaml", {".yaml:1:", "nope"}},
    {"yaml_nul.yaml", {".yaml:1:"}},
    {"model_truncated.model", {"offset", "says", "left"}},
    {"model_empty.model", {"empty"}},
    {"model_text.model", {"not a SentencePiece model"}},
    {"model_git_lfs.model", {"Git LFS pointer, not the data"}},
    {"model_varint_11_bytes.model", {"offset 1", "varint too long"}},
    {"model_length_100mb.model", {"offset 0", "says 100000000 bytes", "20 left"}},
    {"model_no_pieces.model", {"no pieces"}},
    {"model_bad_piece_utf8.model", {"piece 1", "invalid UTF-8"}},
    {"model_no_unk.model", {"no unknown piece"}},
    {"tokenizer_truncated.json", {"offset"}},
    {"tokenizer_bad_regex.json", {"pre_tokenizer", "position 9 in the pattern"}},
};

// ---- messages

// Whether every word of `names` occurs in the message, letters of either case.
static bool says_all(const char *message, const char *names) {
  while (*names) {
    size_t n = strcspn(names, " ,");
    char word[128];
    snprintf(word, sizeof word, "%.*s", (int)n, names);
    if (n && !strcasestr(message, word)) return false;
    names += n;
    names += strspn(names, " ,");
  }
  return true;
}

static bool says_ours(GoldenCount *n, const char *file, const char *message) {
  bool found = false;
  for (size_t i = 0; i < sizeof our_words / sizeof our_words[0]; i++)
    for (int k = 0; k < 3 && strcmp(our_words[i].file, file) == 0 && our_words[i].parts[k]; k++) {
      golden_compare(n, strstr(message, our_words[i].parts[k]) != NULL, "%s: \"%s\" does not say \"%s\"", file, message,
                     our_words[i].parts[k]);
      found = true;
    }
  return found;
}

static void compare_message(GoldenCount *n, const json_t *line, const char *path, Err err) {
  const char *file = golden_text(line, "file"), *message = err_text();
  golden_compare(n, (err != ERR_OK) == (strcmp(golden_text(line, "verdict"), "reject") == 0), "%s: %s", file,
                 err ? message : "accepted");
  if (!err) return;
  golden_compare(n, strstr(message, file) || strstr(message, path), "%s: \"%s\" does not name the file", file, message);
  if (says_ours(n, file, message)) return;
  size_t i;
  json_t *part;
  json_array_foreach(golden_array(n, line, "message_names"), i, part) {
    const char *names = json_string_value(part) ? json_string_value(part) : "";
    if (strcmp(names, "file") == 0 || strcmp(names, "idx file") == 0) continue;
    if (strcmp(names, "bin file") == 0) names = ".bin";
    golden_compare(n, says_all(message, names), "%s: \"%s\" does not say \"%s\"", file, message, names);
  }
}

// ---- readers

static Err read_indexed(GoldenCount *n, const char *path) {
  (void)n;
  Indexed x;
  TRY(indexed_open(&x, path));
  indexed_close(&x);
  return ERR_OK;
}

static Err read_json(GoldenCount *n, const char *path) {
  (void)n;
  json_t *root = NULL;
  TRY(json_read(&root, path, true));
  json_decref(root);
  return ERR_OK;
}

static Err read_yaml(GoldenCount *n, const char *path) {
  (void)n;
  struct Seed {
    int64_t seed;
  } seed;
  static const Field fields[] = {FIELD_INT(struct Seed, seed, 0, 0, 9, "a number"), {0}};
  Options o = {0};
  options_bind(&o, fields, &seed);
  options_defaults(&o);
  return options_load(&o, path);
}

static Err read_tokenizer(GoldenCount *n, const char *path) {
  (void)n;
  Tokenizer *t;
  TRY(tokenizer_open(&t, path));
  tokenizer_close(t);
  return ERR_OK;
}

// Built into token files, of which nothing may stay.
static Err read_jsonl(GoldenCount *n, const char *path) {
  static const char *const endings[] = {".bin", ".idx", ".bin.part", ".idx.part", ".journal"};
  char out[PATH_BYTES], built[PATH_BYTES + 8];
  Tokenizer *t = NULL;
  BuildReport r;
  snprintf(out, sizeof out, "%.3000s/bad", golden_scratch(n));
  TRY(tiny_tokenizer_open(&t, golden_scratch(n)));
  BuildOptions o = {.output = out,
                    .input = &path,
                    .inputs = 1,
                    .key = "text",
                    .tokenizer = t,
                    .tokenizer_path = "",
                    .threads = 2,
                    .eod = TINY_EOD};
  Err err = data_build(&o, &r);
  for (int i = 0; err && i < 5; i++) {
    snprintf(built, sizeof built, "%s%s", out, endings[i]);
    golden_compare(n, !file_exists(built), "%s: leaves %s", path, built);
  }
  tokenizer_close(t);
  return err;
}

static const struct {
  const char *name;
  Err (*read)(GoldenCount *n, const char *path);
} kinds[] = {{"indexed", read_indexed},           {"jsonl", read_jsonl}, {"json", read_json},
             {"json (integer field)", read_json}, {"yaml", read_yaml},   {"sentencepiece", read_tokenizer},
             {"tokenizer.json", read_tokenizer}};

static void bad_line(GoldenCount *n, const json_t *line, void *context) {
  (void)context;
  char path[PATH_BYTES];
  const char *reader = golden_text(line, "reader"), *file = golden_text(line, "file");
  golden_path(n, path, "data/bad/%s", file);
  golden_compare(n, file_exists(path), "%s: no such file", path);
  if (strcmp(golden_text(line, "verdict"), "-") == 0) return;  // belongs to another
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if (strcmp(kinds[i].name, reader) != 0) continue;
    Err err = kinds[i].read(n, path);
    compare_message(n, line, path, err);
    return;
  }
  char needs[80];
  snprintf(needs, sizeof needs, "a reader of \"%.40s\" files", reader);
  golden_not_read(n, file, needs);
}
void golden_data_bad(GoldenCount *n) { golden_each_line(n, n->folder, bad_line, NULL); }

// ---- NAME.expect.jsonl: each line of NAME.jsonl alone is good or bad, for the reason given.

typedef struct {
  char *at, *end;
  int64_t line;
} Lines;

static void expect_line(GoldenCount *n, const json_t *line, void *context) {
  Lines *l = context;
  Strings text = {0};
  char *end = l->at < l->end ? memchr(l->at, '\n', (size_t)(l->end - l->at)) : NULL;
  if (!end) end = l->end;
  l->line++;
  golden_compare(n, golden_int(line, "line") == l->line, "line %lld where %lld is due", (long long)golden_int(line, "line"),
                 (long long)l->line);
  Err err = jsonl_text(l->at, (size_t)(end - l->at), "text", &text);
  golden_compare(n, (err == ERR_OK) == golden_true(line, "ok"), "line %lld: %s", (long long)l->line,
                 err ? err_text() : "accepted");
  const char *reason = golden_text(line, "reason");
  char head[128];
  snprintf(head, sizeof head, "%.*s", (int)strcspn(reason, "("), reason);
  if (err)
    golden_compare(n, says_all(err_text(), head), "line %lld: \"%s\" does not say \"%s\"", (long long)l->line, err_text(),
                   head);
  l->at = end < l->end ? end + 1 : end;
  strings_free(&text);
}

void golden_data_lines(GoldenCount *n) {
  char path[PATH_BYTES], *text = NULL;
  size_t size = 0;
  golden_path(n, path, "%.*s.jsonl", (int)(strlen(n->folder) - strlen(".expect.jsonl")), n->folder);
  if (!golden_ok(n, file_read(path, 1 << 24, &text, &size))) return;
  Lines lines = {text, text + size, 0};
  golden_each_line(n, n->folder, expect_line, &lines);
  free(text);
}
