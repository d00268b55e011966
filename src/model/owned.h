// A model with memory of its own: measured, reserved, declared. For reading, exporting and verifying; training has its own
// arenas.
#ifndef MODEL_OWNED_H
#define MODEL_OWNED_H

#include "model/model.h"

typedef struct {
  Model model;
  Arena weights, grads, other;  // grads: empty without gradients
} OwnedModel;

// positions: longest sequence that will be run; it may not exceed config->model.max_length (ERR_ARG). Weights are zero. *m must
// stay where it is. ERR_MEMORY with the size.
Err owned_open(OwnedModel *m, const ModelConfig *config, Dtype type, int64_t positions, bool grads);
void owned_close(OwnedModel *m);

#endif
