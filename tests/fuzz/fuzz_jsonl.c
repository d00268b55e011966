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
  }
  json_decref(root);
  strings_free(&ours);
  strings_free(&theirs);
  return 0;
}
