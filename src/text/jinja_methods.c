// Methods: what may be called as value.name(...).
#include <string.h>

#include "text/jinja_builtin.h"
#include "text/jinja_text.h"
#include "text/unicode.h"

#define METHOD_FN(name) static Err method_##name(JinjaRun *r, Value v, const Args *a, Value *out)

static Value or_none(const Args *a, int i) { return args_given(a, i) ? a->value[i] : value_none(); }

METHOD_FN(strip) { return text_strip(run_workspace(r), v, or_none(a, 0), STRIP_BOTH, out); }
METHOD_FN(lstrip) { return text_strip(run_workspace(r), v, or_none(a, 0), STRIP_LEFT, out); }
METHOD_FN(rstrip) { return text_strip(run_workspace(r), v, or_none(a, 0), STRIP_RIGHT, out); }

static Err split(JinjaRun *r, Value v, const Args *a, bool from_right, Value *out) {
  int64_t limit;
  TRY(args_int(a, 1, -1, &limit));
  return text_split(run_workspace(r), v, or_none(a, 0), limit, from_right, out);
}

METHOD_FN(split) { return split(r, v, a, false, out); }
METHOD_FN(rsplit) { return split(r, v, a, true, out); }

METHOD_FN(splitlines) {
  int64_t keep;
  TRY(args_int(a, 0, 0, &keep));
  return text_split_lines(run_workspace(r), v, keep != 0, out);
}

static bool has_end(Value v, Value part, bool at_end) {
  return v.size >= part.size &&
         (part.size == 0 || memcmp(v.text + (at_end ? v.size - part.size : 0), part.text, part.size) == 0);
}

static Err ends(Value v, const Args *a, bool at_end, Value *out) {
  Value part = a->value[0];
  *out = value_bool(false);
  if (part.kind == VALUE_TEXT) {
    out->yes = has_end(v, part, at_end);
    return ERR_OK;
  }
  CHECK(part.kind == VALUE_LIST && part.list->kind == LIST_TUPLE, ERR_FORMAT,
        "%swith first arg must be str or a tuple of str, not %s", at_end ? "ends" : "starts", value_type_name(part));
  for (int64_t i = 0; i < part.list->count; i++) {
    Value p = part.list->item[i];
    CHECK(p.kind == VALUE_TEXT, ERR_FORMAT, "tuple for %swith must only contain str, not %s", at_end ? "ends" : "starts",
          value_type_name(p));
    out->yes |= has_end(v, p, at_end);
  }
  return ERR_OK;
}

METHOD_FN(startswith) { return (void)r, ends(v, a, false, out); }
METHOD_FN(endswith) { return (void)r, ends(v, a, true, out); }
METHOD_FN(upper) { return (void)a, text_case(run_workspace(r), v, CASE_UPPER, out); }
METHOD_FN(lower) { return (void)a, text_case(run_workspace(r), v, CASE_LOWER, out); }
METHOD_FN(capitalize) { return (void)a, text_case(run_workspace(r), v, CASE_CAPITALIZE, out); }
METHOD_FN(title) { return (void)a, text_case(run_workspace(r), v, CASE_TITLE, out); }

METHOD_FN(replace) {
  Value old, by;
  int64_t limit;
  TRY(args_text(a, 0, "replace() argument 1", &old));
  TRY(args_text(a, 1, "replace() argument 2", &by));
  TRY(args_int(a, 2, -1, &limit));
  return text_replace(run_workspace(r), v, old, by, limit, out);
}

static Err find_index(JinjaRun *r, Value v, const Args *a, int64_t *index) {
  Value part;
  size_t at;
  TRY(args_text(a, 0, "find() argument 1", &part));
  TRY(text_find(run_workspace(r), v, part, 0, &at));
  *index = at == SIZE_MAX ? -1 : text_length(v.text, at);
  return ERR_OK;
}

METHOD_FN(find) {
  *out = value_int(-1);
  return find_index(r, v, a, &out->integer);
}

METHOD_FN(count) {
  Value part;
  size_t at = 0;
  TRY(args_text(a, 0, "count() argument 1", &part));
  *out = value_int(part.size == 0 ? text_length(v.text, v.size) + 1 : 0);
  while (part.size) {
    TRY(text_find(run_workspace(r), v, part, at, &at));
    if (at == SIZE_MAX) break;
    at += part.size;
    out->integer++;
  }
  return ERR_OK;
}

METHOD_FN(join) {
  Builder b = {.w = run_workspace(r), .limit = JINJA_OUTPUT_BYTES_MAX};
  ValueList *items;
  TRY(value_walk(b.w, a->value[0], &items));
  for (int64_t i = 0; i < items->count; i++) {
    Value item = items->item[i];
    CHECK(item.kind == VALUE_TEXT, ERR_FORMAT, "sequence item %lld: expected str instance, %s found", (long long)i,
          value_type_name(item));
    if (i) TRY(builder_put(&b, v.text, v.size));
    TRY(builder_put(&b, item.text, item.size));
  }
  *out = value_built(&b);
  return ERR_OK;
}

