// Runs the registered tests, each in a process of its own so that a crash is one failed test.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "test.h"

#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef SANITIZED
// A test is a process, and ends without giving back what it took. Leaks are looked for in the program that tests start.
const char *__asan_default_options(void);  // NOLINT: the sanitizer's name
const char *__asan_default_options(void) { return "detect_leaks=0"; }
#endif

enum { EXIT_PASSED = 0, EXIT_FAILED = 1, EXIT_SKIPPED = 77, TESTS_MAX = 4096 };

static Test *tests[TESTS_MAX];
static int n_tests;
static char folder[PATH_BYTES], program[PATH_BYTES], root[PATH_BYTES], shared[PATH_BYTES + 16];

void test_register(Test *t) {
  if (n_tests == TESTS_MAX) abort();
  tests[n_tests++] = t;
}

static void clean_folder(void) {
  if (folder[0]) (void)folder_remove(folder);
}

void test_fail(const char *file, int line, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "  %s:%d: ", file, line);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  clean_folder();
  _exit(EXIT_FAILED);
}

void test_skip(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "  skipped: ");
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  clean_folder();
  _exit(EXIT_SKIPPED);
}

bool test_has_shared(void) {
  const char *given = getenv("PLEIAD_SHARED");
  snprintf(shared, sizeof shared, "%s", given ? given : "");
  if (!given) snprintf(shared, sizeof shared, "%s/../shared", root);
  return file_is_folder(shared);
}

const char *test_shared(void) {
  if (!test_has_shared()) test_skip("no folder %s", shared);
  return shared;
}

const char *test_golden(void) {
  static char golden[2 * PATH_BYTES];
  if (test_has_shared()) snprintf(golden, sizeof golden, "%s/golden", shared);
  else snprintf(golden, sizeof golden, "%s/tests/golden/cases", root);
  return golden;
}

const char *test_folder(void) {
  if (!folder[0]) {
    const char *temp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/pleiad_test_XXXXXX", temp ? temp : "/tmp");
    if (!mkdtemp(folder)) test_fail(__FILE__, __LINE__, "no folder %s", folder);
  }
  return folder;
}

const char *test_program(void) { return program; }
const char *test_root(void) { return root; }

static const char *short_file(const char *file) {
  const char *at = strstr(file, "tests/");
  return at ? at + 6 : file;
}

static int by_name(const void *a, const void *b) {
  const Test *x = *(Test *const *)a, *y = *(Test *const *)b;
  int c = strcmp(x->file, y->file);
  return c ? c : strcmp(x->name, y->name);
}

static bool wanted(const Test *t, int argc, char **argv, bool fast) {
  if (fast && t->slow) return false;
  char full[PATH_BYTES];
  snprintf(full, sizeof full, "%s/%s", short_file(t->file), t->name);
  bool any = false;
  for (int i = 1; i < argc; i++) {
    if (argv[i][0] == '-') continue;
    any = true;
    if (strstr(full, argv[i])) return true;
  }
  return !any;
}

typedef struct Memory {
  struct Memory *next;
  char room[64 - sizeof(struct Memory *)];
} Memory;
static Memory *memory;

void *test_memory(size_t size) {
  size_t bytes = sizeof(Memory) + (size + 63) / 64 * 64;
  Memory *m = aligned_alloc(64, bytes);
  ASSERT_MSG(m, "no memory for %zu bytes", size);
  memset(m, 0, bytes);
  m->next = memory;
  memory = m;
  return m + 1;
}

static void memory_free(void) {
  for (Memory *next; memory; memory = next) {
    next = memory->next;
    free(memory);
  }
}

static int run(const Test *t) {
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    t->fn();
    fflush(NULL);
    clean_folder();
    memory_free();
    exit(EXIT_PASSED);  // exit, not _exit: the sanitizers' own checks run
  }
  int status = 0;
  if (pid < 0 || waitpid(pid, &status, 0) < 0) return EXIT_FAILED;
  if (WIFSIGNALED(status)) {
    fprintf(stderr, "  %s/%s: killed by signal %d\n", short_file(t->file), t->name, WTERMSIG(status));
    return EXIT_FAILED;
  }
  return WEXITSTATUS(status);
}

int main(int argc, char **argv) {
  bool fast = false, list = false;
  for (int i = 1; i < argc; i++) {
    fast |= strcmp(argv[i], "--fast") == 0;
    list |= strcmp(argv[i], "--list") == 0;
  }
  char self[PATH_BYTES] = "";
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  if (n > 0) self[n] = '\0';
  char *slash = strrchr(self, '/');
  if (slash) *slash = '\0';
  snprintf(program, sizeof program, "%.4000s/pleiad", self);
  snprintf(root, sizeof root, "%s", PLEIAD_ROOT);
  qsort(tests, (size_t)n_tests, sizeof tests[0], by_name);
  int passed = 0, failed = 0, skipped = 0;
  for (int i = 0; i < n_tests; i++) {
    if (!wanted(tests[i], argc, argv, fast)) continue;
    if (list) {
      printf("%s/%s%s\n", short_file(tests[i]->file), tests[i]->name, tests[i]->slow ? " (slow)" : "");
      continue;
    }
    double start_s = clock_s();
    int status = run(tests[i]);
    const char *word = status == EXIT_PASSED ? "ok" : status == EXIT_SKIPPED ? "skip" : "FAIL";
    printf("%-4s %s/%s (%.2f s)\n", word, short_file(tests[i]->file), tests[i]->name, clock_s() - start_s);
    passed += status == EXIT_PASSED;
    skipped += status == EXIT_SKIPPED;
    failed += status != EXIT_PASSED && status != EXIT_SKIPPED;
  }
  if (list) return 0;
  if (skipped) printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  else printf("%d passed, %d failed\n", passed, failed);
  return failed || passed + skipped == 0;
}
