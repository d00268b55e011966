// What a template may name: filters, tests, methods, functions. One list of each.
#ifndef TEXT_JINJA_BUILTIN_H
#define TEXT_JINJA_BUILTIN_H

#include <string.h>

#include "text/jinja_tree.h"

typedef struct JinjaRun JinjaRun;

enum { ARGS_MAX = 16 };

// The arguments of a call. Those that were not given are VALUE_UNDEFINED and not in the mask `given`.
typedef struct {
  Value value[ARGS_MAX];
  unsigned given;  // a bit each
  int64_t count;   // of the values, where the builtin takes any number ("*"); then `name` says which are named
  const char *name[ARGS_MAX];
} Args;

// self: what the filter or test is applied to, or whose method it is.
typedef Err BuiltinFn(JinjaRun *r, Value self, const Args *args, Value *out);

struct Builtin {
  const char *name;
  // The names of the arguments, with spaces between; "" for none; "*": any. `needed` of them must be given.
  const char *arguments;
  int needed;
  BuiltinFn *fn;  // NULL: known in Python or Jinja, not supported here
};

static inline bool builtin_is(const Builtin *b, const char *name, size_t size) {
  return strlen(b->name) == size && memcmp(b->name, name, size) == 0;
}
// The one of that name in a list; NULL if there is none.
const Builtin *builtin_find(const Builtin *list, size_t count, const char *name, size_t size);
const Builtin *builtin_filter(const char *name, size_t size);  // NULL if it is not known
const Builtin *builtin_test(const char *name, size_t size);
const Builtin *builtin_function(const char *name, size_t size);
// The method or attribute of Python's type of `self`.
const Builtin *builtin_method(Value self, const char *name, size_t size);
// Whether any type has a supported method of that name.
bool builtin_method_known(const char *name, size_t size);

static inline bool args_given(const Args *a, int i) { return (a->given >> i & 1) != 0; }
// The place of an argument in the builtin's list, -1 if it has none of that name.
int builtin_argument(const Builtin *b, const char *name, size_t size);
int builtin_argument_count(const Builtin *b);
// An argument as a whole number, or `fallback` where it was not given.
Err args_int(const Args *a, int i, int64_t fallback, int64_t *out);
// As text; ERR_FORMAT if it is something else.
Err args_text(const Args *a, int i, const char *what, Value *out);

// ---- used by the builtins
Workspace *run_workspace(JinjaRun *r);
// A filter or test by its name, with arguments from args->value[first] on.
Err builtin_call(JinjaRun *r, const Builtin *b, Value self, const Args *args, int first, Value *out);
// a.name and a[b] as Jinja does them.
Err value_attribute(JinjaRun *r, Value a, const char *name, size_t size, Value *out);
Err value_subscript(JinjaRun *r, Value a, Value b, Value *out);

#endif
