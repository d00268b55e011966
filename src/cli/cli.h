// What the sub-commands share. A command gets argv[0] = its own name. It prints results on stdout and returns an Err; main
// prints the error and chooses the exit code: 0 done, 1 failed, 2 called wrongly (ERR_ARG). With --json the last line of stdout
// is one JSON object.
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

#define COMMAND(name, about) Err cmd_##name(int argc, char **argv);
#include "cli/commands.inc"
#undef COMMAND

// Runs the command argv[0]. ERR_ARG, with the nearest known one, if there is none of that name.
Err cli_run(int argc, char **argv);

// Whether "name" is in argv.
bool cli_has(int argc, char **argv, const char *name);
// Takes it out if it is there.
bool cli_flag(int *argc, char **argv, const char *name);
// Takes "name VALUE" or "name=VALUE" out of argv; *value is left as it is if absent. ERR_ARG if the value is missing.
Err cli_value(int *argc, char **argv, const char *name, const char **value);
// The same for a whole number from `low` to `high`. ERR_ARG says what was found and wanted.
Err cli_int(int *argc, char **argv, const char *name, int64_t low, int64_t high, int64_t *value);
// The same for one of some words (NULL at the end): *choice is its index. ERR_ARG lists them.
Err cli_choice(int *argc, char **argv, const char *name, const char *const *words, int *choice);
// Whether --help is among the arguments: then prints `text`, beside --json as {"help": text}, and the command returns ERR_OK.
bool cli_help(int argc, char **argv, const char *text);
// ERR_ARG that names the first argument nobody took; options: the known ones, NULL at the end, to suggest the nearest.
Err cli_no_more(int argc, char **argv, const char *const *options);
// A JSON string of any bytes, what is not UTF-8 as U+FFFD, a byte each; NULL if there is no memory.
json_t *cli_json_text(const char *text, size_t size);
// Prints the object as one line and takes it over. ERR_MEMORY, "no memory for WHAT", if it is NULL.
Err cli_json(json_t *object, const char *what);
// Prints {"error": message, "kind": name, "exit_code": code} of this thread's last error as one line, unless an object was
// printed already.
void cli_json_error(Err err);
// 1, or 2 of a wrong call.
int cli_exit_code(Err err);

#endif
