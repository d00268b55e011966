// SentencePiece models that are cut or strange (the golden tests have more of them), and what the library's users rely on.
#include <stdlib.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/json.h"
#include "test.h"
#include "text/spm_make.h"
#include "text/spm_normalizer.h"
#include "text/tokenizer_backend.h"

static Err open_bytes(const Bytes *b) {
  const TokenizerBackend *backend;
  void *model;
  Err err = spm_open(&backend, &model, "made.model", b->data, b->size);
  if (!err) backend->close(model);
  return err;
}

static void small_model(Bytes *b, SpmModelType type) {
  make_reserved(b, true);
  static const char *const pieces[] = {"\xe2\x96\x81", "a", "b", "ab", "\342\226\201ab", "\xe4\xbd\xa0"};
  for (int i = 0; i < 6; i++) make_piece(b, pieces[i], 0, -(float)i, SPM_NORMAL);
  make_piece(b, "<u>", 0, 0, SPM_USER_DEFINED);
  make_options(b, (MakeOptions){.type = type, .byte_fallback = true});
}

TEST(spm_cut_models_are_refused_or_whole) {
  Bytes b = {0};
  small_model(&b, SPM_BPE);
  ASSERT_OK(open_bytes(&b));
  size_t size = b.size;
  for (b.size = 0; b.size < size; b.size++) {
    Err err = open_bytes(&b);
    ASSERT_MSG(err == ERR_OK || err == ERR_FORMAT, "%zu bytes: %s", b.size, err_text());
    if (err) ASSERT(strstr(err_text(), "made.model"));
  }
  bytes_free(&b);
}

static void refused(void fill(Bytes *), const char *part) {
  Bytes b = {0};
  fill(&b);
  ASSERT_ERR(open_bytes(&b), ERR_FORMAT, part);
  bytes_free(&b);
}

static void twice(Bytes *b) {
  make_reserved(b, false);
  make_piece(b, "x", 0, 0, SPM_NORMAL);
  make_piece(b, "x", 0, 0, SPM_NORMAL);
}
static void two_unknown(Bytes *b) {
  make_reserved(b, false);
  make_piece(b, "<u>", 0, 0, SPM_UNKNOWN);
}
static void reserved_twice(Bytes *b) {
  make_reserved(b, false);
  make_piece(b, "<s>", 0, 0, SPM_NORMAL);
  make_options(b, (MakeOptions){.type = SPM_BPE});
}
static void byte_alone(Bytes *b) {
  make_reserved(b, false);
  make_piece(b, "<0x41>", 0, 0, SPM_BYTE);
}
static void bytes_missing(Bytes *b) {
  make_reserved(b, false);
  make_options(b, (MakeOptions){.type = SPM_BPE, .byte_fallback = true});
}
static void holds_nul(Bytes *b) {
  make_reserved(b, false);
  make_piece(b, "a\0b", 3, 0, SPM_NORMAL);
}
static void not_finite(Bytes *b) {
  make_reserved(b, false);
  make_piece(b, "a", 0, 1.0f / 0.0f, SPM_NORMAL);
}
static void odd_type(Bytes *b) {
  make_reserved(b, false);
  make_piece(b, "a", 0, 0, (SpmPieceType)7);
}
static void odd_map(Bytes *b) {
  make_reserved(b, false);
  make_options(b, (MakeOptions){.type = SPM_BPE, .charsmap = "\0\4\0\0xyz", .charsmap_size = 7});
}
static void too_long(Bytes *b) {
  char *text = malloc(8000);
  ASSERT(text);
  memset(text, 'a', 8000);
  make_reserved(b, false);
  make_piece(b, text, 8000, 0, SPM_NORMAL);
  free(text);
}

TEST(spm_impossible_models_are_refused) {
  refused(twice, "pieces 3 and 4 are both \"x\"");
  refused(two_unknown, "both the unknown piece");
  refused(reserved_twice, "pieces 1 and 3 are both \"<s>\"");
  refused(byte_alone, "no byte_fallback");
  refused(bytes_missing, "<0x00> is missing");
  refused(holds_nul, "piece 3 holds a NUL byte");
  refused(not_finite, "not finite");
  refused(odd_type, "piece 3 has type 7");
  refused(odd_map, "normalizer's map");
  refused(too_long, "8000 bytes");
}

TEST(spm_ids_out_of_range_are_named) {
  Bytes b = {0}, out = {0};
  TokenizerWork *w;
  small_model(&b, SPM_BPE);
  Tokenizer *t = make_tokenizer(&b);
  ASSERT_OK(tokenizer_work_open(&w, t));
  const int32_t high[] = {3, (int32_t)tokenizer_vocab(t)}, low[] = {-1};
  ASSERT_ERR(tokenizer_decode(t, w, high, 2, false, &out), ERR_ARG, "id 266 at place 1 is out of range");
  ASSERT_ERR(tokenizer_decode(t, w, low, 1, false, &out), ERR_ARG, "id -1 at place 0");
  ASSERT_ERR(tokenizer_set_specials(t, (const char *[]){"<x>"}, (int32_t[]){266}, 1), ERR_ARG, "266");
  ASSERT_INT(tokenizer_bos(t), 1);
  ASSERT_INT(tokenizer_eos(t), 2);
  ASSERT_INT(tokenizer_pad(t), -1);
  tokenizer_work_close(w);
  tokenizer_close(t);
  bytes_free(&b);
  bytes_free(&out);
}

