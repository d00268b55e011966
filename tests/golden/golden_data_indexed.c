// Token files: read, written again, and built from their sources, to the same bytes.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/build.h"
#include "data/indexed.h"
#include "golden/golden.h"

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

static void compare_pair(GoldenCount *n, const char *name, const char *ours, const char *what) {
  static const char *const endings[] = {".idx", ".bin"};
  for (int i = 0; i < 2; i++) {
    char a[PATH_BYTES], b[PATH_BYTES];
    size_t at;
    golden_path(n, a, "data/indexed/%s%s", name, endings[i]);
    snprintf(b, sizeof b, "%.4000s%s", ours, endings[i]);
    bool same = same_bytes(a, b, &at);
    golden_compare(n, same, "%s %s: differs at byte %zu", a, what, at);
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

// The tokenizer that made a file, where it is at hand; NULL else. A small vocabulary is stored in 16 bits.
static const char *tokenizer_of(GoldenCount *n, const json_t *m, char path[PATH_BYTES]) {
  if (strcmp(golden_text(m, "dtype"), "uint16") != 0) return golden_tokenizer(n, path, "telechat3");
  golden_path(n, path, "text/spm/unigram_nmt_nfkc.model");
  return file_exists(path) ? path : NULL;
}

static void compare_build(GoldenCount *n, const char *name, const json_t *m) {
  char model[PATH_BYTES], source[PATH_BYTES], out[PATH_BYTES];
  golden_path(n, source, "data/indexed/%.*s", (int)strcspn(golden_text(m, "source"), " "), golden_text(m, "source"));
  if (strcmp(golden_text(m, "convention"), "megatron") != 0) return;  // the other is read, and never written
  if (!file_exists(source) || !tokenizer_of(n, m, model)) {
    golden_not_read(n, name,
                    file_exists(source) ? "its tokenizer, to be built from its source; read and written again it was"
                                        : "its source, to be built from; read and written again it was");
    return;
  }
  snprintf(out, sizeof out, "%.3000s/built", golden_scratch(n));
  Tokenizer *t = NULL;
  if (!golden_ok(n, tokenizer_open(&t, model))) return;
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
    if (golden_ok(n, data_build(&o, &r))) compare_pair(n, name, out, "built from its source");
  }
  tokenizer_close(t);
}

// The file is the one that the manifest speaks of.
static void compare_hash(GoldenCount *n, const char *name, const char *ending, const json_t *m, const char *key) {
  char path[PATH_BYTES], hash[GOLDEN_HASH_BYTES];
  if (!json_object_get(m, key)) return;
  golden_sha256(golden_path(n, path, "data/indexed/%s%s", name, ending), hash);
  golden_compare(n, strcmp(hash, golden_text(m, key)) == 0, "%s: hashes to %s, not to \"%s\"", path, hash, key);
}

static void compare_file(GoldenCount *n, const char *name, const json_t *m) {
  char path[PATH_BYTES], copy[PATH_BYTES];
  Indexed x;
  golden_path(n, path, "data/indexed/%s", name);
  if (!golden_ok(n, indexed_open(&x, path))) return;
  bool counts = x.sequences == golden_int(m, "sequences") && x.documents == golden_int(m, "documents") &&
                x.tokens == golden_int(m, "tokens");
  golden_compare(n, counts, "%s: %lld sequences, %lld documents, %lld tokens", name, (long long)x.sequences,
                 (long long)x.documents, (long long)x.tokens);
  golden_compare(n, strcmp(token_type_name(x.type), golden_text(m, "dtype")) == 0, "%s: type %s", name,
                 token_type_name(x.type));
  compare_hash(n, name, ".bin", m, "sha256_bin");
  compare_hash(n, name, ".idx", m, "sha256_idx");
  snprintf(copy, sizeof copy, "%.3000s/copy", golden_scratch(n));
  if (golden_ok(n, copy_pair(&x, copy))) compare_pair(n, name, copy, "written again");
  indexed_close(&x);
}

void golden_data_indexed(GoldenCount *n) {
  char path[PATH_BYTES];
  json_t *root = NULL, *m;
  const char *name;
  if (golden_ok(n, json_read(&root, golden_path(n, path, "%s", n->folder), true))) json_object_foreach(root, name, m) {
      n->cases++;
      compare_file(n, name, m);
      compare_build(n, name, m);
    }
  json_decref(root);
}
