// The golden cases of GGUF files.
#ifndef TESTS_GOLDEN_GOLDEN_GGUF_H
#define TESTS_GOLDEN_GOLDEN_GGUF_H

#include "golden/golden.h"

// data: the folder `data` of a golden tree. Every tensor of every gguf/*.gguf against the .npy of its name, to the bit; every
// verdict of gguf/verdicts.jsonl.
GoldenCount golden_gguf(const char *data);

#endif
