// JSON, by jansson, with our errors and limits: the message names the file, line and column. Numbers past the range, invalid
// UTF-8, UTF-16, a second document after the first, and nesting deeper than 512 are refused; "\u0000" in strings is
// allowed; a repeated key is refused where `unique_keys` (configurations), else the last wins (data).
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

Err json_parse(json_t **root, const char *text, size_t size, const char *name, bool unique_keys);
Err json_read(json_t **root, const char *path, bool unique_keys);
// Writes with keys in their order, indented; file written aside.
Err json_write(const json_t *root, const char *path);

// Typed members of an object. The message names `where` (a file or place), the key, what was wanted and what was found.
// The _or forms take a default when the key is missing or null.
Err json_int(const json_t *object, const char *key, const char *where, int64_t *out);
Err json_int_or(const json_t *object, const char *key, const char *where, int64_t fallback, int64_t *out);
Err json_number(const json_t *object, const char *key, const char *where, double *out);
Err json_number_or(const json_t *object, const char *key, const char *where, double fallback, double *out);
Err json_bool_or(const json_t *object, const char *key, const char *where, bool fallback, bool *out);
// The text is borrowed from the object. A NUL in it is refused; where text is data, take it from jansson with its length.
Err json_text(const json_t *object, const char *key, const char *where, const char **out);
Err json_text_or(const json_t *object, const char *key, const char *where, const char *fallback, const char **out);

#endif
