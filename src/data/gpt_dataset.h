// Samples of equal length over a token file, in exactly the order of Megatron's GPTDataset.
//
// The sequences of a range, repeated for E epochs, are shuffled and read as one long run of tokens; sample i is tokens
// [i T, i T + T + 1) of it (the last token of a sample is the first of the next), and the samples are shuffled again.
// Source: Megatron Core 0.15 and MindFormers GPTDataset, `_build_document_sample_shuffle_indices`.
#ifndef DATA_GPT_DATASET_H
#define DATA_GPT_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "data/indexed.h"

enum { PAD_TOKEN = -1, ONE_EPOCH = -1 };

typedef struct {
  int64_t samples;  // wanted; ONE_EPOCH: what one epoch gives
  int64_t T;        // tokens of a sample, > 1
  uint32_t seed;
  bool keep_partial;  // the last, shorter sample counts too, filled with PAD_TOKEN (validation)
  bool no_extra;      // samples of T tokens that do not overlap; the last label of each is a pad
} GptOptions;

typedef struct {
  const Indexed *data;  // borrowed
  GptOptions option;
  int64_t begin, end;  // the range of sequences
  int64_t tokens_per_epoch, epochs;
  bool last_separate;       // the last epoch is shuffled on its own, at the end, as less than 0.8 of it is used
  int64_t entries;          // of document_index
  int32_t *document_index;  // [entries] sequences in order
  int64_t samples;          // >= option.samples
  int64_t *sample_index;    // [samples + 1][2]: position in document_index, token in that sequence
  uint32_t *shuffle_index;  // [samples]
} GptDataset;

// Plans the sizes (everything but the three arrays). ERR_CONFIG says which range has no tokens, or fewer than one sample.
Err gpt_dataset_plan(GptDataset *g, const Indexed *data, int64_t begin, int64_t end, const GptOptions *option);
// Plans and builds. Linear in entries + samples; memory 4 entries + 20 samples bytes. ERR_MEMORY says how much was wanted.
Err gpt_dataset_build(GptDataset *g, const Indexed *data, int64_t begin, int64_t end, const GptOptions *option);
void gpt_dataset_free(GptDataset *g);
// Takes the memory of the three arrays of a planned data set.
Err gpt_dataset_take(GptDataset *g);

static inline int64_t gpt_dataset_row(const GptDataset *g) { return g->option.T + (g->option.no_extra ? 0 : 1); }

// out[i] = token first + i of sample `index` (0 .. samples - 1, in shuffled order), i in [0, n), first + n <= row; PAD_TOKEN
// past the end of the last partial sample. Errors of indexed_read. Allocates nothing.
Err gpt_dataset_read(const GptDataset *g, int64_t index, int64_t first, int64_t n, int64_t vocab, int32_t *out);

#endif
