// The golden cases that belong to training, of the folder `ops` of a golden tree: learning rates, the optimiser's whole way
// (norm, clipping, AdamW) and the routers' balance step. Says every difference on stderr, and counts.
#ifndef TESTS_GOLDEN_GOLDEN_TRAIN_H
#define TESTS_GOLDEN_GOLDEN_TRAIN_H

#include "golden/golden.h"

GoldenCount golden_train(const char *ops);

#endif
