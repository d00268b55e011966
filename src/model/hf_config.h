// Hugging Face config.json <-> ModelConfig, for model_type deepseek_v3, llama and telechat3.
//
// Every key is mapped, known to have no effect on the arithmetic here, or refused by its name with the way out. A key that is
// absent has the value that the class of `transformers` gives it. What a config.json does not say (loss coefficients, rates)
// keeps its value of model_config_defaults. Cost: nothing to speak of. Deterministic.
// Source: transformers' configuration classes of deepseek_v3 and llama; telechat3: llama with its own rope_type.
#ifndef MODEL_HF_CONFIG_H
#define MODEL_HF_CONFIG_H

#include "base/json.h"
#include "model/config.h"
#include "ops/ops.h"

// What kind of model this is if it is a known one that is not read yet ("TeleChat2 ..."), else NULL.
const char *hf_config_not_read_yet(const json_t *hf);
// *c is checked (model_config_check). `where` names the file or place in messages. ERR_CONFIG, ERR_FORMAT.
Err hf_config_read(const json_t *hf, const char *where, ModelConfig *c);
Err hf_config_load(const char *path, ModelConfig *c);
// A new object in *hf, keys sorted. type: what the weights are stored in (torch_dtype). ERR_CONFIG if no known class computes
// this configuration (a family's name on a structure it does not have), with the key.
Err hf_config_make(const ModelConfig *c, Dtype type, json_t **hf);

#endif
