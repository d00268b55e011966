// What runs left in their folders, to compare.
#ifndef TESTS_TRAIN_RUNS_H
#define TESTS_TRAIN_RUNS_H

#include "train/config.h"

// The text of FOLDER/NAME; the caller frees.
char *run_text(const char *folder, const char *name);
// metrics.jsonl without what depends on the machine; the caller frees.
char *run_metrics(const char *folder);
// Both runs' metrics, experts and checkpoint of `step` are the same to the byte.
void runs_assert_same(const char *a, const char *b, int64_t step);
// tiny_config with output FOLDER/OUTPUT; the caller frees.
RunConfig *tiny_config_of(const char *folder, const char *output);

#endif
