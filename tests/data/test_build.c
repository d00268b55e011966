#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/file.h"
#include "base/rng.h"
#include "data/build.h"
#include "data/tiny_tokenizer.h"
#include "test.h"

static Tokenizer *tokenizer;
static BuildReport report;

// The path of a file in this test's folder; it stays.
static const char *at(const char *name) {
  enum { MOST = 64 };
  static char path[MOST][PATH_BYTES];
  for (int i = 0;; i++) {
    ASSERT(i < MOST);
    char wanted[PATH_BYTES];
    ASSERT_OK(path_join(wanted, test_folder(), name));
    if (!path[i][0]) snprintf(path[i], sizeof path[i], "%s", wanted);
    if (strcmp(path[i], wanted) == 0) return path[i];
  }
}

static void put(const char *name, const char *text) { ASSERT_OK(file_replace(at(name), text, strlen(text))); }

static BuildOptions options(const char *output) {
  if (!tokenizer) ASSERT_OK(tiny_tokenizer_open(&tokenizer, test_folder()));
  return (BuildOptions){.output = output,
                        .key = "text",
                        .tokenizer = tokenizer,
                        .tokenizer_path = "tiny",
                        .eod = TINY_EOD,
                        .threads = 2,
                        .journal_s = 1e9};
}

static Err build(BuildOptions *o, const char *input) {
  static const char *inputs[1];
  inputs[0] = input;
  o->input = inputs;
  o->inputs = 1;
  return data_build(o, &report);
}

// The document as text, "|" for the end-of-document id and between sequences nothing.
static const char *document(const char *prefix, int64_t d) {
  static char text[256];
  Indexed x;
  size_t n = 0;
  ASSERT_OK(indexed_open(&x, prefix));
  ASSERT(d < x.documents);
  for (int64_t s = indexed_document(&x, d); s < indexed_document(&x, d + 1); s++) {
    int32_t id[256];
    ASSERT(indexed_length(&x, s) < 200);
    ASSERT_OK(indexed_read(&x, s, 0, indexed_length(&x, s), TINY_VOCAB, id));
    for (int64_t i = 0; i < indexed_length(&x, s); i++) text[n++] = id[i] == TINY_EOD ? '|' : (char)id[i];
  }
  text[n] = '\0';
  indexed_close(&x);
  return text;
}

TEST(documents_never_inject_a_control_token) {
  put("a.jsonl", "{\"text\": \"x</s>y\"}\n");
  BuildOptions o = options(at("out"));
  ASSERT_OK(build(&o, at("a.jsonl")));
  ASSERT_TEXT(document(at("out"), 0), "x</s>y|");
  o.eod = -1;
  ASSERT_OK(build(&o, at("a.jsonl")));  // over the first
  ASSERT_TEXT(document(at("out"), 0), "x</s>y");
}

TEST(plain_text_is_cut_as_asked) {
  put("a.txt", "\xEF\xBB\xBFone\r\ntwo\r\n \t\r\n\r\n\r\nthree\n\n");
  BuildOptions o = options(at("out"));
  ASSERT_OK(build(&o, at("a.txt")));
  ASSERT_INT(report.documents, 1);
  ASSERT_TEXT(document(at("out"), 0), "one\r\ntwo\r\n \t\r\n\r\n\r\nthree\n\n|");
  o.split = DOCUMENT_IS_PARAGRAPH;
  ASSERT_OK(build(&o, at("a.txt")));
  ASSERT_INT(report.documents, 2);
  ASSERT_TEXT(document(at("out"), 0), "one\r\ntwo|");
  ASSERT_TEXT(document(at("out"), 1), "three|");
  o.split = DOCUMENT_IS_LINE;
  ASSERT_OK(build(&o, at("a.txt")));
  ASSERT_INT(report.documents, 3);
  ASSERT_TEXT(document(at("out"), 1), "two|");
}

