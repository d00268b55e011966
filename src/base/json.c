#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"

enum { DEPTH_MAX = 512, FILE_BYTES_MAX = 1 << 30 };

typedef struct {
  int line, column;  // from 1; the column counts bytes
} Place;

static Place place_of(const char *text, size_t offset) {
  Place at = {1, 1};
  for (size_t i = 0; i < offset; i++) {
    at.column++;
    if (text[i] == '\n') at.line++, at.column = 1;
  }
  return at;
}

#define FAIL_AT(offset, format, ...)                                                                               \
  do {                                                                                                             \
    Place at_ = place_of(text, offset);                                                                            \
    FAIL(ERR_FORMAT, "%s:%d:%d (offset %zu): " format, name, at_.line, at_.column, (size_t)(offset), __VA_ARGS__); \
  } while (0)

// What jansson would say late, badly or not at all: encoding, NUL, depth.
static Err check_bytes(const char *text, size_t size, const char *name) {
  const uint8_t *b = (const uint8_t *)text;
  if (size >= 2 && ((b[0] == 0xFF && b[1] == 0xFE) || (b[0] == 0xFE && b[1] == 0xFF)))
    FAIL(ERR_FORMAT, "%s: starts with a UTF-16 byte order mark; save it as UTF-8", name);
  if (size >= 3 && memcmp(b, "\xEF\xBB\xBF", 3) == 0)
    FAIL(ERR_FORMAT, "%s: starts with a UTF-8 byte order mark, which JSON does not allow; save it without", name);
  size_t bad = utf8_invalid_at(text, size);
  if (bad < size) FAIL_AT(bad, "invalid UTF-8, byte 0x%02X", b[bad]);
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < size; i++) {
    char c = text[i];
    if (c == '\0') FAIL_AT(i, "a NUL byte%s", in_string ? " in a string; write \\u0000" : "");
    if (in_string) {
      if (c == '\\' && i + 1 < size && text[i + 1] != '\0') i++;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > DEPTH_MAX) FAIL_AT(i, "nesting deeper than the limit of %d", DEPTH_MAX);
    } else if (c == ']' || c == '}') {
      depth--;
    }
  }
  return ERR_OK;
}

// The key whose value ends near `offset`, for messages on numbers: *key_at is its first letter, the length is returned.
static int key_before(const char *text, size_t offset, size_t *key_at) {
  size_t i = offset;
  while (i > 0 && strchr("0123456789+-.eE", text[i - 1])) i--;
  while (i > 0 && strchr(" \t\r\n", text[i - 1])) i--;
  if (i == 0 || text[i - 1] != ':') return 0;
  i--;
  while (i > 0 && strchr(" \t\r\n", text[i - 1])) i--;
  if (i == 0 || text[i - 1] != '"') return 0;
  size_t end = --i;
  while (i > 0 && text[i - 1] != '"') i--;
  *key_at = i;
  return end - i > 100 ? 100 : (int)(end - i);
}

static Err fail_parse(const char *text, size_t size, const char *name, const json_error_t *e) {
  size_t at = e->position > 0 && (size_t)e->position <= size ? (size_t)e->position : 0, key_at = 0;
  enum json_error_code code = json_error_code(e);
  if (code == json_error_numeric_overflow) {
    int n = key_before(text, at, &key_at);
    if (n > 0) FAIL_AT(at, "\"%.*s\": the number is out of range", n, text + key_at);
    FAIL_AT(at, "%s", "a number out of range");
  }
  if (code == json_error_end_of_input_expected) FAIL_AT(at > 0 ? at - 1 : 0, "%s", "something follows the end of the document");
  if (code == json_error_premature_end_of_input)
    FAIL_AT(size, "%s", size == 0 ? "empty; a JSON value is wanted" : "the file ends within a value; is it cut short?");
  FAIL_AT(at, "%s", e->text);
}

