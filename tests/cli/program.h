// The program as a shell sees it.
#ifndef TESTS_CLI_PROGRAM_H
#define TESTS_CLI_PROGRAM_H

// Runs "pleiad ARGS" by the shell with stdout and stderr gathered into *output (free() it); returns the exit code.
int program_run(const char *args, char **output);
// The exit code must be `code`, and the output must hold `part`.
void program_expect(const char *args, int code, const char *part);
// Runs a line of shell in the test's folder, where $P is the program and $B the folder of broken files, likewise.
int program_shell(char **output, const char *line);
// Makes in the test's folder: toy.bin and .idx, config.yaml (a run of two steps), text.jsonl, and t.model, its tokenizer.
void program_things(void);

#endif
