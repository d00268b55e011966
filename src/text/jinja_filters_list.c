#include <string.h>

#include "text/jinja_filters.h"
#include "text/jinja_text.h"

// "a.b.0": attributes and indices, from one to the next.
static Err attribute_path(JinjaRun *r, Value v, Value path, Value *out) {
  if (path.kind == VALUE_INT) return value_subscript(r, v, path, out);
  CHECK(path.kind == VALUE_TEXT, ERR_FORMAT, "an attribute is named by text, found %s", value_type_name(path));
  *out = v;
  for (size_t at = 0; at <= path.size;) {
    size_t end = at;
    bool digits = true;
    for (; end < path.size && path.text[end] != '.'; end++) digits &= path.text[end] >= '0' && path.text[end] <= '9';
    Value key = value_text(path.text + at, end - at);
    if (digits && end > at && end - at < 10) {
      key = value_int(0);
      for (size_t i = at; i < end; i++) key.integer = key.integer * 10 + (path.text[i] - '0');
    }
    TRY(value_subscript(r, *out, key, out));
    at = end + 1;
  }
  return ERR_OK;
}

FILTER_FN(items) {
  (void)a;
  Args none = {0};
  if (v.kind == VALUE_UNDEFINED) return value_list(run_workspace(r), LIST_GENERATOR, 0, out);
  CHECK(v.kind == VALUE_MAP, ERR_FORMAT, "Can only get item pairs from a mapping.");
  TRY(builtin_method(v, "items", 5)->fn(r, v, &none, out));
  out->list->kind = LIST_GENERATOR;
  return ERR_OK;
}

FILTER_FN(join) {
  Builder b = {.w = run_workspace(r), .limit = JINJA_OUTPUT_BYTES_MAX}, with = b;
  ValueList *items;
  if (args_given(a, 0)) TRY(value_str(&with, a->value[0]));
  TRY(value_walk(b.w, v, &items));
  for (int64_t i = 0; i < items->count; i++) {
    Value item = items->item[i];
    TRY(workspace_step(b.w, 1));
    if (args_given(a, 1)) TRY(attribute_path(r, item, a->value[1], &item));
    if (i) TRY(builder_put(&b, with.data, with.size));
    TRY(value_str(&b, item));
  }
  *out = value_built(&b);
  return ERR_OK;
}

FILTER_FN(list) {
  (void)a;
  ValueList *items;
  Workspace *w = run_workspace(r);
  TRY(value_walk(w, v, &items));
  TRY(value_list(w, LIST_LIST, items->count, out));
  if (items->count) memcpy(out->list->item, items->item, (size_t)items->count * sizeof(Value));
  return ERR_OK;
}

FILTER_FN(first) {
  (void)a;
  ValueList *items;
  TRY(value_walk(run_workspace(r), v, &items));
  *out = items->count ? items->item[0] : value_undefined("no first item, the sequence was empty");
  return ERR_OK;
}

FILTER_FN(last) {
  (void)a;
  ValueList *items;
  CHECK(v.kind != VALUE_LIST || v.list->kind != LIST_GENERATOR, ERR_FORMAT, "'generator' object is not reversible");
  TRY(value_walk(run_workspace(r), v, &items));
  *out = items->count ? items->item[items->count - 1] : value_undefined("no last item, the sequence was empty");
  return ERR_OK;
}

FILTER_FN(reverse) {
  if (v.kind == VALUE_TEXT) return value_slice(run_workspace(r), v, value_none(), value_none(), value_int(-1), out);
  TRY(filter_list(r, v, a, out));
  ValueList *l = out->list;
  for (int64_t i = 0, j = l->count - 1; i < j; i++, j--) {
    Value x = l->item[i];
    l->item[i] = l->item[j];
    l->item[j] = x;
  }
  // Python reverses a generator into a list, and anything else into an iterator
  l->kind = v.kind == VALUE_LIST && v.list->kind == LIST_GENERATOR ? LIST_LIST : LIST_GENERATOR;
  return ERR_OK;
}

// Whether a test (by name, with what follows it) holds; without one, whether the value is true.
static Err holds(JinjaRun *r, Value v, const Args *a, int at, bool *yes) {
  *yes = value_true(v);
  if (a->count <= at) return ERR_OK;
  CHECK(!a->name[at] && a->value[at].kind == VALUE_TEXT, ERR_FORMAT, "the name of a test is wanted");
  const Builtin *test = builtin_test(a->value[at].text, a->value[at].size);
  CHECK(test, ERR_FORMAT, "no test '%.*s' is known", (int)a->value[at].size, a->value[at].text);
  Value result;
  TRY(builtin_call(r, test, v, a, at + 1, &result));
  *yes = value_true(result);
  return ERR_OK;
}

