// What every command shares: help, wrong calls, closed pipes.
#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/program.h"
#include "test.h"

TEST(help_is_easy_to_find) {
  program_expect("", 0, "usage: pleiad COMMAND");
  program_expect("help", 0, "generate");
  program_expect("--help", 0, "usage: pleiad COMMAND");
  program_expect("-h", 0, "usage: pleiad COMMAND");
  program_expect("help info", 0, "usage: pleiad info");
  program_expect("info --help", 0, "usage: pleiad info");
  program_expect("--version", 0, "pleiad ");
}

TEST(wrong_calls_exit_with_2_and_a_suggestion) {
  program_expect("trian", 2, "error: no command \"trian\"; did you mean train?");
  program_expect("zzzzzz", 2, "see pleiad help");
  program_expect("help zzzzzz", 2, "no command \"zzzzzz\"");
  program_expect("info --jsom", 2, "did you mean --json?");
  program_expect("version now", 2, "unknown argument \"now\"");
  program_expect("bench tokenize now", 2, "see pleiad bench tokenize --help");
  program_expect("chat-template render now", 2, "see pleiad chat-template render --help");
}

TEST(a_result_nobody_receives_is_an_error) {
  program_expect("help >/dev/full", 1, "error: standard output: No space left");
  program_expect("help >&-", 1, "error: standard output");
  program_expect("version <&-", 0, "pleiad ");
}

// As head does: ends reading early. The program ends by the signal, without a word.
TEST(a_closed_pipe_is_quiet) {
  char *output = NULL;
  ASSERT_INT(program_run("help | true", &output), 0);
  ASSERT_TEXT(output, "");
  free(output);
}

TEST(info_json_is_one_object) {
  char *output = NULL;
  ASSERT_INT(program_run("info --json", &output), 0);
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
  program_expect("info", 0, "processor");
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
  program_expect("info --json", 0, "\"threads\":1,");
}

TEST(numbers_on_the_command_line_are_checked) {
  program_expect("generate --model x --max-new abc", 2, "--max-new abc: a whole number from 0 to");
  program_expect("generate --model x --threads -1", 2, "--threads -1");
  program_expect("generate --model x --threads", 2, "--threads needs a value");
}

TEST(a_schedule_is_drawn) {
  char path[PATH_BYTES], args[2 * PATH_BYTES], *text;
  size_t size;
  ASSERT_OK(path_join(path, test_folder(), "step.svg"));
  snprintf(args, sizeof args, "plot --schedule --chunks 3 --micro-batches 2 --out '%s'", path);
  program_expect(args, 0, "F0.0 F1.0 F2.0 B2.0 B1.0 B0.0 F0.1");
  ASSERT_OK(file_read(path, 1 << 20, &text, &size));
  ASSERT(strncmp(text, "<svg", 4) == 0 && strstr(text, "B chunk 2 micro-batch 1") && strstr(text, "</svg>"));
  free(text);
  program_expect("plot --schedule --late-weights", 0, "at the worst");
  program_expect("plot --schedule --chunks 0", 2, "--chunks 0");
}
