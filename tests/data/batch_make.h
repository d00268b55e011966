// A batch of a test, on the heap.
#ifndef TESTS_DATA_BATCH_MAKE_H
#define TESTS_DATA_BATCH_MAKE_H

#include "data/batch.h"

// Zeros, [B, T] each.
Batch batch_make(int64_t B, int64_t T);
void batch_end(Batch *b);

#endif
