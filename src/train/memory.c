#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "train/trainer.h"

// Bytes of an arena that are in memory now; all of it when the system does not say.
static size_t resident_bytes(const Arena *a) {
  enum { PAGE_BYTES = 4096, BATCH = 4096 };
  unsigned char page[BATCH];
  size_t pages = a->size / PAGE_BYTES, resident = 0;
  for (size_t at = 0; at < pages; at += BATCH) {
    size_t n = pages - at < BATCH ? pages - at : BATCH;
    if (mincore(a->base + at * PAGE_BYTES, n * PAGE_BYTES, page) != 0) return a->size;
    for (size_t i = 0; i < n; i++) resident += page[i] & 1;
  }
  return resident * PAGE_BYTES;
}

void trainer_count_program(Trainer *t) {
  size_t arenas = resident_bytes(&t->dev.scratch), all = memory_process_bytes();
  for (int i = 0; i < MEMORY_SCRATCH; i++) arenas += resident_bytes(&t->arena[i]);
  t->program_bytes = all > arenas ? all - arenas : 0;
}

void trainer_memory(const Trainer *t, size_t bytes[MEMORY_LINES]) {
  for (int i = 0; i < MEMORY_SCRATCH; i++) bytes[i] = t->arena[i].size;
  bytes[MEMORY_SCRATCH] = t->dev.scratch.size;
  bytes[MEMORY_PROGRAM] = t->program_bytes;
}

size_t memory_process_bytes(void) {
  char text[4096];
  int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) return 0;
  text[n] = '\0';
  const char *at = strstr(text, "RssAnon:");
  return at ? (size_t)strtoull(at + strlen("RssAnon:"), NULL, 10) << 10 : 0;
}
