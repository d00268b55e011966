// Sorting many numbers.
#ifndef BASE_SORT_H
#define BASE_SORT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

// Sorts key[0, count), the least first. Memory: as many numbers more (ERR_MEMORY). Cost: linear, a pass for each byte in which
// keys differ; sorted ones take one look.
Err sort_u64(uint64_t *key, size_t count);

#endif
