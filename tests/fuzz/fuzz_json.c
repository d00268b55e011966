// seeds: golden/data/bad/*.json golden/data/bad/*.jsonl golden/data/sft/dialogs.jsonl
// Any bytes as JSON: parsed or refused, with both rules for repeated keys.
#include <stdlib.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  for (int unique = 0; unique < 2; unique++) {
    json_t *root = NULL;
    Err err = json_parse(&root, (const char *)data, size, "fuzz", unique);
    if (!err != (root != NULL) || (err && !*err_text())) abort();
    int64_t i;
    double x;
    bool b;
    const char *text;
    if (root) (void)(json_int(root, "a", "fuzz", &i) || json_number_or(root, "b", "fuzz", 1, &x));
    if (root) (void)(json_bool_or(root, "c", "fuzz", true, &b) || json_text(root, "d", "fuzz", &text));
    json_decref(root);
  }
  return 0;
}
