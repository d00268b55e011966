// The program as a shell sees it.
#ifndef TESTS_CLI_PROGRAM_H
#define TESTS_CLI_PROGRAM_H

// Runs "pleiad ARGS" by the shell with stdout and stderr gathered into *output (free() it); returns the exit code.
int program_run(const char *args, char **output);
// The exit code must be `code`, and the output must hold `part`.
void program_expect(const char *args, int code, const char *part);

#endif
