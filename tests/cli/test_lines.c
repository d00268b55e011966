// Lines through `pleiad tokenize` and `pleiad detokenize`: their order, their bytes, and who waits for whom.
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "test.h"

// The program with a pipe into it and one out of it.
typedef struct {
  pid_t pid;
  int to, from;
} Talk;

// `out_path`: what its standard output is; NULL: the pipe, as its messages.
static Talk begin(const char *threads, const char *out_path) {
  char tokenizer[PATH_BYTES];
  snprintf(tokenizer, sizeof tokenizer, "%s/tests/golden/cases/text/hf/qwen", test_root());
  int in[2], out[2];
  ASSERT(pipe(in) == 0 && pipe(out) == 0);
  Talk t = {.pid = fork(), .to = in[1], .from = out[0]};
  ASSERT(t.pid >= 0);
  if (t.pid == 0) {
    if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0 || dup2(out[1], 2) < 0) _exit(9);
    for (int i = 0; i < 2; i++) close(in[i]), close(out[i]);
    if (out_path && !freopen(out_path, "w", stdout)) _exit(9);
    execl(test_program(), "pleiad", "tokenize", "--tokenizer", tokenizer, "--threads", threads, "--jsonl", (char *)NULL);
    _exit(9);
  }
  close(in[0]);
  close(out[1]);
  return t;
}

static void say(const Talk *t, const char *text) { ASSERT_INT(write(t->to, text, strlen(text)), strlen(text)); }

// What comes within 20 s, up to `lines` newlines or the end.
static void hear(const Talk *t, int lines, char *text, size_t room) {
  size_t size = 0;
  for (double until_s = clock_s() + 20; lines > 0;) {
    struct pollfd p = {.fd = t->from, .events = POLLIN};
    ASSERT_MSG(clock_s() < until_s, "no answer in 20 s after \"%.*s\"", (int)size, text);
    if (poll(&p, 1, 100) <= 0) continue;
    ssize_t got = read(t->from, text + size, room - 1 - size);
    ASSERT(got >= 0);
    if (got == 0) break;
    for (ssize_t i = 0; i < got; i++) lines -= text[size + (size_t)i] == '\n';
    size += (size_t)got;
  }
  text[size] = '\0';
}