// The parts of a normal form do not depend on where they were asked for.
TEST(spm_normal_form_does_not_depend_on_parts) {
  static const char text[] = "  a  \xe2\x96\x81 b\xff\xfe \xe4\xbd\xa0\xe5  <u>   c \xe2\x96\x81\xe2\x96\x81  ";
  for (int mode = 0; mode < 8; mode++) {
    SpmNormalizerSpec spec = {.charsmap = {"", 0},
                              .add_dummy_prefix = mode & 1,
                              .remove_extra_whitespaces = mode & 2,
                              .escape_whitespaces = mode & 4};
    SpmNormalizer n;
    Bytes whole = {0};
    ASSERT_OK(spm_normalizer_init(&n, &spec, NULL, false, "made"));
    for (size_t limit = sizeof text; limit >= 1; limit--) {
      Bytes parts = {0};
      SpmNormalizing s = {0};
      while (!s.done) ASSERT_OK(spm_normalize(&n, &s, text, sizeof text - 1, limit, &parts));
      if (limit == sizeof text) ASSERT_OK(bytes_append(&whole, parts.data, parts.size));
      ASSERT_MSG(parts.size == whole.size && memcmp(parts.data, whole.data, whole.size) == 0, "mode %d, limit %zu", mode,
                 limit);
      bytes_free(&parts);
    }
    bytes_free(&whole);
    spm_normalizer_free(&n);
  }
}

static int run(const char *command, const char *threads, const char *in, const char *out) {
  char line[4 * PATH_BYTES];
  snprintf(line, sizeof line, "'%s' %s --threads %s --tokenizer '%s/made.model' < '%s' > '%s' 2> '%s/errors'", test_program(),
           command, threads, test_folder(), in, out, test_folder());
  int status = system(line);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void read_all(const char *path, Bytes *b) {
  FileMap f;
  ASSERT_OK(file_map(&f, path));
  b->size = 0;
  ASSERT_OK(bytes_append(b, f.data, f.size));
  file_unmap(&f);
}

TEST(tokenize_on_any_thread_count_and_back) {
  Bytes b = {0}, text = {0}, one = {0}, three = {0};
  char in[PATH_BYTES], out[PATH_BYTES], back[PATH_BYTES];
  small_model(&b, SPM_UNIGRAM);
  tokenizer_close(make_tokenizer(&b));
  for (int i = 0; i < 3000; i++) {
    char line[64];
    int n =
        snprintf(line, sizeof line, "%.*sab %d \xe4\xbd\xa0<u> \xf0\x9f\x98\x80%s", i % 7, "aabbab", i, i == 2999 ? "" : "\n");
    ASSERT_OK(bytes_append(&text, line, (size_t)n));
  }
  ASSERT_OK(path_join(in, test_folder(), "in"));
  ASSERT_OK(path_join(out, test_folder(), "out"));
  ASSERT_OK(path_join(back, test_folder(), "back"));
  ASSERT_OK(file_replace(in, text.data, text.size));
  ASSERT_INT(run("tokenize", "1", in, out), 0);
  read_all(out, &one);
  ASSERT_INT(run("tokenize", "3", in, out), 0);
  read_all(out, &three);
  ASSERT(one.size == three.size && memcmp(one.data, three.data, one.size) == 0);
  ASSERT_INT(run("detokenize", "3", out, back), 0);
  read_all(back, &three);
  ASSERT(three.size == text.size + 1 && memcmp(three.data, text.data, text.size) == 0);
  bytes_free(&b);
  bytes_free(&text);
  bytes_free(&one);
  bytes_free(&three);
}

TEST(tokenize_names_the_bad_line) {
  Bytes b = {0}, got = {0};
  char in[PATH_BYTES], out[PATH_BYTES], errors[PATH_BYTES];
  static const char lines[] = "{\"text\": \"ab\"}\n{\"bytes\": \"6162\"}\n{\"bytes\": \"6\"}\n{\"text\": \"ab\"}\n";
  small_model(&b, SPM_BPE);
  tokenizer_close(make_tokenizer(&b));
  ASSERT_OK(path_join(in, test_folder(), "in"));
  ASSERT_OK(path_join(out, test_folder(), "out"));
  ASSERT_OK(path_join(errors, test_folder(), "errors"));
  ASSERT_OK(file_replace(in, lines, sizeof lines - 1));
  ASSERT_INT(run("tokenize --jsonl", "2", in, out), 1);
  read_all(out, &got);
  static const char want[] = "{\"ids\": [263]}\n{\"ids\": [263]}\n";
  ASSERT(got.size == sizeof want - 1 && memcmp(got.data, want, got.size) == 0);
  read_all(errors, &got);
  ASSERT_OK(bytes_append(&got, "", 1));
  ASSERT_MSG(strstr(got.data, "line 3") && strstr(got.data, "even number"), "%s", got.data);
  bytes_free(&b);
  bytes_free(&got);
}
