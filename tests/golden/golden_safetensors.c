// What the reference library says of safetensors files, and the values in them.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/safetensors.h"
#include "golden/golden.h"

enum { VERDICTS_BYTES_MAX = 1 << 24 };

// What the library takes and we refuse, and why.
static const struct {
  const char *file, *message;
} stricter[] = {
    {"duplicate_tensor.safetensors", "duplicate object key"},        // a name given twice
    {"duplicate_metadata_key.safetensors", "duplicate object key"},  // likewise
    {"shape_zero_times_huge.safetensors", "out of range"},           // a dimension past 2^63 - 1
};

// The first 16 digits of the bytes' SHA-256.
static void sha256_16(const GoldenCount *n, const void *data, size_t size, char out[GOLDEN_HASH_BYTES]) {
  char path[PATH_BYTES];
  out[0] = '\0';
  if (path_join(path, golden_scratch(n), "bytes") != ERR_OK || file_replace(path, data, size) != ERR_OK) return;
  golden_sha256(path, out);
  out[16] = '\0';
}

static void compare_tensor(GoldenCount *n, const SafeTensors *s, const json_t *want, const char *file) {
  const char *name = golden_text(want, "name");
  const StTensor *t = safetensors_find(s, name);
  golden_compare(n, t != NULL, "%s: no tensor \"%s\"", file, name);
  if (!t) return;
  golden_compare(n, t->type == ST_OTHER || strcmp(st_type_name(t->type), golden_text(want, "dtype")) == 0, "%s: type of %s",
                 file, name);
  golden_compare(n, json_number_value(json_object_get(want, "bytes")) == (double)t->size, "%s: bytes of %s", file, name);
  const json_t *shape = golden_array(n, want, "shape");
  bool same = t->n_dims == (int)json_array_size(shape);
  for (int i = 0; same && i < t->n_dims; i++) same = json_number_value(json_array_get(shape, (size_t)i)) == (double)t->dim[i];
  golden_compare(n, same, "%s: shape of %s", file, name);
  char got[GOLDEN_HASH_BYTES];
  sha256_16(n, t->data, t->size, got);
  golden_compare(n, strcmp(got, golden_text(want, "sha256_16")) == 0, "%s: bytes of %s hash to %s", file, name, got);
}

static double json_value(const json_t *v) {
  const char *text = json_string_value(v);
  if (!text) return json_is_boolean(v) ? json_is_true(v) : json_number_value(v);
  return strcmp(text, "inf") == 0 ? INFINITY : strcmp(text, "-inf") == 0 ? -INFINITY : NAN;
}

// Every value of a float tensor, to the bit.
static void compare_values(GoldenCount *n, const StTensor *t, const json_t *want) {
  bool is_float = t->type == ST_F32 || t->type == ST_F64 || t->type == ST_F16 || t->type == ST_BF16 || t->type == ST_F8_E4M3 ||
                  t->type == ST_F8_E5M2;
  if (!want || !is_float) return;
  golden_compare(n, (int64_t)json_array_size(want) == st_elements(t), "%s: %zu values", t->name, json_array_size(want));
  for (int64_t i = 0; i < st_elements(t); i++) {
    float got, wanted = (float)json_value(json_array_get(want, (size_t)i));
    if (!golden_ok(n, st_read_f32(t, i, 1, &got))) return;
    golden_compare(n, isnan(wanted) ? isnan(got) : f32_bits(wanted) == f32_bits(got), "%s[%lld] is %.9g, want %.9g", t->name,
                   (long long)i, (double)got, (double)wanted);
  }
}

// NAME.values.json beside NAME.safetensors, if there is one.
static void compare_value_file(GoldenCount *n, const SafeTensors *s, const char *file) {
  char path[PATH_BYTES];
  golden_path(n, path, "data/safetensors/%.*s.values.json", (int)strcspn(file, "."), file);
  if (!file_exists(path)) return;
  json_t *root = json_load_file(path, JSON_DECODE_INT_AS_REAL, NULL);  // there are values of 2^64 - 1
  golden_compare(n, root != NULL, "%s: is not JSON", path);
  for (int64_t i = 0; i < s->count; i++) compare_values(n, &s->tensor[i], json_object_get(root, s->tensor[i].name));
  json_decref(root);
}

static void compare_file(GoldenCount *n, const json_t *row) {
  char path[PATH_BYTES];
  const char *file = golden_text(row, "file"), *message = NULL;
  bool accept = strcmp(golden_text(row, "verdict"), "accept") == 0;
  SafeTensors s;
  for (size_t i = 0; i < sizeof stricter / sizeof stricter[0]; i++)
    if (strcmp(stricter[i].file, file) == 0) message = stricter[i].message;
  Err err = safetensors_open(&s, golden_path(n, path, "data/safetensors/%s", file));
  if (!accept || message) {
    golden_compare(n, err == ERR_FORMAT && strstr(err_text(), file), "%s: %s", file, err ? err_text() : "accepted");
    if (message) golden_compare(n, strstr(err_text(), message) != NULL, "%s: %s", file, err_text());
    if (!err) safetensors_close(&s);
    return;
  }
  if (!golden_ok(n, err)) return;
  size_t i;
  const json_t *want, *tensors = golden_array(n, row, "tensors");
  golden_compare(n, s.count == (int64_t)json_array_size(tensors), "%s: %lld tensors", file, (long long)s.count);
  json_array_foreach(tensors, i, want) compare_tensor(n, &s, want, file);
  compare_value_file(n, &s, file);
  safetensors_close(&s);
}

void golden_safetensors(GoldenCount *n) {
  char path[PATH_BYTES], *text = NULL;
  size_t size = 0;
  if (!golden_ok(n, file_read(golden_path(n, path, "%s", n->folder), VERDICTS_BYTES_MAX, &text, &size))) return;
  golden_compare(n, size > 0 && text[size - 1] == '\n', "%s: is empty or ends within a line", path);
  for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
    if (!*line) continue;
    json_t *row = json_loads(line, JSON_DECODE_INT_AS_REAL, NULL);  // there is a dimension of 2^63
    golden_compare(n, json_is_object(row), "%s: line %lld is no object", path, (long long)++n->cases);
    if (json_is_object(row)) compare_file(n, row);
    json_decref(row);
  }
  free(text);
}
