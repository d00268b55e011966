#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "train/trainer.h"

// What the gradients have of what is kept counts as theirs.
static size_t arena_bytes(const Trainer *t, int line) {
  return t->arena[line].size - (line == MEMORY_KEPT && t->overlaid ? t->arena[MEMORY_GRADS].size : 0);
}

static atomic_size_t most;  // of the process, as what is counted

void memory_look(void) {
  size_t now = memory_process_bytes(), before = atomic_load(&most);
  while (before < now && !atomic_compare_exchange_weak(&most, &before, now)) continue;
}

size_t memory_most_bytes(void) {
  memory_look();
  return atomic_load(&most);
}

void trainer_count_program(Trainer *t) {
  size_t arenas = t->dev.scratch.size, all = memory_process_bytes();
  atomic_store(&most, all);
  for (int i = 0; i < MEMORY_SCRATCH; i++) arenas += arena_bytes(t, i);
  t->program_bytes = all > arenas ? all - arenas : 0;
}

void trainer_memory(const Trainer *t, size_t bytes[MEMORY_LINES]) {
  for (int i = 0; i < MEMORY_SCRATCH; i++) bytes[i] = arena_bytes(t, i);
  if (t->option.checkpoints) bytes[MEMORY_STAGING] += checkpoint_writing_bytes(t->n_arrays);
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
