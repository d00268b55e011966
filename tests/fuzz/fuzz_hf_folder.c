// seeds: fuzz/hf_folder*.seed
// Any bytes as a config.json, a zero byte, any bytes as model.safetensors: refused, or every tensor can be read.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/hf_files.h"

enum { CHUNK = 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_file(const char *folder, const char *name, const uint8_t *data, size_t size) {
  char path[PATH_BYTES];
  if (path_join(path, folder, name)) abort();
  FILE *f = fopen(path, "wb");
  if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0) abort();
}

static void read_all(WeightSource *s) {
  uint8_t out[CHUNK * 8];
  char text[256];
  for (int64_t i = 0; i < s->count; i++) {
    s->describe(s, i, text, sizeof text);
    for (int64_t at = 0; at < s->tensor[i].n; at += CHUNK)
      if (s->read(s, i, at, s->tensor[i].n - at < CHUNK ? s->tensor[i].n - at : CHUNK, out) != ERR_OK) abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *end = size ? memchr(data, 0, size) : NULL;
  WeightSource *s;
  char folder[64];
  if (!end) return 0;
  snprintf(folder, sizeof folder, "/dev/shm/fuzz.%ld.folder", (long)getpid());
  if (folder_make(folder)) abort();
  write_file(folder, "config.json", data, (size_t)(end - data));
  write_file(folder, "model.safetensors", end + 1, size - (size_t)(end + 1 - data));
  Err err = hf_source_open(&s, folder);
  if (err && !*err_text()) abort();
  if (!err) {
    if (weights_check(s) == ERR_OK) read_all(s);
    else if (!*err_text()) abort();
    weights_close(s);
  }
  return 0;
}
