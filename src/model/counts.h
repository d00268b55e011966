// Parameters and operations of a configuration, from its numbers alone. Cost: one walk over the layers.
#ifndef MODEL_COUNTS_H
#define MODEL_COUNTS_H

#include "model/config.h"

// Parameters by what they are; biases count where they are added, maps of a factorised embedding with it. total and active (for
// one token) leave out the multi-token-prediction layers (mtp) and the routers' selection biases (balance); attention to norm
// are the main model's. What is tied or shared counts once.
typedef struct {
  int64_t total, active, embedding, attention, dense, experts, shared, router, norm, mtp, balance;
} ModelCounts;
ModelCounts model_counts(const ModelConfig *config);
// Floating-point operations a token costs at sequence length T, forward only: GEMMs and attention (causal half), multi-token
// prediction included. Shared weights cost as often as they are used. The backward costs twice that.
double model_flops_token(const ModelConfig *config, int64_t T);

#endif
