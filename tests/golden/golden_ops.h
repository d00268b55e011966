// The golden cases of the operations: every file of the folder `ops` of a golden tree, cases found by their tensors' names, at
// every level of this machine (the reference in double and to double's accuracy). Says every difference on stderr, and counts.
#ifndef TESTS_GOLDEN_GOLDEN_OPS_H
#define TESTS_GOLDEN_GOLDEN_OPS_H

#include "golden/golden.h"

GoldenCount golden_ops(const char *ops);

// Whether golden_ops reads this file; the others (lr, muon, mla) belong to rooms above.
int golden_ops_reads(const char *file);

#endif
