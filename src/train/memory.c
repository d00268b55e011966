#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "train/trainer.h"

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
