// seeds: golden/data/safetensors/*.safetensors
// Any bytes as a safetensors file: refused, whether it is mapped or only its header read, or every tensor lies in the file and
// can be read.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/tmp/fuzz.%ld.safetensors", (long)getpid());
  FILE *f = fopen(path, "wb");
  if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0) abort();
  SafeTensors s, header;
  Err err = safetensors_open_header(&header, path), alone = err;
  if (!err) safetensors_close(&header);
  err = safetensors_open(&s, path);
  if (err != alone || (err && !*err_text())) abort();
  volatile unsigned sum = 0;  // so that the reads happen
  for (int64_t i = 0; !err && i < s.count; i++) {
    const StTensor *t = &s.tensor[i];
    for (size_t b = 0; b < t->size; b++) sum += ((const uint8_t *)t->data)[b];
    if (safetensors_find(&s, t->name) != t) abort();
    float x;
    if (st_elements(t) > 0 && t->type != ST_OTHER) (void)st_read_f32(t, st_elements(t) - 1, 1, &x);
  }
  if (!err) safetensors_close(&s);
  unlink(path);
  (void)sum;
  return 0;
}