METHOD_FN(removeprefix) {
  (void)r;
  Value part;
  TRY(args_text(a, 0, "removeprefix() argument", &part));
  *out = has_end(v, part, false) ? value_text(v.text + part.size, v.size - part.size) : v;
  return ERR_OK;
}

METHOD_FN(removesuffix) {
  (void)r;
  Value part;
  TRY(args_text(a, 0, "removesuffix() argument", &part));
  *out = has_end(v, part, true) ? value_text(v.text, v.size - part.size) : v;
  return ERR_OK;
}

METHOD_FN(isdigit) {
  (void)r, (void)a;
  bool all = v.size > 0;
  for (size_t i = 0; i < v.size; i++) {
    CHECK((uint8_t)v.text[i] < 0x80, ERR_FORMAT, "isdigit of other letters than ASCII is not supported");
    all &= v.text[i] >= '0' && v.text[i] <= '9';
  }
  *out = value_bool(all);
  return ERR_OK;
}

METHOD_FN(get) {
  CHECK(a->value[0].kind != VALUE_MAP && (a->value[0].kind != VALUE_LIST || a->value[0].list->kind == LIST_TUPLE), ERR_FORMAT,
        "unhashable type: '%s'", value_type_name(a->value[0]));
  TRY(workspace_step(run_workspace(r), (size_t)v.map->count / 16 + 1));
  const Value *found = value_get(run_workspace(r), v.map, a->value[0]);
  *out = found ? *found : or_none(a, 1);
  return ERR_OK;
}

static Err view(JinjaRun *r, const ValueMap *m, bool keys, bool values, Value *out) {
  Workspace *w = run_workspace(r);
  TRY(value_list(w, LIST_VIEW, m->count, out));
  for (int64_t i = 0; i < m->count; i++) {
    Value *item = &out->list->item[i];
    if (!keys || !values) {
      *item = keys ? m->key[i] : m->value[i];
      continue;
    }
    TRY(value_list(w, LIST_TUPLE, 2, item));
    item->list->item[0] = m->key[i];
    item->list->item[1] = m->value[i];
  }
  return workspace_step(w, (size_t)m->count);
}

METHOD_FN(items) { return (void)a, view(r, v.map, true, true, out); }
METHOD_FN(keys) { return (void)a, view(r, v.map, true, false, out); }
METHOD_FN(values) { return (void)a, view(r, v.map, false, true, out); }

METHOD_FN(list_count) {
  Workspace *w = run_workspace(r);
  *out = value_int(0);
  for (int64_t i = 0; i < v.list->count; i++) {
    bool same;
    TRY(value_equal(w, v.list->item[i], a->value[0], &same));
    out->integer += same;
  }
  return workspace_step(w, (size_t)v.list->count);
}

METHOD_FN(list_index) {
  Workspace *w = run_workspace(r);
  for (int64_t i = 0; i < v.list->count; i++) {
    bool same;
    TRY(workspace_step(w, 1));
    TRY(value_equal(w, v.list->item[i], a->value[0], &same));
    *out = value_int(i);
    if (same) return ERR_OK;
  }
  FAIL(ERR_FORMAT, "the value is not in the list");
}

// Types are bits, so that a name that two types share is told apart. Without a function: Python's, not supported here.
enum { OF_TEXT = 1, OF_MAP = 2, OF_LIST = 4, OF_NUMBER = 8 };