static int end(const Talk *t) {
  int status = 0;
  if (t->to >= 0) close(t->to);
  close(t->from);
  ASSERT(waitpid(t->pid, &status, 0) == t->pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static const char *const threads_tried[] = {"1", "2", "5"};

// The pipe stays open, and the next question depends on the answer.
TEST(a_line_is_answered_while_the_input_stays_open) {
  char answer[4096];
  for (int k = 0; k < 3; k++) {
    Talk t = begin(threads_tried[k], NULL);
    say(&t, "{\"text\": \"a\"}\n");
    hear(&t, 1, answer, sizeof answer);
    ASSERT_TEXT(answer, "{\"ids\": [64]}\n");
    say(&t, "{\"text\": \"ab\"}\n{\"bytes\": \"61\"}\n{\"text\": \"half a li");
    hear(&t, 2, answer, sizeof answer);
    ASSERT(strstr(answer, "]}\n{\"ids\": [64]}\n"));
    say(&t, "ne\"}\n");
    hear(&t, 1, answer, sizeof answer);
    ASSERT(strncmp(answer, "{\"ids\": [", 9) == 0);
    ASSERT_INT(end(&t), 0);
  }
}

// Nobody closes the input: the error must not wait for that.
TEST(a_bad_line_ends_the_run_while_the_input_stays_open) {
  char answer[4096];
  for (int k = 0; k < 3; k++) {
    Talk t = begin(threads_tried[k], NULL);
    say(&t, "{\"text\": \"a\"}\n{\"text\": \"a\"}\n{\"txt\": 1}\n{\"text\": \"a\"}\n");
    hear(&t, 100, answer, sizeof answer);  // up to its end
    ASSERT_MSG(strncmp(answer, "{\"ids\": [64]}\n{\"ids\": [64]}\nerror: ", 35) == 0, "%s", answer);
    ASSERT_MSG(strstr(answer, "standard input, line 3: wanted an object with \"text\" or \"bytes\""), "%s", answer);
    ASSERT_INT(end(&t), 1);
  }
}

TEST(a_reader_that_goes_away_ends_the_run_while_the_input_stays_open) {
  for (int k = 0; k < 3; k++) {
    Talk t = begin(threads_tried[k], NULL);
    close(t.from);
    t.from = dup(t.to);  // anything that can be closed
    say(&t, "{\"text\": \"a\"}\n");
    int status = 0, tries = 0;
    for (; waitpid(t.pid, &status, WNOHANG) == 0 && tries < 2000; tries++) usleep(10000);
    ASSERT_MSG(tries < 2000, "it still waits for input");
    ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
    close(t.to);
    close(t.from);
  }
}

static char *text_of(const char *name, size_t *size) {
  char path[PATH_BYTES], *text = NULL;
  ASSERT_OK(path_join(path, test_folder(), name));
  ASSERT_OK(file_read(path, 64 << 20, &text, size));
  return text;
}

TEST(a_full_disk_ends_the_run_while_the_input_stays_open) {
  char answer[4096];
  for (int k = 0; k < 3; k++) {
    Talk t = begin(threads_tried[k], "/dev/full");
    say(&t, "{\"text\": \"a\"}\n");
    hear(&t, 100, answer, sizeof answer);  // up to its end
    ASSERT_TEXT(answer, "error: cannot write to standard output\n");
    ASSERT_INT(end(&t), 1);
  }
}

enum { LINES = 1000 };

// Lines of many lengths, one of which is longer than several blocks, the last without a newline.
static void write_lines(bool jsonl) {
  char path[PATH_BYTES];
  ASSERT_OK(path_join(path, test_folder(), "in"));
  FILE *f = fopen(path, "w");
  ASSERT(f);
  for (int i = 0; i < LINES; i++) {
    int words = i == LINES / 2 ? 80000 : i * 7919 % 100;
    if (jsonl) fputs("{\"id\": [1, {}], \"text\": \"", f);
    for (int w = 0; w < words; w++) fprintf(f, "%s%d", w % 9 ? " wo" : jsonl ? "\\u4f60\\n\\\"" : "\xe4\xbd\xa0", i * w % 1000);
    if (jsonl) fputs("\"}", f);
    if (i < LINES - 1) fputc('\n', f);
  }
  ASSERT(fclose(f) == 0);
}

// Runs it on several numbers of threads: the output is the same, and stays in the file `out`.
static void same_on_any_threads(const char *command, const char *flags, const char *in, const char *out) {
  char line[4 * PATH_BYTES], *want = NULL;
  size_t want_size = 0, size;
  for (int k = 0; k < 3; k++) {
    snprintf(line, sizeof line, "cd '%s' && '%s' %s --tokenizer '%s/tests/golden/cases/text/hf/qwen' %s --threads %s <%s >%s",
             test_folder(), test_program(), command, test_root(), flags, threads_tried[k], in, out);
    ASSERT_INT(system(line), 0);
    char *got = text_of(out, &size);
    if (!want) {
      want = got;
      want_size = size;
      continue;
    }
    ASSERT_INT(size, want_size);
    ASSERT(memcmp(got, want, size) == 0);
    free(got);
  }
  free(want);
}

TEST(lines_of_all_lengths_keep_their_order_on_any_threads) {
  for (int jsonl = 0; jsonl < 2; jsonl++) {
    const char *flags = jsonl ? "--jsonl" : "";
    size_t in_size, size, lines = 0;
    write_lines(jsonl);
    same_on_any_threads("tokenize", flags, "in", "ids");
    same_on_any_threads("detokenize", flags, "ids", "back");
    char *in = text_of("in", &in_size), *back = text_of("back", &size);
    for (size_t i = 0; i < size; i++) lines += back[i] == '\n';
    ASSERT_INT(lines, LINES);
    if (!jsonl) ASSERT(size == in_size + 1 && memcmp(back, in, in_size) == 0);
    free(back);
    free(in);
  }
}
