#include "text/value.h"

#include <string.h>

#include "text/unicode.h"

Err value_copy_text(Workspace *w, const char *text, size_t size, Value *out) {
  char *copy;
  TRY(workspace_take(w, size + 1, &copy));
  if (size) memcpy(copy, text, size);
  *out = value_text(copy, size);
  return ERR_OK;
}

Err value_list(Workspace *w, ListKind kind, int64_t count, Value *out) {
  ValueList *list;
  TRY(workspace_take(w, sizeof *list, &list));
  CHECK((uint64_t)count < SIZE_MAX / sizeof(Value) / 2, ERR_MEMORY, "a list of %lld items is too long", (long long)count);
  *list = (ValueList){.kind = kind, .count = count};
  if (count) TRY(workspace_take(w, (size_t)count * sizeof(Value), &list->item));
  *out = (Value){.kind = VALUE_LIST, .list = list};
  return ERR_OK;
}

Err value_map(Workspace *w, Value *out) {
  ValueMap *map;
  TRY(workspace_take(w, sizeof *map, &map));
  *map = (ValueMap){.mark = -1};
  *out = (Value){.kind = VALUE_MAP, .map = map};
  return ERR_OK;
}

const Value *value_get_text(const ValueMap *m, const char *key, size_t size) {
  for (int64_t i = 0; i < m->count; i++)
    if (value_is_text(m->key[i], key, size)) return &m->value[i];
  return NULL;
}

const Value *value_get(Workspace *w, const ValueMap *m, Value key) {
  if (key.kind == VALUE_TEXT) return value_get_text(m, key.text, key.size);
  for (int64_t i = 0; i < m->count; i++) {
    bool same = false;
    if (!value_equal(w, m->key[i], key, &same) && same) return &m->value[i];
  }
  return NULL;
}

Err value_put(Workspace *w, ValueMap *m, Value key, Value value) {
  TRY(workspace_step(w, (size_t)m->count / 16 + 1));
  const Value *found = value_get(w, m, key);
  if (found) {
    m->value[found - m->value] = value;
    return ERR_OK;
  }
  if (m->count == m->capacity) {
    int64_t capacity = m->capacity ? 2 * m->capacity : 8;
    Value *both;
    TRY(workspace_take(w, 2 * (size_t)capacity * sizeof *both, &both));
    if (m->count) {
      memcpy(both, m->key, (size_t)m->count * sizeof *both);
      memcpy(both + capacity, m->value, (size_t)m->count * sizeof *both);
    }
    m->key = both;
    m->value = both + capacity;
    m->capacity = capacity;
  }
  m->key[m->count] = key;
  m->value[m->count++] = value;
  return ERR_OK;
}

bool value_true(Value v) {
  switch (v.kind) {
    case VALUE_UNDEFINED:
    case VALUE_NONE: return false;
    case VALUE_BOOL: return v.yes;
    case VALUE_INT: return v.integer != 0;
    case VALUE_FLOAT: return v.real != 0;
    case VALUE_TEXT: return v.size > 0;
    case VALUE_LIST: return v.list->kind == LIST_GENERATOR || v.list->count > 0;
    case VALUE_MAP: return v.map->count > 0;
    case VALUE_BIG:
    case VALUE_NAMESPACE:
    case VALUE_OTHER: break;
  }
  return true;
}

const char *value_type_name(Value v) {
  static const char *const lists[] = {"list", "tuple", "dict view", "range", "generator"};
  switch (v.kind) {
    case VALUE_UNDEFINED: return "Undefined";
    case VALUE_NONE: return "NoneType";
    case VALUE_BOOL: return "bool";
    case VALUE_INT:
    case VALUE_BIG: return "int";
    case VALUE_FLOAT: return "float";
    case VALUE_TEXT: return v.safe ? "Markup" : "str";
    case VALUE_LIST: return lists[v.list->kind];
    case VALUE_MAP: return "dict";
    case VALUE_NAMESPACE: return "Namespace";
    case VALUE_OTHER: break;
  }
  return "function";
}

bool value_is_number(Value v) {
  return v.kind == VALUE_BOOL || v.kind == VALUE_INT || v.kind == VALUE_BIG || v.kind == VALUE_FLOAT;
}

// Exact: a long double of x86-64 holds every int64 and every double.
static long double number(Value v) {
  return v.kind == VALUE_BOOL ? v.yes : v.kind == VALUE_INT ? (long double)v.integer : (long double)v.real;
}

static int sign(Value big) { return big.text[0] == '-' ? -1 : 1; }

