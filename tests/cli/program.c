#include "cli/program.h"

#include <stdlib.h>
#include <sys/wait.h>

#include "base/file.h"
#include "test.h"

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
