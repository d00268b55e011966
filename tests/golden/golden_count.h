// Counting comparisons, and walking the lines of a case file.
#ifndef TESTS_GOLDEN_GOLDEN_COUNT_H
#define TESTS_GOLDEN_GOLDEN_COUNT_H

#include <stdbool.h>

#include "base/json.h"
#include "golden/golden.h"

// One comparison; if not ok, it failed and the message goes to stderr.
void golden_compare(GoldenCount *n, bool ok, const char *format, ...) __attribute__((format(printf, 3, 4)));

// Runs fn on every line of FOLDER/file, each a case; a file that cannot be read is a failure.
typedef void GoldenLineFn(GoldenCount *n, const char *folder, json_t *line);
void golden_each_line(GoldenCount *n, const char *folder, const char *file, GoldenLineFn *fn);

// Members of a line; 0, "" or false if missing.
int64_t golden_int(const json_t *o, const char *key);
const char *golden_text(const json_t *o, const char *key);
bool golden_true(const json_t *o, const char *key);
int64_t golden_element(const json_t *array, size_t i);

#endif
