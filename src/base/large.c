#include "base/large.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE_BYTES = 2 << 20 };

void *malloc_large(size_t bytes) {
  size_t pages = (bytes / 2 + PAGE_BYTES / 4) / (PAGE_BYTES / 2);  // the nearest number: what is left over is on small ones
  if (pages == 0 || bytes > SIZE_MAX / 2) return malloc(bytes);
  void *p = aligned_alloc(PAGE_BYTES, (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES);
  if (p) (void)madvise(p, pages * PAGE_BYTES, MADV_HUGEPAGE);  // advice only: a refusal costs speed, not truth
  return p;
}

void *calloc_large(size_t count, size_t size) {
  if (size && count > SIZE_MAX / size) return NULL;
  if (count * size < PAGE_BYTES / 2) return calloc(count, size);
  void *p = malloc_large(count * size);
  return p ? memset(p, 0, count * size) : NULL;
}
