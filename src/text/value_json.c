#include <string.h>

#include "text/value.h"

static Err from_json_at(Workspace *w, const json_t *json, int depth, Value *out);

static Err from_array(Workspace *w, const json_t *json, int depth, Value *out) {
  TRY(value_list(w, LIST_LIST, (int64_t)json_array_size(json), out));
  for (int64_t i = 0; i < out->list->count; i++)
    TRY(from_json_at(w, json_array_get(json, (size_t)i), depth + 1, &out->list->item[i]));
  return ERR_OK;
}

// An object's keys are unique already, so they are put without a look at those before.
static Err from_object(Workspace *w, const json_t *json, int depth, Value *out) {
  TRY(value_map(w, out));
  ValueMap *m = out->map;
  int64_t count = (int64_t)json_object_size(json);
  if (count == 0) return ERR_OK;
  TRY(workspace_take(w, 2 * (size_t)count * sizeof(Value), &m->key));
  m->value = m->key + count;
  m->capacity = count;
  for (void *it = json_object_iter((json_t *)(uintptr_t)json); it; it = json_object_iter_next((json_t *)(uintptr_t)json, it)) {
    m->key[m->count] = value_text(json_object_iter_key(it), json_object_iter_key_len(it));
    TRY(from_json_at(w, json_object_iter_value(it), depth + 1, &m->value[m->count]));
    m->count++;
  }
  return ERR_OK;
}

static Err from_json_at(Workspace *w, const json_t *json, int depth, Value *out) {
  CHECK(depth < VALUE_DEPTH_MAX, ERR_FORMAT, "JSON nested deeper than the limit of %d", VALUE_DEPTH_MAX);
  switch (json_typeof(json)) {
    case JSON_OBJECT: return from_object(w, json, depth, out);
    case JSON_ARRAY: return from_array(w, json, depth, out);
    case JSON_STRING: *out = value_text(json_string_value(json), json_string_length(json)); break;
    case JSON_INTEGER: *out = value_int(json_integer_value(json)); break;
    case JSON_REAL: *out = value_real(json_real_value(json)); break;
    case JSON_TRUE:
    case JSON_FALSE: *out = value_bool(json_is_true(json)); break;
    case JSON_NULL: *out = value_none(); break;
  }
  return ERR_OK;
}

Err value_from_json(Workspace *w, const json_t *json, Value *out) { return from_json_at(w, json, 0, out); }
