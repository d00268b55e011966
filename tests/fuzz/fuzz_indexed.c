// Any bytes as the .idx of a token file: refused, or read without a step outside.
// seeds: golden/data/bad/idx_*.idx golden/data/gpt/docs_*.idx
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "data/gpt_dataset.h"
#include "data/indexed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_file(const char *path, const void *data, size_t size) {
  FILE *f = fopen(path, "wb");
  if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static char folder[] = "/tmp/fuzz_indexed_XXXXXX", path[PATH_BYTES], prefix[PATH_BYTES];
  static const char bin[64] = {1, 0, 2, 0, 3};
  if (!prefix[0]) {
    if (!mkdtemp(folder)) abort();
    snprintf(prefix, sizeof prefix, "%s/x", folder);
    snprintf(path, sizeof path, "%s.bin", prefix);
    write_file(path, bin, sizeof bin);
    snprintf(path, sizeof path, "%s.idx", prefix);
  }
  write_file(path, data, size);
  Indexed x;
  if (indexed_open(&x, prefix) != ERR_OK) return 0;
  int32_t id[sizeof bin];
  for (int64_t s = 0; s < x.sequences; s++) {
    int64_t n = indexed_length(&x, s);  // not above the .bin's size
    (void)indexed_read(&x, s, 0, n, 1000, id);
    (void)indexed_mode(&x, s);
  }
  GptDataset g;
  GptOptions o = {.samples = 10, .T = 3, .seed = 1};
  if (gpt_dataset_build(&g, &x, 0, x.sequences, &o) == ERR_OK) {
    for (int64_t i = 0; i < g.samples; i++) (void)gpt_dataset_read(&g, i, 0, 4, 1000, id);
    gpt_dataset_free(&g);
  }
  indexed_close(&x);
  return 0;
}
