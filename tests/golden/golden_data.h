// The golden cases of the data room. Each takes the folder `data` of a golden tree, says every difference on stderr, and
// counts.
#ifndef TESTS_GOLDEN_GOLDEN_DATA_H
#define TESTS_GOLDEN_GOLDEN_DATA_H

#include "golden/golden.h"

GoldenCount golden_data_gpt(const char *data);    // sample orders, splits, masks, items, cache names, shuffles
GoldenCount golden_data_blend(const char *data);  // orders and sizes of blends
// Token files: read, written again, and built from their sources, to the same bytes. (Sources are built where their tokenizers
// are at hand: these are not the project's to copy.)
GoldenCount golden_data_indexed(const char *data);
GoldenCount golden_data_bad(const char *data);  // broken files of the readers "indexed" and "jsonl"

#endif