Err json_parse(json_t **root, const char *text, size_t size, const char *name, bool unique_keys) {
  *root = NULL;
  TRY(check_bytes(text, size, name));
  json_error_t e;
  *root = json_loadb(text, size, JSON_DECODE_ANY | JSON_ALLOW_NUL | (unique_keys ? JSON_REJECT_DUPLICATES : 0), &e);
  return *root ? ERR_OK : fail_parse(text, size, name, &e);
}

Err json_read(json_t **root, const char *path, bool unique_keys) {
  *root = NULL;
  char *text = NULL;
  size_t size = 0;
  TRY(file_read(path, FILE_BYTES_MAX, &text, &size));
  Err err = json_parse(root, text, size, path, unique_keys);
  free(text);
  return err;
}

Err json_write(const json_t *root, const char *path) {
  char *text = json_dumps(root, JSON_INDENT(2) | JSON_ENCODE_ANY);
  CHECK(text, ERR_MEMORY, "%s: this JSON cannot be written (not finite, not UTF-8, or no memory)", path);
  FileWriter w;
  Err err = file_create(&w, path);
  if (!err) err = file_printf(&w, "%s\n", text);
  if (!err) err = file_commit(&w);
  file_abandon(&w);
  free(text);
  return err;
}

static const char *type_name(const json_t *v) {
  if (!v) return "nothing";
  switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number with a fraction";
    case JSON_TRUE: return "true";
    case JSON_FALSE: return "false";
    case JSON_NULL: return "null";
  }
  return "something else";
}

static Err fail_type(const json_t *object, const char *key, const char *where, const char *want) {
  if (!json_is_object(object)) FAIL(ERR_FORMAT, "%s: an object with \"%s\" is wanted, found %s", where, key, type_name(object));
  const json_t *v = json_object_get(object, key);
  if (!v) FAIL(ERR_FORMAT, "%s: \"%s\" is missing; %s is wanted", where, key, want);
  FAIL(ERR_FORMAT, "%s: \"%s\" is %s; %s is wanted", where, key, type_name(v), want);
}

static bool absent(const json_t *object, const char *key) {
  if (!json_is_object(object)) return false;
  const json_t *v = json_object_get(object, key);
  return !v || json_is_null(v);
}

Err json_int(const json_t *object, const char *key, const char *where, int64_t *out) {
  const json_t *v = json_object_get(object, key);
  if (!json_is_integer(v)) return fail_type(object, key, where, "an integer");
  *out = json_integer_value(v);
  return ERR_OK;
}

Err json_int_or(const json_t *object, const char *key, const char *where, int64_t fallback, int64_t *out) {
  *out = fallback;
  return absent(object, key) ? ERR_OK : json_int(object, key, where, out);
}

Err json_number(const json_t *object, const char *key, const char *where, double *out) {
  const json_t *v = json_object_get(object, key);
  if (!json_is_number(v)) return fail_type(object, key, where, "a number");
  *out = json_number_value(v);
  return ERR_OK;
}

Err json_number_or(const json_t *object, const char *key, const char *where, double fallback, double *out) {
  *out = fallback;
  return absent(object, key) ? ERR_OK : json_number(object, key, where, out);
}

Err json_bool_or(const json_t *object, const char *key, const char *where, bool fallback, bool *out) {
  *out = fallback;
  if (absent(object, key)) return ERR_OK;
  const json_t *v = json_object_get(object, key);
  if (!json_is_boolean(v)) return fail_type(object, key, where, "true or false");
  *out = json_is_true(v);
  return ERR_OK;
}

Err json_text(const json_t *object, const char *key, const char *where, const char **out) {
  const json_t *v = json_object_get(object, key);
  if (!json_is_string(v)) return fail_type(object, key, where, "a string");
  CHECK(strlen(json_string_value(v)) == json_string_length(v), ERR_FORMAT, "%s: \"%s\" has a NUL character in it", where, key);
  *out = json_string_value(v);
  return ERR_OK;
}

Err json_text_or(const json_t *object, const char *key, const char *where, const char *fallback, const char **out) {
  *out = fallback;
  return absent(object, key) ? ERR_OK : json_text(object, key, where, out);
}