TEST(folders_are_read_in_order_of_their_paths) {
  ASSERT_OK(folder_make(at("in/b")));
  put("in/c.txt", "C");
  put("in/b/x.jsonl", "{\"text\": \"B\"}");
  put("in/a.md", "A");
  put("in/e.txt", "");
  put("in/.hidden.txt", "no");
  put("in/d.png", "no");
  BuildOptions o = options(at("out"));
  ASSERT_OK(build(&o, at("in")));
  ASSERT_INT(report.documents, 4);
  ASSERT_INT(report.sequences, 3);  // an empty file is a document without tokens
  ASSERT_INT(report.ignored_files, 1);
  ASSERT_TEXT(document(at("out"), 0), "A|");
  ASSERT_TEXT(document(at("out"), 1), "B|");
  ASSERT_TEXT(document(at("out"), 2), "C|");
  ASSERT_ERR(build(&o, at("nowhere")), ERR_IO, "nowhere: no such file");
}

TEST(a_bad_line_ends_the_build_and_leaves_nothing) {
  put("a.jsonl", "{\"text\": \"good\"}\n{\"text\": \"cut\n{\"text\": 1}\n{\"text\": \"fine\"}\n");
  BuildOptions o = options(at("out"));
  o.journal_s = 0;
  ASSERT_ERR(build(&o, at("a.jsonl")), ERR_FORMAT, "a.jsonl: line 2: JSON syntax");
  static const char *const left[] = {"out.bin", "out.idx", "out.bin.part", "out.idx.part", "out.journal"};
  for (int i = 0; i < 5; i++) ASSERT(!file_exists(at(left[i])));
  o.skip_bad = true;
  ASSERT_OK(build(&o, at("a.jsonl")));
  ASSERT_INT(report.documents, 2);
  ASSERT_INT(report.skipped, 2);
  ASSERT(strstr(report.named[0], "line 2: JSON syntax") && strstr(report.named[1], "line 3: \"text\" is not a string"));
  ASSERT_TEXT(document(at("out"), 1), "fine|");
}

TEST(bad_bytes_of_plain_text_are_named) {
  put("a.txt",
      "fine\nalso\nb\xFF"
      "d\n\nnext\n");
  BuildOptions o = options(at("out"));
  o.split = DOCUMENT_IS_PARAGRAPH;
  ASSERT_ERR(build(&o, at("a.txt")), ERR_FORMAT, "a.txt: line 3: byte 1 of the line: invalid UTF-8 (0xFF)");
  o.skip_bad = true;
  ASSERT_OK(build(&o, at("a.txt")));
  ASSERT_TEXT(document(at("out"), 0), "next|");
}

TEST(no_documents_make_an_empty_file) {
  put("a.jsonl", "");
  BuildOptions o = options(at("out"));
  ASSERT_OK(build(&o, at("a.jsonl")));
  ASSERT_INT(report.documents, 0);
  Indexed x;
  ASSERT_OK(indexed_open(&x, at("out")));
  ASSERT_INT(x.sequences, 0);
  indexed_close(&x);
}

// ---- a corpus of many chunks
static char *corpus;
static size_t corpus_size;

static void make_corpus(size_t megabytes) {
  FILE *f = open_memstream(&corpus, &corpus_size);
  Rng r = rng_named(1, "corpus");
  for (uint64_t i = 0; ftello(f) < (off_t)(megabytes << 20); i++) {
    fprintf(f, "{\"id\": %llu, \"text\": \"", (unsigned long long)i);
    int words = (int)(rng_uniform(r, 0, i) * (i % 97 == 0 ? 20000 : 60));
    for (int k = 0; k < words; k++) fprintf(f, "w%d ", k);
    fputs("\"}\n", f);
  }
  ASSERT(fclose(f) == 0);
}

