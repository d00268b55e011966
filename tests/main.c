// Runs the registered tests, each in a process of its own so that a crash is one failed test, some at a time.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "ops/amx_trap.h"
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

enum { EXIT_PASSED = 0, EXIT_FAILED = 1, EXIT_SKIPPED = 77, TESTS_MAX = 4096, JOBS_MAX = 4 };

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

// A test that runs, and all that it says: what many say at a time is not mixed.
typedef struct {
  const Test *test;
  pid_t pid;
  FILE *said;
  double start_s;
} Running;

static void run_start(Running *r, const Test *t) {
  fflush(NULL);
  *r = (Running){.test = t, .said = tmpfile(), .start_s = clock_s()};
  if (!r->said || (r->pid = fork()) < 0) {
    perror("pleiad_tests");
    exit(EXIT_FAILED);
  }
  if (r->pid > 0) return;
  if (dup2(fileno(r->said), STDOUT_FILENO) < 0 || dup2(fileno(r->said), STDERR_FILENO) < 0) _exit(EXIT_FAILED);
  t->fn();
  fflush(NULL);
  clean_folder();
  memory_free();
  exit(EXIT_PASSED);  // exit, not _exit: the sanitizers' own checks run
}

typedef struct {
  int passed, failed, skipped;
} Counts;

static void run_end(Running *r, int status, Counts *counts) {
  char line[1024];
  rewind(r->said);
  for (size_t n; (n = fread(line, 1, sizeof line, r->said)) > 0;) fwrite(line, 1, n, stderr);
  fclose(r->said);
  if (WIFSIGNALED(status)) fprintf(stderr, "  killed by signal %d\n", WTERMSIG(status));
  const bool passed = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_PASSED;
  const bool skipped = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED;
  printf("%-4s %s/%s (%.2f s)\n",
         passed    ? "ok"
         : skipped ? "skip"
                   : "FAIL",
         short_file(r->test->file), r->test->name, clock_s() - r->start_s);
  fflush(stdout);
  counts->passed += passed;
  counts->skipped += skipped;
  counts->failed += !passed && !skipped;
  r->pid = 0;
}

// Waits for one of them.
static void run_wait(Running *running, int jobs, Counts *counts) {
  int status;
  const pid_t pid = waitpid(-1, &status, 0);
  if (pid < 0) {
    perror("pleiad_tests");
    exit(EXIT_FAILED);
  }
  for (int j = 0; j < jobs; j++)
    if (running[j].pid == pid) run_end(&running[j], status, counts);
}

static Counts run_all(int argc, char **argv, bool fast, int jobs) {
  Counts counts = {0};
  Running running[JOBS_MAX] = {0};
  int n_running = 0;
  for (int i = 0; i < n_tests; i++) {
    if (!wanted(tests[i], argc, argv, fast)) continue;
    for (; n_running == jobs; n_running--) run_wait(running, jobs, &counts);
    int free_job = 0;
    while (running[free_job].pid) free_job++;
    run_start(&running[free_job], tests[i]);
    n_running++;
  }
  for (; n_running > 0; n_running--) run_wait(running, jobs, &counts);
  return counts;
}

// --jobs N, else a test for each processor, within reason, and one more: many wait for the disk.
static int jobs_of(int argc, char **argv) {
  long jobs = sysconf(_SC_NPROCESSORS_ONLN) + 1;
  for (int i = 1; i < argc; i++)
    if (strncmp(argv[i], "--jobs=", 7) == 0) jobs = atol(argv[i] + 7);
  return jobs < 1 ? 1 : jobs > JOBS_MAX ? JOBS_MAX : (int)jobs;
}

int main(int argc, char **argv) {
  bool fast = false, list = false;
  for (int i = 1; i < argc; i++) {
    fast |= strcmp(argv[i], "--fast") == 0;
    list |= strcmp(argv[i], "--list") == 0;
    if (strcmp(argv[i], "--amx") == 0 && !amx_emulate()) fprintf(stderr, "no AMX here, nor AVX-512 for bf16 to emulate it\n");
  }
  char self[PATH_BYTES] = "";
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  if (n > 0) self[n] = '\0';
  char *slash = strrchr(self, '/');
  if (slash) *slash = '\0';
  snprintf(program, sizeof program, "%.4000s/pleiad", self);
  snprintf(root, sizeof root, "%s", PLEIAD_ROOT);
  qsort(tests, (size_t)n_tests, sizeof tests[0], by_name);
  if (list) {
    for (int i = 0; i < n_tests; i++)
      if (wanted(tests[i], argc, argv, fast))
        printf("%s/%s%s\n", short_file(tests[i]->file), tests[i]->name, tests[i]->slow ? " (slow)" : "");
    return 0;
  }
  const Counts c = run_all(argc, argv, fast, jobs_of(argc, argv));
  if (c.skipped) printf("%d passed, %d failed, %d skipped\n", c.passed, c.failed, c.skipped);
  else printf("%d passed, %d failed\n", c.passed, c.failed);
  return c.failed || c.passed + c.skipped == 0;
}