static Err choose(JinjaRun *r, Value v, const Args *a, bool attribute, bool want, Value *out) {
  static ValueList none;
  ValueList *items = &none;
  Workspace *w = run_workspace(r);
  if (value_true(v)) TRY(value_walk(w, v, &items));
  TRY(value_list(w, LIST_GENERATOR, items->count, out));
  out->list->count = 0;
  for (int64_t i = 0; i < items->count; i++) {
    Value item = items->item[i];
    bool yes;
    TRY(workspace_step(w, 1));
    if (attribute) TRY(attribute_path(r, item, a->value[0], &item));
    TRY(holds(r, item, a, attribute, &yes));
    if (yes == want) out->list->item[out->list->count++] = items->item[i];
  }
  return ERR_OK;
}

FILTER_FN(select) { return choose(r, v, a, false, true, out); }
FILTER_FN(reject) { return choose(r, v, a, false, false, out); }
FILTER_FN(selectattr) { return choose(r, v, a, true, true, out); }
FILTER_FN(rejectattr) { return choose(r, v, a, true, false, out); }

// map('filter', ...), or map(attribute=..., default=...)
FILTER_FN(map) {
  static ValueList none;
  ValueList *items = &none;
  Workspace *w = run_workspace(r);
  const Builtin *filter = NULL;
  Value path = value_none(), otherwise = value_none();
  for (int64_t i = 0; i < a->count && a->name[0]; i++) {
    bool attribute = a->name[i] && strcmp(a->name[i], "attribute") == 0;
    CHECK(attribute || (a->name[i] && strcmp(a->name[i], "default") == 0), ERR_FORMAT, "map takes attribute= and default=");
    if (attribute) path = a->value[i];
    else otherwise = a->value[i];
  }
  if (!a->name[0]) {
    CHECK(a->value[0].kind == VALUE_TEXT, ERR_FORMAT, "map wants the name of a filter");
    filter = builtin_filter(a->value[0].text, a->value[0].size);
    CHECK(filter, ERR_FORMAT, "no filter '%.*s' is known", (int)a->value[0].size, a->value[0].text);
  } else {
    CHECK(path.kind != VALUE_NONE, ERR_FORMAT, "map wants attribute= or the name of a filter");
  }
  if (value_true(v)) TRY(value_walk(w, v, &items));
  TRY(value_list(w, LIST_GENERATOR, items->count, out));
  for (int64_t i = 0; i < items->count; i++) {
    Value *item = &out->list->item[i];
    TRY(workspace_step(w, 1));
    if (filter) TRY(builtin_call(r, filter, items->item[i], a, 1, item));
    else TRY(attribute_path(r, items->item[i], path, item));
    if (!filter && item->kind == VALUE_UNDEFINED && otherwise.kind != VALUE_NONE) *item = otherwise;
  }
  return ERR_OK;
}

// What text is sorted and compared by: without regard to case unless asked.
static Err sort_key(JinjaRun *r, Value v, bool sensitive, Value *out) {
  *out = v;
  return v.kind == VALUE_TEXT && !sensitive ? text_case(run_workspace(r), v, CASE_LOWER, out) : ERR_OK;
}

// Sorts items by their keys, stable, by merging.
static Err sort_by(JinjaRun *r, Value *item, Value *key, int64_t count, bool reverse) {
  Workspace *w = run_workspace(r);
  Value *from[2] = {item, key}, *to[2];
  TRY(workspace_take(w, (size_t)count * sizeof(Value), &to[0]));
  TRY(workspace_take(w, (size_t)count * sizeof(Value), &to[1]));
  for (int64_t width = 1; width < count; width *= 2) {
    for (int64_t begin = 0; begin < count; begin += 2 * width) {
      int64_t middle = begin + width < count ? begin + width : count,
              end = begin + 2 * width < count ? begin + 2 * width : count;
      for (int64_t i = begin, j = middle, at = begin; at < end; at++) {
        int order = 0;
        TRY(workspace_step(w, 1));
        if (i < middle && j < end) TRY(value_order(w, from[1][j], from[1][i], &order));
        bool second = i >= middle || (j < end && order == (reverse ? 1 : -1));
        int64_t take = second ? j++ : i++;
        to[0][at] = from[0][take];
        to[1][at] = from[1][take];
      }
    }
    for (int k = 0; k < 2; k++) {
      Value *other = from[k];
      from[k] = to[k];
      to[k] = other;
    }
  }
  if (from[0] != item) memcpy(item, from[0], (size_t)count * sizeof(Value));
  return ERR_OK;
}

