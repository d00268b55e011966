// Any bytes as a line of JSON: our scanner and jansson say the same, but for numbers out of range, which only jansson refuses.
// seeds: golden/data/bad/lines_*.jsonl golden/data/bad/json_*.json golden/data/indexed/*.jsonl
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "data/jsonl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A line is good when it is an object whose last "text" is a string or a list of strings.
static bool good_by_tree(const json_t *root, Strings *text) {
  const json_t *value = json_object_get(root, "text");
  if (json_is_string(value))
    return strings_append(text, json_string_value(value), json_string_length(value)) == ERR_OK && strings_end(text) == ERR_OK;
  if (!json_is_array(value)) return false;
  for (size_t i = 0; i < json_array_size(value); i++) {
    const json_t *one = json_array_get(value, i);
    if (!json_is_string(one)) return false;
    if (strings_append(text, json_string_value(one), json_string_length(one)) != ERR_OK || strings_end(text) != ERR_OK) abort();
  }
  return true;
}

// The last "ids" is a list of int32.
static bool ids_by_tree(const json_t *root, Ids *ids) {
  const json_t *list = json_object_get(root, "ids");
  if (!json_is_array(list)) return false;
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *one = json_array_get(list, i);
    json_int_t v = json_integer_value(one);
    if (!json_is_integer(one) || v < INT32_MIN || v > INT32_MAX) return false;
    if (ids_push(ids, (int32_t)v) != ERR_OK) abort();
  }
  return true;
}

static void compare_ids(const char *line, size_t size, const json_t *root) {
  Ids ours = {0}, theirs = {0};
  bool good = jsonl_ids(line, size, "ids", &ours) == ERR_OK;
  if (good != (root && ids_by_tree(root, &theirs))) abort();
  if (good && (ours.count != theirs.count || (ours.count && memcmp(ours.id, theirs.id, 4 * (size_t)ours.count) != 0))) abort();
  ids_free(&ours);
  ids_free(&theirs);
}

// "text" if it is a string, else "bytes" if it is one.
static void compare_choice(const char *line, size_t size, const json_t *root) {
  static const char *const keys[] = {"text", "bytes"};
  Strings ours = {0};
  int which = -1;
  bool good = jsonl_string(line, size, keys, 2, &ours, &which) == ERR_OK;
  if (good != json_is_object(root)) abort();
  if (good && which < 2) {
    const json_t *value = json_object_get(root, keys[which]);
    if (!json_is_string(value) || json_string_length(value) != ours.size) abort();
    if (ours.size && memcmp(json_string_value(value), ours.data, ours.size) != 0) abort();
  }
  if (good && which != 0 && json_is_string(json_object_get(root, "text"))) abort();
  strings_free(&ours);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Strings ours = {0}, theirs = {0};
  bool good = jsonl_text((const char *)data, size, "text", &ours) == ERR_OK;
  json_t *root = NULL;
  Err err = json_parse(&root, (const char *)data, size, "line", false);
  bool beyond = err && strstr(err_text(), "out of range");
  if (!beyond && !(err && strstr(err_text(), "deeper"))) {
    bool tree = err == ERR_OK && good_by_tree(root, &theirs);
    if (tree != good) abort();
    if (good && (ours.count != theirs.count || ours.size != theirs.size ||
                 (ours.size && memcmp(ours.data, theirs.data, ours.size) != 0)))
      abort();
    compare_ids((const char *)data, size, root);
    compare_choice((const char *)data, size, root);
  }
  json_decref(root);
  strings_free(&ours);
  strings_free(&theirs);
  return 0;
}
