// GGUF files: every tensor against the .npy of its name, to the bit, and every value; and verdicts on small files.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/gguf.h"
#include "data/npy.h"
#include "golden/golden.h"

// ---- values
static void compare_tensor(GoldenCount *n, const Gguf *g, const GgufTensor *t) {
  char path[PATH_BYTES];
  Npy a;
  if (!golden_ok(n, npy_open(&a, golden_path(n, path, "data/gguf/%s.npy", t->name)))) return;
  bool same = a.kind == 'f' && a.size == 4 && a.count == t->n && a.n_dims == t->n_dims;
  for (int i = 0; same && i < a.n_dims; i++) same = a.dim[i] == t->dim[i];
  golden_compare(n, same, "%s: tensor %s has another shape than its .npy", g->map.path, t->name);
  float *x = malloc((size_t)t->n * sizeof *x + 1);
  Err err = same && x ? gguf_read_f32(g, t, 0, t->n, x) : ERR_MEMORY;
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

void golden_gguf(GoldenCount *n) {
  char path[PATH_BYTES], *text = NULL;
  json_t *about = NULL;
  size_t size = 0;
  Gguf g;
  n->cases++;
  if (!golden_ok(n, gguf_open(&g, golden_path(n, path, "%s", n->folder)))) return;
  for (int64_t i = 0; i < g.n_tensors; i++) compare_tensor(n, &g, &g.tensor[i]);
  golden_path(n, path, "%.*s.json", (int)(strlen(n->folder) - strlen(".gguf")), n->folder);
  if (golden_ok(n, file_read(path, 1 << 20, &text, &size))) about = json_loads(text, JSON_DECODE_INT_AS_REAL, NULL);
  golden_compare(n, about != NULL, "%s is no JSON", path);
  compare_values(n, &g, json_object_get(about, "kv"));
  free(text);
  json_decref(about);
  gguf_close(&g);
}

// ---- verdicts
static void verdict(GoldenCount *n, const json_t *line, void *context) {
  (void)context;
  char path[PATH_BYTES];
  Gguf g;
  Err err = gguf_open(&g, golden_path(n, path, "data/gguf/small/%s", golden_text(line, "file")));
  bool reject = strcmp(golden_text(line, "verdict"), "reject") == 0;
  golden_compare(n, reject == (err != ERR_OK), "%s: %s", path, err ? err_text() : "accepted, but it should not be");
  if (err)
    golden_compare(n, err == ERR_FORMAT && strstr(err_text(), path), "%s: \"%s\" does not name the file", path, err_text());
  else gguf_close(&g);
}
void golden_gguf_verdicts(GoldenCount *n) { golden_each_line(n, n->folder, verdict, NULL); }
