#include "model/measure.h"

#include <stdlib.h>

Err model_measure(const ModelConfig *config, Dtype type, int64_t B, int64_t T, bool training, Recompute recompute,
                  ModelMemory *memory) {
  Arena weights, grads, tables, kept, temp, *all[] = {&weights, &grads, &tables, &kept, &temp};
  static const char *const names[] = {"weights", "gradients", "tables", "activations", "temporary"};
  Err err = ERR_OK;
  Model *m = calloc(1, sizeof *m);
  BlockSaved *saved = NULL;
  for (int i = 0; i < 5; i++) arena_measure(all[i], names[i]);
  CHECK_OUT(m, ERR_MEMORY, "no memory to measure a model");
  TRY_OUT(model_init(m, config, type, T, &weights, training ? &grads : NULL, &tables));
  saved = calloc((size_t)m->n_blocks, sizeof *saved);
  CHECK_OUT(saved, ERR_MEMORY, "no memory to measure a model of %lld blocks", (long long)m->n_blocks);
  Dev nothing;
  dev_measure(&nothing);
  Run run = {.dev = &nothing, .type = type, .kept = &kept, .temp = &temp, .training = training, .recompute = recompute};
  static const int32_t label;  // a loss is wanted, and nobody reads it
  MicroBatch mb = {.B = B, .T = T, .labels = &label};
  Stream stream = {0};
  Losses losses = {0};
  model_forward(m, &run, &mb, 0, m->n_blocks, &stream, saved, &losses);
  if (training) model_backward(m, &run, &mb, 0, m->n_blocks, &stream, saved, MOVE_BACKWARD);
  *memory = (ModelMemory){weights.peak, grads.peak, tables.peak, kept.peak, temp.peak};
out:
  free(saved);
  if (m) model_free(m);
  free(m);
  return err;
}
