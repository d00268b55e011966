// A model: a list of blocks, each a short list of nodes with three moves (nn/block.h), and one list of parameters.
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "model/config.h"
#include "model/counts.h"
#include "nn/block.h"
#include "nn/param.h"

typedef struct {
  ModelConfig config;
  ParamList params;  // every parameter, in the order of the blocks
  Block *block;      // embed, decoder 0 .. L-1, head, then one per multi-token-prediction layer
  int64_t n_blocks;
  Rotary rotary;
  Weight embedding, head;
  Weight *head_used;  // &head, or &embedding when tied
} Model;

// What a configuration says of its rotary positions.
RotarySpec model_rotary_spec(const ModelConfig *c);

// Declares the model. With measuring arenas it only counts. weights: NULL for a model that is only read, of whose matrices no
// more is held than products read, in `other`; grads: NULL for one that is not trained; other: tables, counters and 8-bit
// copies, kept as long as the model. positions: longest sequence that will be run. *m must stay where it is.
Err model_init(Model *m, const ModelConfig *config, Dtype type, int64_t positions, Arena *weights, Arena *grads, Arena *other);
void model_free(Model *m);

// Whether no block's backward adds to the gradients of another's parameters (a tied head, layers that share, MTP do).
bool model_is_apart(const Model *m);

// Initial values of all parameters: model_reset_param with model_init_std.
void model_reset(Model *m, uint64_t seed);
// The standard deviation by role: the configuration's; over sqrt(2 layers) for matrices that write to the residual stream; 0
// for vectors.
double model_init_std(const ModelConfig *c, const Param *p);
// normal(0, std) by seed, name and element index (norms: 1): any layout gives the same.
void model_reset_param(const Param *p, uint64_t seed, double std);
// Brings 8-bit copies up to date (params_prepare); after each change of weights where the type is DT_Q8.
void model_prepare(Model *m, Dev *dev);

// The moves over blocks [first, last). saved: n_blocks BlockSaved; stream: what goes between blocks; losses are added to.
// Training takes what it keeps from run->kept, in order: mark before, rewind after the backward. MOVE_BACKWARD returns
// run->temp as it was; after MOVE_BACKWARD_INPUT alone, temp must stay until the MOVE_BACKWARD_WEIGHT of the same blocks.
void model_forward(Model *m, const Run *run, const MicroBatch *mb, int64_t first, int64_t last, Stream *stream,
                   BlockSaved *saved, Losses *losses);
void model_backward(Model *m, const Run *run, const MicroBatch *mb, int64_t first, int64_t last, Stream *stream,
                    BlockSaved *saved, Move move);

#endif
