// Token files and their sources, and the broken files of the folder bad/.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/build.h"
#include "data/indexed.h"
#include "data/jsonl.h"
#include "data/tiny_tokenizer.h"
#include "golden/golden_count.h"
#include "golden/golden_data.h"
#include "test.h"

static bool same_bytes(const char *a, const char *b, size_t *at) {
  FileMap x = {0}, y = {0};
  *at = 0;
  bool same = file_map(&x, a) == ERR_OK && file_map(&y, b) == ERR_OK;
  if (same) {
    size_t n = x.size < y.size ? x.size : y.size;
    while (*at < n && x.data[*at] == y.data[*at]) ++*at;
    same = *at == x.size && *at == y.size;
  }
  if (x.path) file_unmap(&x);
  if (y.path) file_unmap(&y);
  return same;
}

static void compare_pair(GoldenCount *n, const char *golden, const char *ours, const char *what) {
  static const char *const endings[] = {".idx", ".bin"};
  for (int i = 0; i < 2; i++) {
    char a[PATH_BYTES], b[PATH_BYTES];
    size_t at;
    snprintf(a, sizeof a, "%.4000s%s", golden, endings[i]);
    snprintf(b, sizeof b, "%.4000s%s", ours, endings[i]);
    bool same = same_bytes(a, b, &at);
    golden_compare(n, same, "%s%s %s: differs at byte %zu", golden, endings[i], what, at);
  }
}

// Reads a pair and writes it again.
static Err copy_pair(const Indexed *x, const char *to) {
  IndexedWriter w;
  TRY(indexed_create(&w, to, x->type, NULL));
  Err err = ERR_OK;
  int32_t *id = malloc(((size_t)x->tokens + 1) * sizeof *id);
  for (int64_t d = 0; d < x->documents; d++) {
    for (int64_t s = indexed_document(x, d); s < indexed_document(x, d + 1); s++) {
      TRY_OUT(indexed_read(x, s, 0, indexed_length(x, s), INT64_MAX, id));
      TRY_OUT(indexed_add(&w, id, indexed_length(x, s)));
    }
    TRY_OUT(indexed_end_document(&w));
  }
  TRY_OUT(indexed_commit(&w));
out:
  free(id);
  indexed_abandon(&w, false);
  return err;
}

// The tokenizer that made a file, where it is at hand; NULL else.
static const char *tokenizer_of(const char *data, const char *name, char path[PATH_BYTES]) {
  bool small = strncmp(name, "small", 5) == 0;
  snprintf(path, PATH_BYTES, "%.3000s/%s", data,
           small ? "../text/spm/unigram_nmt_nfkc.model" : "../../data/tokenizers/telechat3/tokenizer.model");
  return file_exists(path) ? path : NULL;
}

static void compare_build(GoldenCount *n, const char *data, const char *name, const json_t *m, const char *golden) {
  char model[PATH_BYTES], source[PATH_BYTES], out[PATH_BYTES], file[256];
  if (strcmp(golden_text(m, "convention"), "megatron") != 0 || !tokenizer_of(data, name, model)) return;
  snprintf(file, sizeof file, "%.*s", (int)strcspn(golden_text(m, "source"), " "), golden_text(m, "source"));
  snprintf(source, sizeof source, "%.3000s/indexed/%s", data, file);
  snprintf(out, sizeof out, "%.3000s/built", test_folder());
  Tokenizer *t = NULL;
  if (tokenizer_open(&t, model) != ERR_OK) {
    golden_compare(n, false, "%s", err_text());
    return;
  }
  const char *const input = source;
  for (int threads = 1; threads <= 3; threads += 2) {
    BuildReport r;
    BuildOptions o = {.output = out,
                      .input = &input,
                      .inputs = 1,
                      .key = "text",
                      .tokenizer = t,
                      .tokenizer_path = model,
                      .threads = threads,
                      .eod = golden_true(m, "append_eod") ? (int32_t)golden_int(m, "eod") : -1,
                      .journal_s = 1e9,
                      .skip_bad = strstr(golden_text(m, "source"), "skipped") != NULL};
    Err err = data_build(&o, &r);
    golden_compare(n, err == ERR_OK, "%s: %s", name, err_text());
    if (!err) compare_pair(n, golden, out, "built from its source");
  }
  tokenizer_close(t);
}

GoldenCount golden_data_indexed(const char *data) {
  GoldenCount n = {.folder = "data/indexed"};
  char path[PATH_BYTES], copy[PATH_BYTES];
  json_t *root = NULL, *m;
  const char *name;
  snprintf(path, sizeof path, "%.3000s/indexed/manifest.json", data);
  snprintf(copy, sizeof copy, "%.3000s/copy", test_folder());
  golden_compare(&n, json_read(&root, path, true) == ERR_OK, "%s", err_text());
  json_object_foreach(root, name, m) {
    n.cases++;
    Indexed x;
    snprintf(path, sizeof path, "%.3000s/indexed/%.200s", data, name);
    Err err = indexed_open(&x, path);
    golden_compare(&n, err == ERR_OK, "%s", err_text());
    if (err) continue;
    golden_compare(&n,
                   x.sequences == golden_int(m, "sequences") && x.documents == golden_int(m, "documents") &&
                       x.tokens == golden_int(m, "tokens"),
                   "%s: counts", name);
    golden_compare(&n, strcmp(token_type_name(x.type), golden_text(m, "dtype")) == 0, "%s: type %s", name,
                   token_type_name(x.type));
    err = copy_pair(&x, copy);
    golden_compare(&n, err == ERR_OK, "%s", err_text());
    if (!err) compare_pair(&n, path, copy, "written again");
    indexed_close(&x);
    compare_build(&n, data, name, m, path);
  }
  json_decref(root);
  return n;
}

