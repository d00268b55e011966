// The program: finds the sub-command, prints what went wrong, chooses the exit code.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

// Started with a standard stream closed, the next file opened would take its number, and prints would go into that file. The
// stand-in refuses: a result that nobody can receive is an error, not a success.
static void keep_standard_streams(void) {
  for (int fd = 0; fd <= 2; fd++)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) (void)open("/dev/null", fd == 1 ? O_RDONLY : O_WRONLY);
}

static char *first_word(int argc, char **argv) {
  static char help[] = "help", version[] = "version";
  if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) return help;
  return strcmp(argv[1], "--version") == 0 ? version : argv[1];
}

int main(int argc, char **argv) {
  keep_standard_streams();
  char *none[] = {first_word(argc, argv), NULL};
  bool json = cli_has(argc, argv, "--json");  // before the command takes its options out
  if (argc > 1) argv[1] = none[0];
  Err err = argc > 1 ? cli_run(argc - 1, argv + 1) : cli_run(1, none);
  if (!err) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
    fprintf(stderr, "error: standard output: %s\n", errno ? strerror(errno) : "cannot be written");
    return 1;
  }
  fflush(stdout);
  err_print(stderr, getenv("PLEIAD_TRACE") != NULL);
  if (json) cli_json_error(err);
  return cli_exit_code(err);
}
