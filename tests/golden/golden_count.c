#include "golden/golden_count.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

void golden_compare(GoldenCount *n, bool ok, const char *format, ...) {
  n->comparisons++;
  if (ok) return;
  n->failed++;
  va_list args;
  va_start(args, format);
  fprintf(stderr, "  golden %s: ", n->folder);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
}

void golden_each_line(GoldenCount *n, const char *folder, const char *file, GoldenLineFn *fn) {
  char path[PATH_BYTES], *text = NULL;
  size_t size = 0;
  snprintf(path, sizeof path, "%s/%s", folder, file);
  if (file_read(path, 1u << 28, &text, &size) != ERR_OK) {
    golden_compare(n, false, "%s", err_text());
    return;
  }
  for (char *at = text, *end; at < text + size; at = end + 1) {
    end = memchr(at, '\n', (size_t)(text + size - at));
    if (!end) end = text + size;
    json_t *line = NULL;
    if (json_parse(&line, at, (size_t)(end - at), path, false) == ERR_OK) {
      n->cases++;
      fn(n, folder, line);
    } else {
      golden_compare(n, false, "%s", err_text());
    }
    json_decref(line);
  }
  free(text);
}

int64_t golden_int(const json_t *o, const char *key) { return json_integer_value(json_object_get(o, key)); }
const char *golden_text(const json_t *o, const char *key) {
  const char *t = json_string_value(json_object_get(o, key));
  return t ? t : "";
}
bool golden_true(const json_t *o, const char *key) { return json_is_true(json_object_get(o, key)); }
int64_t golden_element(const json_t *array, size_t i) { return json_integer_value(json_array_get(array, i)); }
