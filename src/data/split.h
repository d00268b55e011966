// How a token file is cut into training, validation and test parts: "969,30,1" gives ranges of sequences, as Megatron cuts
// them.
#ifndef DATA_SPLIT_H
#define DATA_SPLIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

typedef enum { SPLIT_TRAIN, SPLIT_VALID, SPLIT_TEST, SPLITS } SplitPart;

typedef struct {
  bool present[SPLITS];               // false: the part is 0
  double begin[SPLITS], end[SPLITS];  // shares, in [0, 1]
} Split;

// One to three weights, separated by commas; missing ones are 0. ERR_ARG says which is wrong.
Err split_parse(Split *s, const char *text);
// The sequences [*begin, *end) of a part, of `count`; empty if it is not present. Ends are rounded half to even.
void split_range(const Split *s, SplitPart part, int64_t count, int64_t *begin, int64_t *end);
const char *split_name(SplitPart part);  // "train", "valid", "test"

#endif
