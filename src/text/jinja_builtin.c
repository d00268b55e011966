#include "text/jinja_builtin.h"

const Builtin *builtin_find(const Builtin *list, size_t count, const char *name, size_t size) {
  for (size_t i = 0; i < count; i++)
    if (builtin_is(&list[i], name, size)) return &list[i];
  return NULL;
}

// The i-th name of a list of arguments, and its length.
static const char *argument_at(const Builtin *b, int i, size_t *size) {
  const char *at = b->arguments;
  for (; i > 0 && at; i--) {
    at = strchr(at, ' ');
    if (at) at++;
  }
  if (!at || !*at) return NULL;
  *size = strcspn(at, " ");
  return at;
}

int builtin_argument(const Builtin *b, const char *name, size_t size) {
  size_t n = 0;
  const char *at;
  for (int i = 0; (at = argument_at(b, i, &n)) != NULL; i++)
    if (n == size && memcmp(at, name, size) == 0) return i;
  return -1;
}

int builtin_argument_count(const Builtin *b) {
  size_t n;
  int count = 0;
  if (strcmp(b->arguments, "*") == 0) return -1;
  while (argument_at(b, count, &n)) count++;
  return count;
}

Err args_int(const Args *a, int i, int64_t fallback, int64_t *out) {
  *out = fallback;
  if (!args_given(a, i)) return ERR_OK;
  Value v = a->value[i];
  CHECK(value_is_whole(v), ERR_FORMAT, "a whole number is wanted as an argument, found %s", value_type_name(v));
  *out = value_whole(v);
  return ERR_OK;
}

Err args_text(const Args *a, int i, const char *what, Value *out) {
  *out = a->value[i];
  CHECK(out->kind == VALUE_TEXT, ERR_FORMAT, "%s must be str, not %s", what, value_type_name(*out));
  return ERR_OK;
}

Err builtin_call(JinjaRun *r, const Builtin *b, Value self, const Args *args, int first, Value *out) {
  Args rest = {0};
  CHECK(b->fn, ERR_FORMAT, "'%s' is not supported", b->name);
  bool any = builtin_argument_count(b) < 0;
  for (int64_t i = first; i < args->count; i++) {
    int64_t place = i - first;
    if (args->name[i] && !any) place = builtin_argument(b, args->name[i], strlen(args->name[i]));
    CHECK(place >= 0 && (any || place < builtin_argument_count(b)), ERR_FORMAT, "'%s' does not take this argument", b->name);
    rest.value[place] = args->value[i];
    rest.given |= 1u << place;
    rest.name[place] = args->name[i];
    rest.count++;
  }
  CHECK(rest.count >= b->needed, ERR_FORMAT, "'%s' wants %d arguments", b->name, b->needed);
  return b->fn(r, self, &rest, out);
}
