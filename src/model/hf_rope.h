// The rotary part of a config.json: rope_theta, and rope_scaling or (newer) rope_parameters. Only families with KEY_ROPE have
// it; the others say theirs by keys of their own.
#ifndef MODEL_HF_ROPE_H
#define MODEL_HF_ROPE_H

#include "base/json.h"
#include "model/config.h"

// c->model and, for families without these keys, c->rope are read before. ERR_CONFIG, ERR_FORMAT with the key.
Err hf_rope_read(const json_t *hf, const char *where, ModelConfig *c);
// A new object, null without scaling; NULL without memory.
json_t *hf_rope_scaling(const ModelConfig *c);

#endif