static Err sorted(JinjaRun *r, Value v, bool sensitive, Value path, bool reverse, Value *out) {
  Args none = {0};
  Value keys;
  TRY(filter_list(r, v, &none, out));
  TRY(value_list(run_workspace(r), LIST_LIST, out->list->count, &keys));
  for (int64_t i = 0; i < keys.list->count; i++) {
    Value item = out->list->item[i];
    if (path.kind != VALUE_NONE) TRY(attribute_path(r, item, path, &item));
    TRY(sort_key(r, item, sensitive, &keys.list->item[i]));
  }
  return sort_by(r, out->list->item, keys.list->item, keys.list->count, reverse);
}

FILTER_FN(sort) {
  Value path = args_given(a, 2) ? a->value[2] : value_none();
  CHECK(path.kind != VALUE_TEXT || !memchr(path.text, ',', path.size), ERR_FORMAT,
        "sort by several attributes is not supported");
  return sorted(r, v, args_given(a, 1) && value_true(a->value[1]), path, args_given(a, 0) && value_true(a->value[0]), out);
}

FILTER_FN(dictsort) {
  Value pairs;
  CHECK(v.kind == VALUE_MAP, ERR_FORMAT, "dictsort is for a mapping, found %s", value_type_name(v));
  bool by_value = args_given(a, 1) && value_is_text(a->value[1], "value", 5);
  CHECK(!args_given(a, 1) || by_value || value_is_text(a->value[1], "key", 3), ERR_FORMAT,
        "You can only sort by either \"key\" or \"value\"");
  TRY(filter_items(r, v, a, &pairs));
  return sorted(r, pairs, args_given(a, 0) && value_true(a->value[0]), value_int(by_value),
                args_given(a, 2) && value_true(a->value[2]), out);
}

FILTER_FN(unique) {
  Workspace *w = run_workspace(r);
  ValueList *items;
  Value seen;
  TRY(value_walk(w, v, &items));
  TRY(value_list(w, LIST_GENERATOR, items->count, out));
  TRY(value_map(w, &seen));
  out->list->count = 0;
  for (int64_t i = 0; i < items->count; i++) {
    Value key = items->item[i];
    if (args_given(a, 1)) TRY(attribute_path(r, key, a->value[1], &key));
    TRY(sort_key(r, key, args_given(a, 0) && value_true(a->value[0]), &key));
    CHECK(key.kind != VALUE_MAP && key.kind != VALUE_LIST, ERR_FORMAT, "unhashable type: '%s'", value_type_name(key));
    int64_t before = seen.map->count;
    TRY(value_put(w, seen.map, key, value_none()));
    if (seen.map->count > before) out->list->item[out->list->count++] = items->item[i];
  }
  return ERR_OK;
}

static Err extreme(JinjaRun *r, Value v, int want, Value *out) {
  Workspace *w = run_workspace(r);
  ValueList *items;
  TRY(value_walk(w, v, &items));
  *out = value_undefined("no aggregated item, the sequence was empty");
  Value best = value_none();
  for (int64_t i = 0; i < items->count; i++) {
    Value key;
    int order = want;
    TRY(sort_key(r, items->item[i], false, &key));
    if (i) TRY(value_order(w, key, best, &order));
    if (order != want) continue;
    best = key;
    *out = items->item[i];
  }
  return workspace_step(w, (size_t)items->count);
}

FILTER_FN(min) { return (void)a, extreme(r, v, -1, out); }
FILTER_FN(max) { return (void)a, extreme(r, v, 1, out); }

FILTER_FN(sum) {
  Workspace *w = run_workspace(r);
  ValueList *items;
  *out = args_given(a, 1) ? a->value[1] : value_int(0);
  CHECK(out->kind != VALUE_TEXT, ERR_FORMAT, "sum() can't sum strings [use ''.join(seq) instead]");
  TRY(value_walk(w, v, &items));
  for (int64_t i = 0; i < items->count; i++) {
    Value item = items->item[i];
    TRY(workspace_step(w, 1));
    if (args_given(a, 0) && a->value[0].kind != VALUE_NONE) TRY(attribute_path(r, item, a->value[0], &item));
    TRY(value_math(w, OP_ADD, *out, item, out));
  }
  return ERR_OK;
}
