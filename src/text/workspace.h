// Memory and steps of one piece of work on foreign input: taken in small pieces, bounded, given back all at once.
//
// What works on input that it does not trust (a template, a tool call) takes its memory here and counts its steps here, so that
// it ends with an error where it would grow or run without end, and has nothing to free on any way out.
#ifndef TEXT_WORKSPACE_H
#define TEXT_WORKSPACE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct {
  struct WorkspaceBlock *blocks;
  char *at, *end;       // what is free in the newest block
  size_t taken, limit;  // bytes
  int64_t steps, steps_max;
} Workspace;

void workspace_open(Workspace *w, size_t limit_bytes, int64_t steps_max);
void workspace_close(Workspace *w);
// *(void **)out becomes `size` zeroed bytes, aligned for any type, good until workspace_close. ERR_MEMORY past the limit.
Err workspace_take(Workspace *w, size_t size, void *out);
// Makes room for one more in a list of items of `size` bytes, *(void **)list, of which `count` are there: a full one moves to
// twice the room, `first` at first.
Err workspace_grow(Workspace *w, void *list, int64_t count, int64_t *capacity, int64_t first, size_t size);
// Counts steps. ERR_STATE past the limit.
Err workspace_step(Workspace *w, size_t steps);

// Bytes that grow within a workspace. Starts as {.w = w, .limit = bytes}.
typedef struct {
  Workspace *w;
  char *data;
  size_t size, capacity, limit;
} Builder;

// ERR_MEMORY past the builder's or the workspace's limit. `data` may not lie in the builder itself.
Err builder_put(Builder *b, const void *data, size_t size);
static inline Err builder_char(Builder *b, char c) { return builder_put(b, &c, 1); }

#endif
