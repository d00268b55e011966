// Golden cases: taken from the files of a folder, never from a list in the code.
#ifndef TESTS_GOLDEN_GOLDEN_H
#define TESTS_GOLDEN_GOLDEN_H

#include <stdint.h>

typedef struct {
  const char *folder;
  int64_t cases, comparisons, failed;
} GoldenCount;

#endif
