// Keys and values of earlier positions, for decoding.
//
// MLA keeps them in one of two forms. *Expanded*: the keys and values of every head, as training computes them, so that a
// token's log-probability is equal to the bit in training, prefill and decoding. *Latent*: the latent and the rotary key only
// (14 times smaller on the 105B); queries are carried into the latent space instead (the absorbed form), which rounds
// elsewhere. Expanded is the default.
#ifndef NN_CACHE_H
#define NN_CACHE_H

#include <stdbool.h>

#include "ops/ops.h"

// One layer of one sequence: rows are positions.
//   GQA: k [capacity, 2 K Dh] keys after the rotary turn and values, in the order of the layer's projection; v none
//   MLA expanded: k [capacity, H (nope + v)], v [capacity, rope] the shared rotary key
//   MLA latent: k [capacity, kv_rank + rope], v none
typedef struct {
  Mat k, v;
} KvLayer;

typedef struct {
  int64_t length, capacity;  // positions filled before this call; positions there is room for
  bool latent;
  KvLayer *layer;  // [layers]
} KvSequence;

// The rows of a call, by sequence: rows[i] rows of sequence[i], one after the other. The caller raises length afterwards.
typedef struct {
  int64_t count;
  const int64_t *rows;
  KvSequence *const *sequence;
} KvBatch;

#endif
