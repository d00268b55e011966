// Arenas: memory by lifetime, measured before it is taken.
//
// An arena without memory *measures*: arena_take counts and returns NULL. The same code run on an arena with memory
// *carves*. So what a run needs is known to the byte before the first step, and nothing allocates inside a step.
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { ARENA_ALIGN = 64 };

typedef struct {
  char *base;        // NULL while measuring
  size_t size;       // bytes reserved (0 while measuring)
  size_t used;       // bytes taken now
  size_t peak;       // greatest `used` so far
  const char *name;  // for messages; borrowed
} Arena;

// A measuring arena.
void arena_measure(Arena *a, const char *name);
// Reserves `size` zeroed bytes (huge pages where the system has them). ERR_MEMORY with the size and the name.
Err arena_init(Arena *a, const char *name, size_t size);
// Has the system give all its pages now: no page fault later, and the process's memory is what was announced. Cost: as zeroing
// it.
void arena_touch(Arena *a);
void arena_free(Arena *a);

// Takes `size` bytes aligned to ARENA_ALIGN; NULL while measuring. The bytes hold what they held. More than was reserved is a
// programmer's error (the measuring run saw another order) and asserts.
void *arena_take(Arena *a, size_t size);

// arena_rewind gives back everything taken since the mark.
static inline size_t arena_mark(const Arena *a) { return a->used; }
void arena_rewind(Arena *a, size_t mark);

static inline bool arena_measuring(const Arena *a) { return a->base == NULL; }

#endif
