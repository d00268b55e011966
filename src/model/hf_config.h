// Hugging Face config.json <-> ModelConfig, for the families of model/families.inc.
//
// Every key is mapped, known to have no effect on the arithmetic here, or refused by its name with the way out. A key that is
// absent has the value that the class of `transformers` gives it. What a config.json does not say (loss coefficients, rates)
// keeps its value of model_config_defaults. Cost: nothing to speak of. Deterministic.
// Source: transformers' configuration classes, and the published TelechatConfig.
#ifndef MODEL_HF_CONFIG_H
#define MODEL_HF_CONFIG_H

#include "base/json.h"
#include "model/config.h"
#include "ops/ops.h"

// *c is checked (model_config_check). `where` names the file or place in messages. ERR_CONFIG, ERR_FORMAT.
Err hf_config_read(const json_t *hf, const char *where, ModelConfig *c);
Err hf_config_load(const char *path, ModelConfig *c);
// A new object in *hf, keys sorted. type: what the weights are stored in (torch_dtype). ERR_CONFIG if what was
// written would be read as another configuration (a family's name on a structure it does not have), with the key.
Err hf_config_make(const ModelConfig *c, Dtype type, json_t **hf);

#endif
