// Options from the command line.
#include <string.h>

#include "base/options_internal.h"

// "--key=value" or "--key": the key's length, and the value or NULL.
static size_t split(const char *arg, const char **value) {
  const char *equals = strchr(arg, '=');
  *value = equals ? equals + 1 : NULL;
  return equals ? (size_t)(equals - arg) : strlen(arg);
}

static bool is_other(const char *arg, size_t n, const char *const *others) {
  for (; others && *others; others++)
    if (strncmp(*others, arg, n) == 0 && (*others)[n] == '\0') return true;
  return false;
}

static bool is_bool_word(const char *text) {
  static const char *const words[] = {"true", "false", "yes", "no", "on", "off", NULL};
  for (int i = 0; words[i]; i++)
    if (strcmp(text, words[i]) == 0) return true;
  return false;
}

Err options_args(const Options *o, int *argc, char **argv, const char *const *others) {
  int kept = 1, i = 1;
  for (; i < *argc && strcmp(argv[i], "--") != 0; i++) {
    const char *value;
    size_t n = split(argv[i], &value);
    if (strncmp(argv[i], "--", 2) != 0 || is_other(argv[i], n, others)) {
      argv[kept++] = argv[i];
      continue;
    }
    char name[256];
    snprintf(name, sizeof name, "%.*s", n < sizeof name ? (int)n : (int)sizeof name - 1, argv[i]);
    FieldAt at;
    TRY(field_find(o, name + 2, name, &at));
    if (!at.field) return key_unknown(o, name + 2, name, others);
    bool is_bool = at.field->type == FIELD_IS_BOOL;
    if (!value && is_bool && (i + 1 >= *argc || !is_bool_word(argv[i + 1]))) value = "true";
    if (!value) {
      char want[512];
      value_wanted(at.field, want, sizeof want);
      CHECK(i + 1 < *argc, ERR_ARG, "%s needs a value: %s (%s)", name, want, at.field->help);
      value = argv[++i];
    }
    TRY(value_set(at, name + 2, value, false, name));
  }
  while (i < *argc) argv[kept++] = argv[i++];
  argv[kept] = NULL;
  *argc = kept;
  return ERR_OK;
}
