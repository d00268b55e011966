// A set of packed samples with their masks, as data/sft_build.h makes it, for training: a document of PREFIX.idx is a sample,
// and PREFIX.mask.idx says which of its tokens are learnt.
//
// Samples come in an order drawn from the seed, a fresh one each epoch. One that is longer than T is cut; a shorter one is
// filled with `pad`, which is not learnt.
#ifndef DATA_PACKED_H
#define DATA_PACKED_H

#include "data/indexed.h"

typedef struct {
  Indexed mask;
  const Indexed *ids;  // borrowed
  int64_t begin, end;  // the documents of this part
  int64_t samples;     // of all epochs
  uint32_t *order;     // [samples] documents, from `begin`
  int64_t cut;         // documents longer than T
} Packed;

// Whether a mask lies beside the token file.
bool packed_is(const Indexed *ids);
// samples: wanted; -1: each once. ERR_FORMAT: the mask is not of these tokens. ERR_CONFIG: no samples in the range.
Err packed_open(Packed *p, const Indexed *ids, int64_t begin, int64_t end, int64_t samples, int64_t T, uint32_t seed);
void packed_close(Packed *p);

typedef struct {
  int64_t T, vocab;
  int32_t pad;
  bool reset_positions, reset_attention;  // at each dialog
} PackedRow;

// Sample `index` as a row: ids, labels (the token after each), mask of the labels, positions and document starts, all [T].
// ERR_FORMAT for an id that is not below vocab. Allocates nothing.
Err packed_read(const Packed *p, int64_t index, const PackedRow *o, int32_t *ids, int32_t *labels, float *mask,
                int32_t *position, int32_t *doc_start);

#endif