static void assert_same(const char *a, const char *b) {
  static const char *const endings[] = {".bin", ".idx"};
  for (int i = 0; i < 2; i++) {
    char path[PATH_BYTES + 8];
    FileMap x, y;
    snprintf(path, sizeof path, "%s%s", a, endings[i]);
    ASSERT_OK(file_map(&x, path));
    snprintf(path, sizeof path, "%s%s", b, endings[i]);
    ASSERT_OK(file_map(&y, path));
    ASSERT_INT(x.size, y.size);
    ASSERT_MSG(memcmp(x.data, y.data, x.size) == 0, "%s: other bytes", path);
    file_unmap(&x);
    file_unmap(&y);
  }
}

TEST(packed_input_and_any_thread_count_give_the_same_bytes) {
  make_corpus(3);
  ASSERT_OK(file_replace(at("a.jsonl"), corpus, corpus_size));
  size_t half = corpus_size / 2, room = ZSTD_compressBound(corpus_size);
  char *packed = malloc(room);
  for (int member = 0; member < 2; member++) {  // two members, cut within a line
    gzFile z = gzopen(at("a.jsonl.gz"), member ? "ab1" : "wb1");
    ASSERT(z && gzwrite(z, corpus + (size_t)member * half, (unsigned)(member ? corpus_size - half : half)) > 0 &&
           gzclose(z) == Z_OK);
  }
  size_t n = ZSTD_compress(packed, room, corpus, corpus_size, 1);
  ASSERT(!ZSTD_isError(n));
  ASSERT_OK(file_replace(at("a.jsonl.zst"), packed, n));
  static const char *const inputs[] = {"a.jsonl", "a.jsonl", "a.jsonl.gz", "a.jsonl.zst"};
  static const int threads[] = {1, 5, 2, 2};
  for (int i = 0; i < 4; i++) {
    BuildOptions o = options(at(i ? "other" : "out"));
    o.threads = threads[i];
    ASSERT_OK(build(&o, at(inputs[i])));
    if (i) assert_same(at("out"), at("other"));
  }
  ASSERT_OK(file_replace(at("a.jsonl.zst"), packed, n / 2));
  BuildOptions o = options(at("other"));
  ASSERT_ERR(build(&o, at("a.jsonl.zst")), ERR_FORMAT, "truncated");
  put("a.jsonl.gz", "{\"text\": 1}");
  ASSERT_ERR(build(&o, at("a.jsonl.gz")), ERR_FORMAT, "not gzip data");
  free(packed);
  free(corpus);
}

// The standard input of this process becomes `text`.
static void feed_stdin(const char *text, size_t size) {
  ASSERT_OK(file_replace(at("stdin"), text, size));
  ASSERT(freopen(at("stdin"), "rb", stdin) != NULL);
}

TEST(the_standard_input_is_read) {
  feed_stdin("{\"text\": \"in\"}\n", 15);
  BuildOptions o = options(at("out"));
  ASSERT_OK(build(&o, "-"));
  ASSERT_TEXT(document(at("out"), 0), "in|");
}

// Builds in a child that is killed after some microseconds, counted from its first journal if after_journal; says whether it
// had ended by itself.
static bool build_and_kill(BuildOptions *o, const char *input, unsigned after_us, bool after_journal) {
  fflush(NULL);
  pid_t child = fork();
  ASSERT(child >= 0);
  if (child == 0) _exit(build(o, input) == ERR_OK ? 0 : 1);
  for (int i = 0; after_journal && i < 5000 && !file_exists(at("out.journal")); i++) usleep(100);
  usleep(after_us);
  kill(child, SIGKILL);
  int status;
  ASSERT(waitpid(child, &status, 0) == child);
  ASSERT_MSG(WIFSIGNALED(status) || WEXITSTATUS(status) == 0, "the build failed");
  return !WIFSIGNALED(status);
}

