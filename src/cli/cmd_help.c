#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "cli/cli.h"

static const struct {
  const char *name, *about;
  Err (*run)(int argc, char **argv);
} commands[] = {
#define COMMAND(name, about) {#name, about, cmd_##name},
#include "cli/commands.inc"
#undef COMMAND
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

enum { NAME_BYTES = 32 };

// As people write it: import-config.
static const char *shown(int command, char out[NAME_BYTES]) {
  snprintf(out, NAME_BYTES, "%s", commands[command].name);
  for (char *p = out; *p; p++)
    if (*p == '_') *p = '-';
  return out;
}

static Err find_command(const char *name, int *index) {
  static char text[N_COMMANDS][NAME_BYTES];
  const char *names[N_COMMANDS + 1] = {NULL};
  for (*index = 0; *index < N_COMMANDS; ++*index) {
    names[*index] = shown(*index, text[*index]);
    if (strcmp(name, names[*index]) == 0) return ERR_OK;
  }
  const char *near = name_nearest(name, names);
  if (near) FAIL(ERR_ARG, "no command \"%s\"; did you mean %s?", name, near);
  FAIL(ERR_ARG, "no command \"%s\"; see pleiad help", name);
}

Err cli_run(int argc, char **argv) {
  int index;
  TRY(find_command(argv[0], &index));
  return commands[index].run(argc, argv);
}

static Err list_json(void) {
  char name[NAME_BYTES];
  json_t *list = json_object();
  for (int i = 0; i < N_COMMANDS; i++) (void)json_object_set_new(list, shown(i, name), json_string(commands[i].about));
  return cli_json(json_pack("{s:o}", "commands", list), "the list of commands");
}

Err cmd_help(int argc, char **argv) {
  static char option[] = "--help";
  bool json = cli_flag(&argc, argv, "--json");
  if (argc > 1 && argv[1][0] != '-' && strcmp(argv[1], "help") != 0) {
    static char as_json[] = "--json";
    char *of_command[] = {argv[1], option, json ? as_json : NULL, NULL};
    return cli_run(json ? 3 : 2, of_command);
  }
  if (json) return list_json();
  printf(
      "pleiad trains, measures and talks with language models made of many small experts.\n"
      "\n"
      "usage: pleiad COMMAND [options]      pleiad COMMAND --help says more\n"
      "\n");
  char name[NAME_BYTES];
  for (int i = 0; i < N_COMMANDS; i++) printf("  %-13s %s\n", shown(i, name), commands[i].about);
  printf(
      "\n"
      "With --json a command ends with one JSON object on a line of its own, {\"error\": ...} if it failed.\n"
      "Exit code: 0 done, 1 failed, 2 called wrongly.\n"
      "PLEIAD_LOG=quiet|warn|info|debug says how much is told on the way, PLEIAD_TRACE=1 where an error passed.\n");
  return ERR_OK;
}