// Of two numbers, one at least VALUE_BIG (digits without leading zeros, so a longer one is a greater one).
static Err order_big(Value a, Value b, int *order) {
  CHECK(a.kind != VALUE_FLOAT && b.kind != VALUE_FLOAT, ERR_FORMAT,
        "a whole number of more than 64 bits is not compared with a float");
  if (a.kind != VALUE_BIG) *order = -sign(b);
  else if (b.kind != VALUE_BIG || sign(a) != sign(b)) *order = sign(a);
  else if (a.size != b.size) *order = (a.size < b.size ? -1 : 1) * sign(a);
  else *order = (memcmp(a.text, b.text, a.size) > 0 ? 1 : memcmp(a.text, b.text, a.size) < 0 ? -1 : 0) * sign(a);
  return ERR_OK;
}

static Err order_at(Workspace *w, Value a, Value b, int depth, int *order);

static Err order_lists(Workspace *w, const ValueList *a, const ValueList *b, int depth, int *order) {
  CHECK(depth < VALUE_DEPTH_MAX, ERR_FORMAT, "lists nested deeper than %d are not compared", VALUE_DEPTH_MAX);
  *order = 0;
  for (int64_t i = 0; *order == 0 && i < a->count && i < b->count; i++) {
    TRY(workspace_step(w, 1));
    TRY(order_at(w, a->item[i], b->item[i], depth + 1, order));
  }
  if (*order == 0) *order = a->count < b->count ? -1 : a->count > b->count;
  return ERR_OK;
}

static Err order_at(Workspace *w, Value a, Value b, int depth, int *order) {
  if (value_is_number(a) && value_is_number(b)) {
    if (a.kind == VALUE_BIG || b.kind == VALUE_BIG) return order_big(a, b, order);
    long double x = number(a), y = number(b);
    *order = x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
    return ERR_OK;
  }
  if (a.kind == VALUE_TEXT && b.kind == VALUE_TEXT) {
    size_t size = a.size < b.size ? a.size : b.size;
    TRY(workspace_step(w, size / 64));
    int c = size ? memcmp(a.text, b.text, size) : 0;  // the order of UTF-8 is that of code points
    *order = c < 0 ? -1 : c > 0 ? 1 : a.size < b.size ? -1 : a.size > b.size;
    return ERR_OK;
  }
  if (a.kind == VALUE_LIST && b.kind == VALUE_LIST && a.list->kind == b.list->kind && a.list->kind <= LIST_TUPLE)
    return order_lists(w, a.list, b.list, depth, order);
  CHECK(a.kind != VALUE_UNDEFINED && b.kind != VALUE_UNDEFINED, ERR_FORMAT, "%s", a.kind == VALUE_UNDEFINED ? a.text : b.text);
  FAIL(ERR_FORMAT, "no order between '%s' and '%s'", value_type_name(a), value_type_name(b));
}

Err value_order(Workspace *w, Value a, Value b, int *order) { return order_at(w, a, b, 0, order); }

static Err equal_at(Workspace *w, Value a, Value b, int depth, bool *equal);

static Err equal_maps(Workspace *w, const ValueMap *a, const ValueMap *b, int depth, bool *equal) {
  *equal = a->count == b->count;
  for (int64_t i = 0; *equal && i < a->count; i++) {
    TRY(workspace_step(w, (size_t)b->count / 16 + 1));
    const Value *other = value_get(w, b, a->key[i]);
    *equal = other != NULL;
    if (other) TRY(equal_at(w, a->value[i], *other, depth + 1, equal));
  }
  return ERR_OK;
}

static Err equal_at(Workspace *w, Value a, Value b, int depth, bool *equal) {
  *equal = false;
  CHECK(depth < VALUE_DEPTH_MAX, ERR_FORMAT, "values nested deeper than %d are not compared", VALUE_DEPTH_MAX);
  if (value_is_number(a) && value_is_number(b)) {
    int order = 0;
    TRY(order_at(w, a, b, depth, &order));
    *equal = order == 0;
    return ERR_OK;
  }
  if (a.kind != b.kind) return ERR_OK;
  switch (a.kind) {
    case VALUE_UNDEFINED:
    case VALUE_NONE: *equal = true; break;
    case VALUE_TEXT:
      TRY(workspace_step(w, a.size == b.size ? a.size / 64 : 0));
      *equal = value_is_text(a, b.text, b.size);
      break;
    case VALUE_LIST: {
      if (a.list == b.list) {
        *equal = true;
        break;
      }
      CHECK(a.list->kind <= LIST_TUPLE && b.list->kind <= LIST_TUPLE, ERR_FORMAT, "a %s is not compared", value_type_name(a));
      if (a.list->kind != b.list->kind || a.list->count != b.list->count) break;
      *equal = true;
      for (int64_t i = 0; *equal && i < a.list->count; i++) {
        TRY(workspace_step(w, 1));
        TRY(equal_at(w, a.list->item[i], b.list->item[i], depth + 1, equal));
      }
      break;
    }
    case VALUE_MAP: return equal_maps(w, a.map, b.map, depth, equal);
    case VALUE_NAMESPACE: *equal = a.map == b.map; break;
    default: *equal = a.other == b.other; break;
  }
  return ERR_OK;
}

