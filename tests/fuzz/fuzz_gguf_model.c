// seeds: fuzz/gguf_model.seed/*.gguf
// Any bytes as a model in a GGUF file: refused, or its configuration, its tokenizer and the first numbers of every parameter
// can be read.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/gguf_files.h"
#include "text/gguf_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_weights(const char *path) {
  WeightSource *s = NULL;
  double out[4];
  char text[512];
  if (gguf_source_open(&s, path) != ERR_OK) {
    if (!*err_text()) abort();
    return;
  }
  bool whole = weights_check(s) == ERR_OK;
  for (int64_t i = 0; i < s->count; i++) {
    s->describe(s, i, text, sizeof text);
    int64_t n = s->tensor[i].n < 4 ? s->tensor[i].n : 4;
    if (whole && (s->read(s, i, 0, n, out) != ERR_OK || s->read(s, i, s->tensor[i].n - n, n, out) != ERR_OK)) abort();
  }
  weights_close(s);
}

static void read_tokenizer(const char *path) {
  Tokenizer *t;
  TokenizerWork *w;
  Ids ids = {0};
  Bytes text = {0};
  if (tokenizer_open(&t, path) != ERR_OK) {
    if (!*err_text()) abort();
    return;
  }
  if (tokenizer_work_open(&w, t) != ERR_OK) abort();
  if (tokenizer_encode_special(t, w, "a b\xff", 4, SPECIAL_PARSE, &ids) == ERR_OK)
    if (tokenizer_decode(t, w, ids.id, ids.count, true, &text) != ERR_OK) abort();
  tokenizer_work_close(w);
  tokenizer_close(t);
  ids_free(&ids);
  bytes_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/tmp/fuzz.%ld.gguf", (long)getpid());
  FILE *f = fopen(path, "wb");
  if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0) abort();
  Gguf g;
  json_t *config = NULL;
  if (gguf_open(&g, path) == ERR_OK) {
    (void)gguf_tokenizer_config(&g, &config);
    json_decref(config);
    gguf_close(&g);
    read_tokenizer(path);
    read_weights(path);
  }
  unlink(path);
  return 0;
}
