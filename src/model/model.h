// A model: a list of blocks, each a short list of nodes with three moves (nn/block.h), and one list of parameters.
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "model/config.h"
#include "nn/block.h"
#include "nn/param.h"

typedef struct {
  ModelConfig config;
  ParamList params;   // every parameter, in the order of the blocks
  Block *block;       // embed, decoder 0 .. L-1, head, then one per multi-token-prediction layer
  int64_t n_blocks;
  Rotary rotary;
  Weight embedding, head;  // head is the embedding when tied
} Model;

// Declares the model. With measuring arenas it only counts. weights: fp32 masters; grads: or NULL for a model that is only read; other:
// tables and compute copies (bf16), kept as long as the model. positions: longest sequence that will be run (<= max_length).
Err model_init(Model *m, const ModelConfig *config, Dtype type, int64_t positions, Arena *weights, Arena *grads, Arena *other);
void model_free(Model *m);

// Initial values by role, name and element index: any layout gives the same. std <= 0: the configuration's.
void model_reset(Model *m, uint64_t seed);
// Brings the compute copies up to date with the masters; after each change of weights.
void model_prepare(Model *m, Run *run);

// The three moves over blocks [first, last) of a chunk. `saved` holds n_blocks BlockSaved, `stream` what goes between blocks.
void model_forward(Model *m, Run *run, const MicroBatch *mb, int64_t first, int64_t last, Stream *stream, BlockSaved *saved, Losses *losses);
// Backward to the input and, node by node, to the weights (both), or only one of them.
void model_backward(Model *m, Run *run, const MicroBatch *mb, int64_t first, int64_t last, Stream *stream, BlockSaved *saved, Move move);

// Parameters by what they are, for `info`: totals and those active for a token.
typedef struct {
  int64_t total, active, embedding, attention, dense, experts, shared, router, norm, mtp;
} ModelCounts;
ModelCounts model_counts(const ModelConfig *config);
// Floating-point operations a token costs at sequence length T, forward only: GEMMs and attention (causal half).
double model_flops_token(const ModelConfig *config, int64_t T);

#endif
