#include "model/owned.h"

Err owned_open(OwnedModel *m, const ModelConfig *config, Dtype type, int64_t positions, bool grads) {
  *m = (OwnedModel){0};
  CHECK(positions <= config->model.max_length, ERR_ARG, "a sequence of %lld tokens is longer than model.max_length %lld",
        (long long)positions, (long long)config->model.max_length);
  Arena weights, gradients, other;
  arena_measure(&weights, "weights");
  arena_measure(&gradients, "gradients");
  arena_measure(&other, "tables and 8-bit copies");
  Err err = model_init(&m->model, config, type, positions, &weights, grads ? &gradients : NULL, &other);
  model_free(&m->model);
  TRY(err);
  TRY_OUT(arena_init(&m->weights, weights.name, weights.used));
  if (grads) TRY_OUT(arena_init(&m->grads, gradients.name, gradients.used));
  TRY_OUT(arena_init(&m->other, other.name, other.used));
  TRY_OUT(model_init(&m->model, config, type, positions, &m->weights, grads ? &m->grads : NULL, &m->other));
  return ERR_OK;
out:
  owned_close(m);
  return err;
}

void owned_close(OwnedModel *m) {
  model_free(&m->model);
  arena_free(&m->weights);
  arena_free(&m->grads);
  arena_free(&m->other);
}
