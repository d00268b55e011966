// Memory for large arrays that are soon filled.
#ifndef BASE_LARGE_H
#define BASE_LARGE_H

#include <stddef.h>

// As malloc and calloc, to be freed by free(), on large pages where there are any: a page fault for 2 MiB instead of 512.
void *malloc_large(size_t bytes);
void *calloc_large(size_t count, size_t size);

#endif
