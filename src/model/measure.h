// What a model takes in memory, by declaring and running it on a device that does nothing: the bytes that a run will take.
#ifndef MODEL_MEASURE_H
#define MODEL_MEASURE_H

#include "model/model.h"

typedef struct {
  size_t weights, grads;  // of which products read the high halves in bf16; gradients of those that the optimiser moves
  size_t tables;          // rotary tables, counters
  size_t kept, temp;      // of one micro-batch: what a forward keeps for its backward (or needs itself), and working memory
} ModelMemory;

// B sequences of T tokens; training: forward and backward, else a forward alone. ERR_MEMORY. Cost: a list of the
// parameters.
Err model_measure(const ModelConfig *config, Dtype type, int64_t B, int64_t T, bool training, Recompute recompute,
                  ModelMemory *memory);

#endif
