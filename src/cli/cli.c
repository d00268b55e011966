#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "base/utf8.h"

static bool told;  // whether the object of --json was printed

static void remove_args(int *argc, char **argv, int at, int count) {
  for (int i = at; i + count <= *argc; i++) argv[i] = argv[i + count];  // the NULL at the end moves along
  *argc -= count;
}

bool cli_flag(int *argc, char **argv, const char *name) {
  for (int i = 1; i < *argc; i++) {
    if (strcmp(argv[i], name) != 0) continue;
    remove_args(argc, argv, i, 1);
    return true;
  }
  return false;
}

Err cli_value(int *argc, char **argv, const char *name, const char **value) {
  size_t n = strlen(name);
  for (int i = 1; i < *argc; i++) {
    if (strncmp(argv[i], name, n) != 0) continue;
    if (argv[i][n] == '=') {
      *value = argv[i] + n + 1;
      remove_args(argc, argv, i, 1);
      return ERR_OK;
    }
    if (argv[i][n]) continue;
    CHECK(i + 1 < *argc, ERR_ARG, "%s needs a value", name);
    *value = argv[i + 1];
    remove_args(argc, argv, i, 2);
    return ERR_OK;
  }
  return ERR_OK;
}

Err cli_int(int *argc, char **argv, const char *name, int64_t low, int64_t high, int64_t *value) {
  const char *text = NULL;
  TRY(cli_value(argc, argv, name, &text));
  if (!text) return ERR_OK;
  char *end;
  errno = 0;
  long long number = strtoll(text, &end, 10);
  CHECK(end != text && *end == '\0' && errno == 0 && number >= low && number <= high, ERR_ARG,
        "%s %s: a whole number from %lld to %lld is wanted", name, text, (long long)low, (long long)high);
  *value = number;
  return ERR_OK;
}

Err cli_choice(int *argc, char **argv, const char *name, const char *const *words, int *choice) {
  const char *text = NULL;
  char known[128] = "";
  TRY(cli_value(argc, argv, name, &text));
  if (!text) return ERR_OK;
  for (int i = 0; words[i]; i++) {
    if (strcmp(text, words[i]) == 0) {
      *choice = i;
      return ERR_OK;
    }
    size_t used = strlen(known);
    snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : words[i + 1] ? ", " : " or ", words[i]);
  }
  FAIL(ERR_ARG, "%s %s: %s is wanted", name, text, known);
}

bool cli_has(int argc, char **argv, const char *name) {
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], name) == 0) return true;
  return false;
}

bool cli_help(int argc, char **argv, const char *text) {
  if (!cli_has(argc, argv, "--help") && !cli_has(argc, argv, "-h")) return false;
  if (cli_has(argc, argv, "--json")) (void)cli_json(json_pack("{s:s}", "help", text), "the help");
  else fputs(text, stdout);
  return true;
}

Err cli_no_more(int argc, char **argv, const char *const *options) {
  if (argc <= 1) return ERR_OK;
  const char *near = options ? name_nearest(argv[1], options) : NULL;
  if (near) FAIL(ERR_ARG, "%s: unknown argument \"%s\"; did you mean %s?", argv[0], argv[1], near);
  FAIL(ERR_ARG, "%s: unknown argument \"%s\"; see pleiad %s --help", argv[0], argv[1], argv[0]);
}

json_t *cli_json_text(const char *text, size_t size) {
  char *clean = malloc(3 * size + 1);
  size_t n = 0;
  if (!clean) return NULL;
  for (size_t at = 0; at < size;) {
    size_t valid = utf8_invalid_at(text + at, size - at);
    memcpy(clean + n, text + at, valid);
    n += valid;
    at += valid;
    if (at++ >= size) break;
    memcpy(clean + n, "\xef\xbf\xbd", 3);
    n += 3;
  }
  json_t *s = json_stringn(clean, n);
  free(clean);
  return s;
}

Err cli_json(json_t *object, const char *what) {
  char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
  json_decref(object);
  CHECK(text, ERR_MEMORY, "no memory for %s", what);
  puts(text);
  free(text);
  told = true;
  return ERR_OK;
}

int cli_exit_code(Err err) { return err == ERR_ARG ? 2 : 1; }

void cli_json_error(Err err) {
  if (told) return;
  json_t *message = cli_json_text(err_text(), strlen(err_text()));
  (void)cli_json(json_pack("{s:o, s:s, s:i}", "error", message, "kind", err_kind_name(err), "exit_code", cli_exit_code(err)),
                 "the error");
}