static const struct {
  int of;
  Builtin builtin;
} methods[] = {
    {OF_TEXT, {"strip", "chars", 0, method_strip}},
    {OF_TEXT, {"lstrip", "chars", 0, method_lstrip}},
    {OF_TEXT, {"rstrip", "chars", 0, method_rstrip}},
    {OF_TEXT, {"split", "sep maxsplit", 0, method_split}},
    {OF_TEXT, {"rsplit", "sep maxsplit", 0, method_rsplit}},
    {OF_TEXT, {"splitlines", "keepends", 0, method_splitlines}},
    {OF_TEXT, {"startswith", "prefix", 1, method_startswith}},
    {OF_TEXT, {"endswith", "suffix", 1, method_endswith}},
    {OF_TEXT, {"upper", "", 0, method_upper}},
    {OF_TEXT, {"lower", "", 0, method_lower}},
    {OF_TEXT, {"capitalize", "", 0, method_capitalize}},
    {OF_TEXT, {"title", "", 0, method_title}},
    {OF_TEXT, {"replace", "old new count", 2, method_replace}},
    {OF_TEXT, {"find", "sub", 1, method_find}},
    {OF_TEXT, {"count", "sub", 1, method_count}},
    {OF_TEXT, {"join", "iterable", 1, method_join}},
    {OF_TEXT, {"removeprefix", "prefix", 1, method_removeprefix}},
    {OF_TEXT, {"removesuffix", "suffix", 1, method_removesuffix}},
    {OF_TEXT, {"isdigit", "", 0, method_isdigit}},
    {OF_MAP, {"get", "key default", 1, method_get}},
    {OF_MAP, {"items", "", 0, method_items}},
    {OF_MAP, {"keys", "", 0, method_keys}},
    {OF_MAP, {"values", "", 0, method_values}},
    {OF_LIST, {"count", "value", 1, method_list_count}},
    {OF_LIST, {"index", "value", 1, method_list_index}},
#define NO(of, name)           \
  {                            \
    of, { name, "*", 0, NULL } \
  }
    NO(OF_TEXT, "casefold"),
    NO(OF_TEXT, "center"),
    NO(OF_TEXT, "encode"),
    NO(OF_TEXT, "expandtabs"),
    NO(OF_TEXT, "format"),
    NO(OF_TEXT, "format_map"),
    NO(OF_TEXT, "index"),
    NO(OF_TEXT, "isalnum"),
    NO(OF_TEXT, "isalpha"),
    NO(OF_TEXT, "isascii"),
    NO(OF_TEXT, "isdecimal"),
    NO(OF_TEXT, "isidentifier"),
    NO(OF_TEXT, "islower"),
    NO(OF_TEXT, "isnumeric"),
    NO(OF_TEXT, "isprintable"),
    NO(OF_TEXT, "isspace"),
    NO(OF_TEXT, "istitle"),
    NO(OF_TEXT, "isupper"),
    NO(OF_TEXT, "ljust"),
    NO(OF_TEXT, "maketrans"),
    NO(OF_TEXT, "partition"),
    NO(OF_TEXT, "rfind"),
    NO(OF_TEXT, "rindex"),
    NO(OF_TEXT, "rjust"),
    NO(OF_TEXT, "rpartition"),
    NO(OF_TEXT, "swapcase"),
    NO(OF_TEXT, "translate"),
    NO(OF_TEXT, "zfill"),
    NO(OF_MAP, "clear"),
    NO(OF_MAP, "copy"),
    NO(OF_MAP, "fromkeys"),
    NO(OF_MAP, "pop"),
    NO(OF_MAP, "popitem"),
    NO(OF_MAP, "setdefault"),
    NO(OF_MAP, "update"),
    NO(OF_LIST, "append"),
    NO(OF_LIST, "clear"),
    NO(OF_LIST, "copy"),
    NO(OF_LIST, "extend"),
    NO(OF_LIST, "insert"),
    NO(OF_LIST, "pop"),
    NO(OF_LIST, "remove"),
    NO(OF_LIST, "reverse"),
    NO(OF_LIST, "sort"),
    NO(OF_NUMBER, "as_integer_ratio"),
    NO(OF_NUMBER, "bit_count"),
    NO(OF_NUMBER, "bit_length"),
    NO(OF_NUMBER, "conjugate"),
    NO(OF_NUMBER, "denominator"),
    NO(OF_NUMBER, "from_bytes"),
    NO(OF_NUMBER, "fromhex"),
    NO(OF_NUMBER, "hex"),
    NO(OF_NUMBER, "imag"),
    NO(OF_NUMBER, "is_integer"),
    NO(OF_NUMBER, "numerator"),
    NO(OF_NUMBER, "real"),
    NO(OF_NUMBER, "to_bytes"),
#undef NO
};
enum { METHODS = sizeof methods / sizeof *methods };

const Builtin *builtin_method(Value self, const char *name, size_t size) {
  int of = self.kind == VALUE_TEXT ? OF_TEXT : self.kind == VALUE_MAP ? OF_MAP : value_is_number(self) ? OF_NUMBER : 0;
  if (self.kind == VALUE_LIST && self.list->kind <= LIST_TUPLE) of = OF_LIST;
  for (size_t i = 0; i < METHODS; i++)
    if ((methods[i].of & of) && builtin_is(&methods[i].builtin, name, size)) return &methods[i].builtin;
  return NULL;
}

bool builtin_method_known(const char *name, size_t size) {
  if ((size == 5 && memcmp(name, "cycle", 5) == 0) || (size == 7 && memcmp(name, "changed", 7) == 0)) return true;  // of loop
  for (size_t i = 0; i < METHODS; i++)
    if (methods[i].builtin.fn && builtin_is(&methods[i].builtin, name, size)) return true;
  return false;
}
