// What a training run reads: one token file, or several mixed by weight, cut into parts, as numbered samples of T + 1 tokens.
//
// The number of a sample says everything about it: any rank, thread or resumed run that asks for sample i gets the same tokens.
#ifndef DATA_DATASET_H
#define DATA_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "data/gpt_dataset.h"
#include "data/packed.h"
#include "data/split.h"

typedef struct {
  const char *prefix;
  double weight;  // of a blend, in any unit; ignored for a single one
} DataSource;

typedef struct {
  const DataSource *source;
  int64_t sources;
  const char *split;  // "969,30,1"; each source is cut so
  SplitPart part;
  int64_t samples;   // wanted; ONE_EPOCH: every sample of every source once (weights play no part then)
  int64_t T, vocab;  // vocab: ids are 0 .. vocab - 1, any other in a file is an error
  uint32_t seed;
  bool keep_partial;     // see GptOptions
  int32_t pad;           // fills packed samples that are shorter than T
  int32_t eod;           // id that ends a document; -1: none, then the three below must be false
  bool eod_mask_loss;    // no loss where the input is eod
  bool reset_positions;  // positions count from the document's begin
  bool reset_attention;  // a token sees its own document only
  const char *cache;     // folder of sample orders (data/gpt_cache.h); NULL: none
} DataOptions;

typedef struct Dataset Dataset;

// ERR_CONFIG, ERR_FORMAT, ERR_IO name the file and what is wrong. The strings of *option are copied where they are needed.
Err dataset_open(Dataset **d, const DataOptions *option);
void dataset_close(Dataset *d);

const DataOptions *dataset_options(const Dataset *d);  // source, split and cache are NULL in it
int64_t dataset_samples(const Dataset *d);             // 0 .. samples - 1 may be read; with samples wanted, at least as many
int64_t dataset_sources(const Dataset *d);
const GptDataset *dataset_source(const Dataset *d, int64_t source);
// The source's packed samples (a mask lies beside its file: data/packed.h); NULL: it is a GptDataset.
const Packed *dataset_packed(const Dataset *d, int64_t source);
// The source of sample i and its number there.
void dataset_place(const Dataset *d, int64_t i, int64_t *source, int64_t *sample);

#endif
