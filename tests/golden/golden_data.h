// What the readers of data/ share.
#ifndef TESTS_GOLDEN_GOLDEN_DATA_H
#define TESTS_GOLDEN_GOLDEN_DATA_H

#include "data/split.h"
#include "golden/golden.h"

// data/NAME.npy must be `bytes` bytes of this kind and element size, and be ours.
void golden_array_is(GoldenCount *n, const char *name, const void *ours, size_t bytes, char kind, int size);
// The path, without ending, of the pair of token files that a case is about; notes both.
void golden_pair(const GoldenCount *n, char out[PATH_BYTES], const json_t *c);
SplitPart golden_part(const char *name);

#endif
