// Any bytes as a .npy file.
// seeds: golden/data/blend/*.npy golden/data/gpt/split_test/*.npy
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "data/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static char path[] = "/tmp/fuzz_npy_XXXXXX";
  static int fd = -1;
  if (fd < 0) fd = mkstemp(path);
  if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size) abort();
  Npy a;
  if (npy_open(&a, path) != ERR_OK) return 0;
  int64_t sum = 0;
  if (a.kind != 'f')
    for (int64_t i = 0; i < a.count; i++) sum ^= npy_int(&a, i);
  npy_close(&a);
  (void)sum;
  return 0;
}
