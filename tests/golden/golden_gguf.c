#include "golden/golden_gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/gguf.h"
#include "data/npy.h"
#include "golden/golden_count.h"

// ---- values
static void compare_tensor(GoldenCount *n, const Gguf *g, const GgufTensor *t, const char *folder) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%.3000s/%s.npy", folder, t->name);
  Npy a;
  Err err = npy_open(&a, path);
  golden_compare(n, !err, "%s", err_text());
  if (err) return;
  bool same = a.kind == 'f' && a.size == 4 && a.count == t->n && a.n_dims == t->n_dims;
  for (int i = 0; same && i < a.n_dims; i++) same = a.dim[i] == t->dim[i];
  golden_compare(n, same, "%s: tensor %s has another shape than its .npy", g->map.path, t->name);
  float *x = malloc((size_t)t->n * sizeof *x + 1);
  err = same && x ? gguf_read_f32(g, t, 0, t->n, x) : ERR_MEMORY;
  golden_compare(n, !err, "%s", err_text());
  int64_t differ = 0, first = -1;
  for (int64_t i = 0; !err && i < t->n; i++)
    if (memcmp(&x[i], (const char *)a.data + 4 * i, 4) != 0 && differ++ == 0) first = i;
  golden_compare(n, differ == 0, "%s: tensor %s (%s): %lld of %lld values differ, the first at %lld", g->map.path, t->name,
                 t->type->name, (long long)differ, (long long)t->n, (long long)first);
  free(x);
  npy_close(&a);
}

static json_t *item(const GgufValue *v, int64_t i, const GgufText *texts) {
  switch (v->type) {
    case GGUF_F32: return json_real((double)gguf_array_f32(v, i));
    case GGUF_BOOL: return json_boolean(v->data[i]);
    case GGUF_STRING: return json_stringn(texts[i].data, texts[i].size);
    case GGUF_F64: {
      double x;
      memcpy(&x, v->data + 8 * i, sizeof x);
      return json_real(x);
    }
    default: return json_integer(gguf_array_int(v, i));
  }
}

static json_t *value_json(const GgufValue *v) {
  GgufText *texts = calloc((size_t)v->count + 1, sizeof *texts);
  if (texts && v->type == GGUF_STRING) gguf_array_texts(v, texts);
  json_t *array = json_array();
  for (int64_t i = 0; i < v->count; i++) json_array_append_new(array, item(v, i, texts));
  json_t *one = v->is_array ? json_incref(array) : json_incref(json_array_get(array, 0));
  json_decref(array);
  free(texts);
  return one;
}

// Numbers are compared as reals: JSON's largest integer is below GGUF's, which a reader gives as the greatest int64.
static bool same_value(const json_t *got, const json_t *want) {
  if (json_is_array(want)) {
    bool same = json_is_array(got) && json_array_size(got) == json_array_size(want);
    for (size_t i = 0; same && i < json_array_size(want); i++)
      same = same_value(json_array_get(got, i), json_array_get(want, i));
    return same;
  }
  if (!json_is_number(want)) return got && json_equal(got, want);
  double most = (double)INT64_MAX, w = json_number_value(want);
  return json_is_number(got) && json_number_value(got) == (w > most ? most : w);
}

static void compare_values(GoldenCount *n, const Gguf *g, const json_t *want) {
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)want, key, value) {
    const GgufValue *v = gguf_value(g, key);
    golden_compare(n, v != NULL, "%s: key %s is missing", g->map.path, key);
    json_t *got = v ? value_json(v) : NULL;
    golden_compare(n, same_value(got, value), "%s: key %s has another value", g->map.path, key);
    json_decref(got);
  }
}

static void compare_file(GoldenCount *n, const char *folder, const char *name) {
  char path[PATH_BYTES];
  json_t *about = NULL;
  Gguf g;
  n->cases++;
  snprintf(path, sizeof path, "%.3000s/%.200s", folder, name);
  Err err = gguf_open(&g, path);
  golden_compare(n, !err, "%s", err_text());
  if (err) return;
  for (int64_t i = 0; i < g.n_tensors; i++) compare_tensor(n, &g, &g.tensor[i], folder);
  snprintf(path, sizeof path, "%.3000s/%.*s.json", folder, (int)(strlen(name) - 5), name);
  char *text = NULL;
  size_t size = 0;
  err = file_read(path, 1 << 20, &text, &size);
  golden_compare(n, !err, "%s", err_text());
  if (!err) about = json_loads(text, JSON_DECODE_INT_AS_REAL, NULL);
  golden_compare(n, about != NULL, "%s is no JSON", path);
  compare_values(n, &g, json_object_get(about, "kv"));
  free(text);
  json_decref(about);
  gguf_close(&g);
}

// ---- verdicts
static void verdict(GoldenCount *n, const char *data, json_t *line) {
  char path[PATH_BYTES];
  Gguf g;
  snprintf(path, sizeof path, "%.3000s/gguf/small/%.200s", data, golden_text(line, "file"));
  Err err = gguf_open(&g, path);
  bool reject = strcmp(golden_text(line, "verdict"), "reject") == 0;
  golden_compare(n, reject == (err != ERR_OK), "%s: %s", path, err ? err_text() : "accepted, but it should not be");
  if (err)
    golden_compare(n, err == ERR_FORMAT && strstr(err_text(), path), "%s: \"%s\" does not name the file", path, err_text());
  else gguf_close(&g);
}

GoldenCount golden_gguf(const char *data) {
  GoldenCount n = {.folder = "data/gguf"};
  char folder[PATH_BYTES], **names = NULL;
  size_t count = 0;
  snprintf(folder, sizeof folder, "%.3000s/gguf", data);
  golden_compare(&n, folder_list(folder, &names, &count) == ERR_OK, "%s", err_text());
  for (size_t i = 0; i < count; i++) {
    size_t size = strlen(names[i]);
    if (size > 5 && strcmp(names[i] + size - 5, ".gguf") == 0) compare_file(&n, folder, names[i]);
  }
  names_free(names, count);
  golden_each_line(&n, data, "gguf/verdicts.jsonl", verdict);
  return n;
}
