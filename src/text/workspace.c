#include "text/workspace.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 64 << 10, ALIGN = 16 };

struct WorkspaceBlock {
  struct WorkspaceBlock *next;
  size_t size;  // keeps what follows aligned
};

void workspace_open(Workspace *w, size_t limit_bytes, int64_t steps_max) {
  *w = (Workspace){.limit = limit_bytes, .steps_max = steps_max};
}

void workspace_close(Workspace *w) {
  while (w->blocks) {
    struct WorkspaceBlock *next = w->blocks->next;
    free(w->blocks);
    w->blocks = next;
  }
  *w = (Workspace){0};
}

Err workspace_take(Workspace *w, size_t size, void *out) {
  CHECK(size <= w->limit && w->taken <= w->limit - size, ERR_MEMORY, "needs more than the limit of %zu MiB of memory",
        w->limit >> 20);
  size = size == 0 ? ALIGN : (size + ALIGN - 1) / ALIGN * ALIGN;
  if (!w->at || (size_t)(w->end - w->at) < size) {
    size_t room = size > BLOCK_BYTES / 4 ? size : BLOCK_BYTES;
    struct WorkspaceBlock *block = calloc(1, sizeof *block + room);
    CHECK(block, ERR_MEMORY, "no memory for %zu bytes", room);
    *block = (struct WorkspaceBlock){.next = w->blocks, .size = room};
    w->blocks = block;
    char *begin = (char *)(block + 1);
    if (room == size && w->at) {  // a large piece has a block of its own; the free rest of the last one stays in use
      w->taken += size;
      memcpy(out, &begin, sizeof begin);
      return ERR_OK;
    }
    w->at = begin;
    w->end = begin + room;
  }
  w->taken += size;
  memcpy(out, &w->at, sizeof w->at);
  w->at += size;
  return ERR_OK;
}

Err workspace_grow(Workspace *w, void *list, int64_t count, int64_t *capacity, int64_t first, size_t size) {
  if (count < *capacity) return ERR_OK;
  int64_t more = *capacity ? 2 * *capacity : first;
  void *old, *grown;
  TRY(workspace_take(w, (size_t)more * size, &grown));
  memcpy(&old, list, sizeof old);
  if (count) memcpy(grown, old, (size_t)count * size);
  memcpy(list, &grown, sizeof grown);
  *capacity = more;
  return ERR_OK;
}

Err workspace_step(Workspace *w, size_t steps) {
  CHECK((int64_t)steps <= w->steps_max - w->steps, ERR_STATE, "takes more than the limit of %lld steps; does it ever end?",
        (long long)w->steps_max);
  w->steps += (int64_t)steps;
  return ERR_OK;
}

Err builder_put(Builder *b, const void *data, size_t size) {
  if (size == 0) return ERR_OK;
  CHECK(size <= b->limit && b->size <= b->limit - size, ERR_MEMORY, "the text is longer than the limit of %zu MiB",
        b->limit >> 20);
  if (b->capacity - b->size < size) {
    size_t capacity = b->capacity * 2 > b->size + size ? b->capacity * 2 : b->size + size + 64;
    char *grown;
    TRY(workspace_take(b->w, capacity, &grown));
    if (b->size) memcpy(grown, b->data, b->size);
    b->data = grown;
    b->capacity = capacity;
  }
  memcpy(b->data + b->size, data, size);
  b->size += size;
  return ERR_OK;
}
