// A map from byte strings to numbers, and the strings by the order they came in.
//
// Strings may hold any bytes. They are copied into one pool, NUL-terminated; pointers into it stay good until the next put.
#ifndef TEXT_STRMAP_H
#define TEXT_STRMAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct {
  size_t at;  // in the pool
  uint32_t size;
  int32_t value;
} StrMapItem;

typedef struct {
  char *pool;
  size_t pool_size, pool_capacity;
  StrMapItem *item;  // in the order of the puts
  int64_t count, capacity;
  uint64_t *slot;  // 32 bits of the string's hash, and 1 + the index of its item; 0 if empty
  uint64_t mask;   // slots - 1; 0 before the first put
} StrMap;

void strmap_free(StrMap *m);  // starts as {0}
// Makes room for `count` strings of `bytes` bytes in all, so that their puts need not. ERR_MEMORY.
Err strmap_reserve(StrMap *m, int64_t count, size_t bytes);
// The index of the string's item, -1 if none.
int64_t strmap_find(const StrMap *m, const char *text, size_t size);
// The value of the string, `none` if it is not there.
int32_t strmap_get(const StrMap *m, const char *text, size_t size, int32_t none);
// Adds a string that is not there yet, or gives its item as it is; *index (may be NULL) says where it lies. ERR_MEMORY; ERR_ARG
// for a string of 4 GiB.
Err strmap_put(StrMap *m, const char *text, size_t size, int32_t value, int64_t *index);
static inline const char *strmap_text(const StrMap *m, int64_t index) { return m->pool + m->item[index].at; }

#endif
