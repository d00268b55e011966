// The program: finds the sub-command, prints what went wrong, chooses the exit code.
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "cli/cli.h"

typedef struct {
  const char *name;
  Err (*run)(int argc, char **argv);
} Command;

static const Command commands[] = {
#define COMMAND(name, about) {#name, cmd_##name},
#include "cli/commands.inc"
#undef COMMAND
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static const char *names[N_COMMANDS + 1];

static Err run(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "help";
  if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = "help";
  for (int i = 0; i < N_COMMANDS; i++)
    if (strcmp(name, commands[i].name) == 0) return commands[i].run(argc > 1 ? argc - 1 : 1, argc > 1 ? argv + 1 : argv);
  for (int i = 0; i < N_COMMANDS; i++) names[i] = commands[i].name;
  const char *near = name_nearest(name, names);
  if (near) FAIL(ERR_ARG, "no command \"%s\"; did you mean %s?", name, near);
  FAIL(ERR_ARG, "no command \"%s\"; see pleiad help", name);
}

int main(int argc, char **argv) {
  Err err = run(argc, argv);
  if (!err) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
    fprintf(stderr, "error: cannot write to standard output\n");
    return 1;
  }
  err_print(stderr, getenv("PLEIAD_TRACE") != NULL);
  return err == ERR_ARG ? 2 : 1;
}
