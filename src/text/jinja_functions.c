// Functions: what a template may call by name.
#include <string.h>

#include "text/jinja_run.h"

enum { RANGE_MAX = 100000 };  // as the sandbox of Jinja

#define FUNCTION_FN(name) static Err function_##name(JinjaRun *r, Value v, const Args *a, Value *out)

FUNCTION_FN(raise_exception) {
  (void)v, (void)out;
  Builder b = {.w = run_workspace(r), .limit = 1 << 16};
  TRY(value_str(&b, a->value[0]));
  FAIL(ERR_ARG, "the template refuses this conversation: %.*s", (int)(b.size > 1500 ? 1500 : b.size), b.data ? b.data : "");
}

FUNCTION_FN(strftime_now) {
  (void)v;
  Value words;
  TRY(args_text(a, 0, "strftime() argument 1", &words));
  TRY(value_copy_text(&r->work, words.text, words.size, &words));
  const char *format = words.text;
  char text[512];
  time_t seconds = time(NULL);
  struct tm now;
  if (r->now) now = *r->now;
  else (void)localtime_r(&seconds, &now);
  for (const char *s = format; *s; s++) {
    if (*s != '%') continue;
    s += s[1] == '-' ? 2 : 1;
    CHECK(*s && strchr("aAbBcdDeFHIjlmMnpRStTuUwWxXyY%", *s), ERR_FORMAT, "strftime_now: %%%.1s is not supported", s);
  }
  size_t n = *format ? strftime(text, sizeof text, format, &now) : 0;
  CHECK(n > 0 || !*format, ERR_FORMAT, "strftime_now: the format gives nothing, or more than %zu bytes", sizeof text);
  return value_copy_text(&r->work, text, n, out);
}

FUNCTION_FN(dict) {
  (void)v;
  Workspace *w = run_workspace(r);
  TRY(value_map(w, out));
  for (int64_t i = 0; i < a->count; i++) {
    Value item = a->value[i];
    if (a->name[i]) {
      TRY(value_put(w, out->map, value_text(a->name[i], strlen(a->name[i])), item));
      continue;
    }
    CHECK(item.kind == VALUE_MAP, ERR_FORMAT, "a mapping is wanted, found %s", value_type_name(item));
    for (int64_t k = 0; k < item.map->count; k++) TRY(value_put(w, out->map, item.map->key[k], item.map->value[k]));
  }
  return ERR_OK;
}

FUNCTION_FN(namespace) {
  TRY(function_dict(r, v, a, out));
  out->kind = VALUE_NAMESPACE;
  return ERR_OK;
}

FUNCTION_FN(range) {
  (void)v;
  int64_t first, second, step, start = 0, stop, count = 0;
  TRY(args_int(a, 0, 0, &first));
  TRY(args_int(a, 1, 0, &second));
  TRY(args_int(a, 2, 1, &step));
  stop = first;
  if (args_given(a, 1)) start = first, stop = second;
  CHECK(step != 0, ERR_FORMAT, "range() arg 3 must not be zero");
  __int128 span = (__int128)stop - start, by = step;
  if ((span > 0) == (by > 0) && span != 0) {
    __int128 n = (span + by - (by > 0 ? 1 : -1)) / by;
    CHECK(n <= RANGE_MAX, ERR_STATE, "a range of more than %d numbers", RANGE_MAX);
    count = (int64_t)n;
  }
  TRY(value_list(run_workspace(r), LIST_RANGE, count, out));
  for (int64_t i = 0; i < count; i++) out->list->item[i] = value_int(start + i * step);
  return workspace_step(run_workspace(r), (size_t)count);
}

static const Builtin functions[] = {
    {"dict", "*", 0, function_dict},
    {"namespace", "*", 0, function_namespace},
    {"raise_exception", "message", 1, function_raise_exception},
    {"range", "start stop step", 1, function_range},
    {"strftime_now", "format", 1, function_strftime_now},
    {"cycler", "*", 0, NULL},
    {"joiner", "*", 0, NULL},
    {"lipsum", "*", 0, NULL},
};

const Builtin *builtin_function(const char *name, size_t size) {
  return builtin_find(functions, sizeof functions / sizeof *functions, name, size);
}

Workspace *run_workspace(JinjaRun *r) { return &r->work; }
