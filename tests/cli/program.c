#include "cli/program.h"

#include <stdlib.h>
#include <sys/wait.h>

#include "base/file.h"
#include "test.h"
#include "train/tiny.h"

// A sanitized program is asked for leaks, though its tests are not (tests/main.c).
int program_run(const char *args, char **output) {
  char out[PATH_BYTES], command[3 * PATH_BYTES];
  ASSERT_OK(path_join(out, test_folder(), "output"));
  snprintf(command, sizeof command, "(exec 2>&1; export ASAN_OPTIONS=detect_leaks=1; '%s' %s) >'%s'", test_program(), args,
           out);
  int status = system(command);
  size_t size = 0;
  ASSERT_OK(file_read(out, 1 << 20, output, &size));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void program_expect(const char *args, int code, const char *part) {
  char *output = NULL;
  int got = program_run(args, &output);
  ASSERT_MSG(got == code, "pleiad %s: exit code %d, want %d: %s", args, got, code, output);
  ASSERT_MSG(strstr(output, part), "pleiad %s: no \"%s\" in: %s", args, part, output);
  free(output);
}

int program_shell(char **output, const char *line) {
  static char command[8 * PATH_BYTES];
  char out[PATH_BYTES];
  ASSERT_OK(path_join(out, test_folder(), "output"));
  int n = snprintf(command, sizeof command, "cd '%s' && P='%s' && B='%s/data/bad' && { %s\n} >'%s' 2>&1", test_folder(),
                   test_program(), test_golden(), line, out);
  ASSERT(n < (int)sizeof command);
  int status = system(command);
  size_t size = 0;
  ASSERT_OK(file_read(out, 1 << 20, output, &size));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void shell_done(const char *line) {
  char *output = NULL;
  int code = program_shell(&output, line);
  ASSERT_MSG(code == 0, "%s: exit code %d: %s", line, code, output);
  free(output);
}

void program_things(void) {
  RunConfig *c = malloc(sizeof *c);
  ASSERT(c);
  tiny_data(test_folder());
  tiny_config(c, test_folder());
  c->train.steps = 2, c->lr.warmup = 0;
  char *text = NULL;
  ASSERT_OK(run_config_text(c, test_folder(), &text));
  free(text);
  free(c);
  shell_done(
      "i=0; while [ $i -lt 300 ]; do echo \"{\\\"text\\\": \\\"word $i and $((i * 7)) more\\\"}\"; i=$((i + 1)); done "
      ">text.jsonl");
  shell_done("$P tokenizer train --input text.jsonl --vocab 300 --byte-fallback --output t.model");
}
