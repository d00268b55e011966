// A run small enough to test with: a model of all structures, two layers, and a token file with something to learn.
#ifndef TESTS_TRAIN_TINY_H
#define TESTS_TRAIN_TINY_H

#include "train/config.h"

// 400 documents of a noisy chain over ids 3 .. 63, each ended by 2, as FOLDER/toy.bin and .idx.
void tiny_data(const char *folder);
// Defaults, then sizes of the tiny model, data FOLDER/toy, output FOLDER/run, 8 steps of 4 sequences of 16 tokens.
void tiny_config(RunConfig *c, const char *folder);
// Runs without a word on stderr.
Err tiny_run(RunConfig *c, void *summary);

#endif
