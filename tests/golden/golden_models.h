// The golden models: every case folder in the folder `models` of a golden tree, by the comparisons of `pleiad verify`. Kinds of
// models that are not read yet are listed on stderr and not counted.
#ifndef TESTS_GOLDEN_GOLDEN_MODELS_H
#define TESTS_GOLDEN_GOLDEN_MODELS_H

#include "golden/golden.h"

GoldenCount golden_models(const char *models);

#endif