Err value_equal(Workspace *w, Value a, Value b, bool *equal) { return equal_at(w, a, b, 0, equal); }

Err value_contains(Workspace *w, Value haystack, Value needle, bool *found) {
  *found = false;
  if (haystack.kind == VALUE_TEXT) {
    CHECK(needle.kind == VALUE_TEXT, ERR_FORMAT, "'in <string>' requires string as left operand, not %s",
          value_type_name(needle));
    size_t at;
    TRY(text_find(w, haystack, needle, 0, &at));
    *found = at != SIZE_MAX;
    return ERR_OK;
  }
  if (haystack.kind == VALUE_UNDEFINED) return ERR_OK;
  if (haystack.kind == VALUE_MAP) {
    CHECK(needle.kind != VALUE_LIST || needle.list->kind == LIST_TUPLE, ERR_FORMAT, "unhashable type: '%s'",
          value_type_name(needle));
    CHECK(needle.kind != VALUE_MAP, ERR_FORMAT, "unhashable type: 'dict'");
    TRY(workspace_step(w, (size_t)haystack.map->count / 16 + 1));
    *found = value_get(w, haystack.map, needle) != NULL;
    return ERR_OK;
  }
  CHECK(haystack.kind == VALUE_LIST, ERR_FORMAT, "argument of type '%s' is not iterable", value_type_name(haystack));
  ValueList *items;
  TRY(value_walk(w, haystack, &items));
  for (int64_t i = 0; !*found && i < items->count; i++) {
    TRY(workspace_step(w, 1));
    TRY(value_equal(w, items->item[i], needle, found));
  }
  return ERR_OK;
}

static Err characters(Workspace *w, Value v, ValueList **items) {
  Value list;
  TRY(value_list(w, LIST_LIST, text_length(v.text, v.size), &list));
  size_t at = 0;
  for (int64_t i = 0; i < list.list->count; i++) {
    size_t n = utf8_size(v.text[at]);
    list.list->item[i] = value_text(v.text + at, n);
    at += n;
  }
  *items = list.list;
  return ERR_OK;
}

Err value_walk(Workspace *w, Value v, ValueList **items) {
  static ValueList none;
  *items = &none;
  if (v.kind == VALUE_UNDEFINED) return ERR_OK;
  if (v.kind == VALUE_TEXT) return characters(w, v, items);
  if (v.kind == VALUE_MAP) {
    Value keys;
    TRY(value_list(w, LIST_LIST, v.map->count, &keys));
    if (v.map->count) memcpy(keys.list->item, v.map->key, (size_t)v.map->count * sizeof(Value));
    *items = keys.list;
    return ERR_OK;
  }
  CHECK(v.kind == VALUE_LIST, ERR_FORMAT, "'%s' object is not iterable", value_type_name(v));
  if (v.list->kind == LIST_GENERATOR) {
    CHECK(!v.list->walked, ERR_FORMAT, "a generator is walked a second time, where it would be empty; make it a list first");
    v.list->walked = true;
  }
  *items = v.list;
  return ERR_OK;
}

int64_t text_length(const char *text, size_t size) {
  int64_t n = 0;
  for (size_t i = 0; i < size; i++) n += ((uint8_t)text[i] & 0xC0) != 0x80;
  return n;
}

size_t text_offset(const char *text, size_t size, int64_t index) {
  size_t at = 0;
  for (; index > 0 && at < size; index--) at += utf8_size(text[at]);
  return at;
}

bool text_is_space(uint32_t code) { return unicode_is_space(code) || (code >= 0x1C && code <= 0x1F); }

Err text_find(Workspace *w, Value text, Value part, size_t from, size_t *at) {
  *at = SIZE_MAX;
  if (from > text.size) return ERR_OK;
  const char *found = part.size == 0 ? text.text + from : memmem(text.text + from, text.size - from, part.text, part.size);
  if (found) *at = (size_t)(found - text.text);
  return workspace_step(w, ((found ? *at : text.size) - from) / 64 + 1);
}