// ---- bad/
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

static void compare_message(GoldenCount *n, const json_t *line, const char *path, Err err) {
  const char *file = golden_text(line, "file"), *message = err_text();
  golden_compare(n, (err != ERR_OK) == (strcmp(golden_text(line, "verdict"), "reject") == 0), "%s: %s", file,
                 err ? message : "accepted");
  if (!err) return;
  size_t i;
  json_t *part;
  json_array_foreach(json_object_get(line, "message_names"), i, part) {
    const char *names = json_string_value(part);
    if (strcmp(names, "file") == 0 || strcmp(names, "idx file") == 0)
      golden_compare(n, strstr(message, path) != NULL, "%s: \"%s\" does not name the file", file, message);
    else if (strcmp(names, "bin file") == 0)
      golden_compare(n, strstr(message, ".bin") != NULL, "%s: \"%s\" does not name the .bin", file, message);
    else golden_compare(n, says_all(message, names), "%s: \"%s\" does not say \"%s\"", file, message, names);
  }
}

static void bad_indexed(GoldenCount *n, const char *data, const json_t *line) {
  char path[PATH_BYTES];
  Indexed x;
  snprintf(path, sizeof path, "%.3000s/bad/%s", data, golden_text(line, "file"));
  Err err = indexed_open(&x, path);
  compare_message(n, line, path, err);
  if (!err) indexed_close(&x);
}

static void bad_jsonl(GoldenCount *n, const char *data, const json_t *line, const Tokenizer *t) {
  char path[PATH_BYTES], out[PATH_BYTES], built[PATH_BYTES + 8];
  BuildReport r;
  snprintf(path, sizeof path, "%.3000s/bad/%s", data, golden_text(line, "file"));
  snprintf(out, sizeof out, "%.3000s/bad", test_folder());
  const char *const input = path;
  BuildOptions o = {.output = out,
                    .input = &input,
                    .inputs = 1,
                    .key = "text",
                    .tokenizer = t,
                    .tokenizer_path = "",
                    .threads = 2,
                    .eod = TINY_EOD};
  compare_message(n, line, path, data_build(&o, &r));
  static const char *const endings[] = {".bin", ".idx", ".bin.part", ".idx.part", ".journal"};
  for (int i = 0; i < 5; i++) {
    snprintf(built, sizeof built, "%s%s", out, endings[i]);
    golden_compare(n, !file_exists(built), "%s: leaves %s", path, built);
  }
}

static Tokenizer *tiny;

static void bad_line(GoldenCount *n, const char *data, json_t *line) {
  const char *reader = golden_text(line, "reader");
  if (strcmp(reader, "indexed") == 0) bad_indexed(n, data, line);
  else if (strcmp(reader, "jsonl") == 0) bad_jsonl(n, data, line, tiny);
  else n->cases--;  // another room's
}

// corpus_bad.jsonl: each line alone is good or bad, for the reason given.
static int64_t line_number;
static char *corpus_at, *corpus_end;

static void bad_corpus_line(GoldenCount *n, const char *data, json_t *line) {
  (void)data;
  Strings text = {0};
  char *end = memchr(corpus_at, '\n', (size_t)(corpus_end - corpus_at));
  if (!end) end = corpus_end;
  golden_compare(n, golden_int(line, "line") == ++line_number, "line numbers");
  Err err = jsonl_text(corpus_at, (size_t)(end - corpus_at), "text", &text);
  const char *reason = golden_text(line, "reason");
  golden_compare(n, (err == ERR_OK) == golden_true(line, "ok"), "corpus_bad line %lld: %s", (long long)line_number,
                 err ? err_text() : "accepted");
  char head[128];
  snprintf(head, sizeof head, "%.*s", (int)strcspn(reason, "("), reason);
  if (err)
    golden_compare(n, says_all(err_text(), head), "corpus_bad line %lld: \"%s\" does not say \"%s\"", (long long)line_number,
                   err_text(), head);
  corpus_at = end < corpus_end ? end + 1 : end;
  strings_free(&text);
}

GoldenCount golden_data_bad(const char *data) {
  GoldenCount n = {.folder = "data/bad"};
  Err err = tiny_tokenizer_open(&tiny, test_folder());
  golden_compare(&n, err == ERR_OK, "%s", err_text());
  if (!err) golden_each_line(&n, data, "bad/expect.jsonl", bad_line);
  tokenizer_close(tiny);
  tiny = NULL;
  char path[PATH_BYTES], *corpus = NULL;
  size_t size = 0;
  snprintf(path, sizeof path, "%.3000s/indexed/corpus_bad.jsonl", data);
  err = file_read(path, 1 << 20, &corpus, &size);
  golden_compare(&n, err == ERR_OK, "%s", err_text());
  corpus_at = corpus;
  corpus_end = corpus + size;
  line_number = 0;
  if (!err) golden_each_line(&n, data, "indexed/corpus_bad.expect.jsonl", bad_corpus_line);
  free(corpus);
  return n;
}
