// seeds: golden/data/gguf/*.gguf golden/data/gguf/small/*.gguf
// Any bytes as a GGUF file: refused, or every value and tensor lies in the file and can be read.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned sum_bytes(const void *data, size_t size) {
  unsigned sum = 0;
  for (size_t i = 0; i < size; i++) sum += ((const uint8_t *)data)[i];
  return sum;
}

static unsigned read_value(const Gguf *g, const GgufValue *v) {
  char key[256];
  int64_t n = 0;
  double x = 0;
  bool b = false;
  GgufText text = {"", 0}, *texts = NULL;
  unsigned sum = sum_bytes(v->key.data, v->key.size) + sum_bytes(v->data, v->size);
  snprintf(key, sizeof key, "%.*s", (int)(v->key.size < 255 ? v->key.size : 255), v->key.data);
  if (gguf_int(g, key, false, &n) || gguf_real(g, key, false, &x) || gguf_bool(g, key, false, &b) ||
      gguf_text(g, key, false, &text))
    sum++;
  sum += sum_bytes(text.data, text.size) + (unsigned)n + (unsigned)b;
  if (!v->is_array || v->type != GGUF_STRING) return sum;
  texts = calloc((size_t)v->count + 1, sizeof *texts);
  if (!texts) abort();
  gguf_array_texts(v, texts);
  for (int64_t i = 0; i < v->count; i++) sum += sum_bytes(texts[i].data, texts[i].size);
  free(texts);
  return sum;
}

static void read_tensor(const Gguf *g, const GgufTensor *t) {
  if (gguf_tensor(g, t->name) != t) abort();
  if (t->offset > g->size || t->size > g->size - t->offset) abort();
  float x[256];
  if (t->n == 0) return;
  Err err = gguf_read_f32(g, t, t->n - t->type->block, t->type->block, x);
  if (err && t->type->decode) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/tmp/fuzz.%ld.gguf", (long)getpid());
  FILE *f = fopen(path, "wb");
  if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0) abort();
  Gguf g;
  Err err = gguf_open(&g, path);
  if (err && !*err_text()) abort();
  volatile unsigned sum = 0;  // so that the reads happen
  for (int64_t i = 0; !err && i < g.n_values; i++) sum += read_value(&g, &g.value[i]);
  for (int64_t i = 0; !err && i < g.n_tensors; i++) read_tensor(&g, &g.tensor[i]);
  if (!err) gguf_close(&g);
  unlink(path);
  (void)sum;
  return 0;
}