static void kill_often(const char *input, TextSplit split) {
  BuildOptions o = options(at("whole"));
  o.split = split;
  ASSERT_OK(build(&o, input));
  double whole_s = report.seconds;
  BuildOptions again = options(at("out"));
  again.split = split;
  again.journal_s = 0;  // as often as can be
  Rng r = rng_named(2, "kill");
  int killed = 0, resumed = 0;
  for (unsigned round = 0; round < 12; round++) {
    for (unsigned k = 0; k < 6; k++) {
      bool begun = round % 2;  // killed soon after the first journal, else at any moment
      double at_s = rng_uniform(r, round, k) * whole_s * (begun ? 0.2 : 1.0);
      if (build_and_kill(&again, input, (unsigned)(at_s * 1e6), begun)) break;
      killed++;
    }
    ASSERT_OK(build(&again, input));
    resumed += report.resumed_documents > 0;
    assert_same(at("whole"), at("out"));
    ASSERT(!file_exists(at("out.journal")) && !file_exists(at("out.bin.part")) && !file_exists(at("out.idx.part")));
  }
  ASSERT_MSG(killed > 20 && resumed > 3, "%d killed, %d gone on with", killed, resumed);
}

SLOW_TEST(a_killed_build_goes_on_to_the_same_bytes) {
  make_corpus(4);
  gzFile z = gzopen(at("a.jsonl.gz"), "wb1");
  ASSERT(z && gzwrite(z, corpus, (unsigned)corpus_size) > 0 && gzclose(z) == Z_OK);
  kill_often(at("a.jsonl.gz"), DOCUMENT_IS_FILE);
  ASSERT_OK(file_replace(at("a.txt"), corpus, corpus_size));
  kill_often(at("a.txt"), DOCUMENT_IS_LINE);
  free(corpus);
}

TEST(an_unfinished_build_of_other_options_is_not_overwritten) {
  make_corpus(2);
  ASSERT_OK(file_replace(at("a.jsonl"), corpus, corpus_size));
  BuildOptions o = options(at("out"));
  o.journal_s = 0;
  for (unsigned us = 2000; !file_exists(at("out.journal")); us += 2000) {
    ASSERT(us < 1000000);
    if (build_and_kill(&o, at("a.jsonl"), us, false)) ASSERT_OK(folder_remove(at("out.idx")));
  }
  o.eod = -1;
  ASSERT_ERR(build(&o, at("a.jsonl")), ERR_STATE, "--fresh");
  o.fresh = true;
  ASSERT_OK(build(&o, at("a.jsonl")));
  ASSERT_INT(report.resumed_documents, 0);
  free(corpus);
}

TEST(no_space_left_keeps_what_is_done) {
  make_corpus(3);
  ASSERT_OK(file_replace(at("a.jsonl"), corpus, corpus_size));
  BuildOptions o = options(at("out"));
  o.journal_s = 0;
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){2 << 20, 2 << 20});
    Err err = build(&o, at("a.jsonl"));
    _exit(err == ERR_IO && strstr(err_text(), "out.bin.part: cannot write") ? 0 : 1);
  }
  int status;
  ASSERT(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  ASSERT(file_exists(at("out.journal")) && !file_exists(at("out.bin")) && !file_exists(at("out.idx")));
  ASSERT_OK(build(&o, at("a.jsonl")));
  ASSERT(report.resumed_documents > 0);
  o.output = at("whole");
  ASSERT_OK(build(&o, at("a.jsonl")));
  assert_same(at("whole"), at("out"));
  free(corpus);
}

SLOW_TEST(memory_does_not_grow_with_the_input) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  test_skip("a sanitizer's own memory is in the way");
#endif
#endif
  make_corpus(64);
  ASSERT_OK(file_replace(at("a.jsonl"), corpus, corpus_size));
  free(corpus);
  BuildOptions o = options(at("out"));
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) _exit(build(&o, at("a.jsonl")) == ERR_OK ? 0 : 1);
  int status;
  struct rusage use;
  ASSERT(wait4(child, &status, 0, &use) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  ASSERT_MSG(use.ru_maxrss < 100 << 10, "%ld KiB", use.ru_maxrss);
}
