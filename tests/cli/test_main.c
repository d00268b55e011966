// The program as a shell sees it.
#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/json.h"
#include "test.h"

// Runs "pleiad ARGS" by the shell with stdout and stderr gathered; returns the exit code.
static int pleiad(const char *args, char **output) {
  char out[PATH_BYTES], command[3 * PATH_BYTES];
  ASSERT_OK(path_join(out, test_folder(), "output"));
  snprintf(command, sizeof command, "(exec 2>&1; '%s' %s) >'%s'", test_program(), args, out);
  int status = system(command);
  size_t size = 0;
  ASSERT_OK(file_read(out, 1 << 20, output, &size));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void expect(const char *args, int code, const char *part) {
  char *output = NULL;
  int got = pleiad(args, &output);
  ASSERT_MSG(got == code, "pleiad %s: exit code %d, want %d: %s", args, got, code, output);
  ASSERT_MSG(strstr(output, part), "pleiad %s: no \"%s\" in: %s", args, part, output);
  free(output);
}

TEST(help_is_easy_to_find) {
  expect("", 0, "usage: pleiad COMMAND");
  expect("help", 0, "generate");
  expect("--help", 0, "usage: pleiad COMMAND");
  expect("-h", 0, "usage: pleiad COMMAND");
  expect("help info", 0, "usage: pleiad info");
  expect("info --help", 0, "usage: pleiad info");
  expect("--version", 0, "pleiad ");
}

TEST(wrong_calls_exit_with_2_and_a_suggestion) {
  expect("trian", 2, "error: no command \"trian\"; did you mean train?");
  expect("zzzzzz", 2, "see pleiad help");
  expect("help zzzzzz", 2, "no command \"zzzzzz\"");
  expect("info --jsom", 2, "did you mean --json?");
  expect("version now", 2, "unknown argument \"now\"");
}

TEST(a_result_nobody_receives_is_an_error) {
  expect("help >/dev/full", 1, "error: standard output: No space left");
  expect("help >&-", 1, "error: standard output");
  expect("version <&-", 0, "pleiad ");
}

// As head does: ends reading early. The program ends by the signal, without a word.
TEST(a_closed_pipe_is_quiet) {
  char *output = NULL;
  ASSERT_INT(pleiad("help | true", &output), 0);
  ASSERT_TEXT(output, "");
  free(output);
}

TEST(info_json_is_one_object) {
  char *output = NULL;
  ASSERT_INT(pleiad("info --json", &output), 0);
  json_t *root = NULL;
  ASSERT_OK(json_parse(&root, output, strlen(output), "info", true));
  int64_t threads = 0, memory = 0;
  const char *isa = NULL;
  ASSERT_OK(json_int(root, "allowed_threads", "info", &threads));
  ASSERT_OK(json_int(root, "memory_bytes", "info", &memory));
  ASSERT_OK(json_text(root, "isa", "info", &isa));
  ASSERT(threads >= 1 && memory > 1 << 20);
  ASSERT(json_object_size(json_object_get(root, "libraries")) == 8);
  json_decref(root);
  free(output);
  expect("info", 0, "processor");
}

// Started on one core, as by taskset, it stays there.
TEST(a_process_keeps_to_the_cores_it_was_given) {
  cpu_set_t all, last;
  ASSERT(sched_getaffinity(0, sizeof all, &all) == 0);
  CPU_ZERO(&last);
  size_t core = CPU_SETSIZE;
  while (!CPU_ISSET(core - 1, &all)) core--;
  CPU_SET(core - 1, &last);
  ASSERT(sched_setaffinity(0, sizeof last, &last) == 0);
  expect("info --json", 0, "\"threads\":1,");
}

TEST(numbers_on_the_command_line_are_checked) {
  expect("generate --model x --max-new abc", 2, "--max-new abc: a whole number from 0 to");
  expect("generate --model x --threads -1", 2, "--threads -1");
  expect("generate --model x --threads", 2, "--threads needs a value");
}
