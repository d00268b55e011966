#include "base/arena.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE_BYTES = 4096, HUGE_PAGE_BYTES = 2 << 20 };

void arena_measure(Arena *a, const char *name) { *a = (Arena){.name = name}; }

Err arena_init(Arena *a, const char *name, size_t size) {
  *a = (Arena){.name = name};
  if (size == 0) size = ARENA_ALIGN;  // an empty arena still carves
  size_t bytes = (size + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
  if (size < HUGE_PAGE_BYTES) bytes = (size + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
  void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(p != MAP_FAILED, ERR_MEMORY, "no memory for %s: %.2f GiB; use a smaller batch, sequence or model", name,
        (double)size / (1 << 30));
  if (size >= HUGE_PAGE_BYTES) (void)madvise(p, bytes, MADV_HUGEPAGE);  // advice only: a refusal costs speed, not truth
  a->base = p;
  a->size = bytes;
  return ERR_OK;
}

void arena_touch(Arena *a) {
  for (size_t i = 0; i < a->size; i += PAGE_BYTES) ((volatile char *)a->base)[i] = 0;
}

void arena_free(Arena *a) {
  if (a->base) munmap(a->base, a->size);
  *a = (Arena){0};
}

void *arena_take(Arena *a, size_t size) {
  size_t start = a->used;
  a->used += (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
  if (a->used > a->peak) a->peak = a->used;
  if (!a->base) return NULL;
  assert(a->used <= a->size && "arena overflow: the measuring run took less");
  return a->base + start;
}

void arena_rewind(Arena *a, size_t mark) {
  assert(mark <= a->used);
  a->used = mark;
}
