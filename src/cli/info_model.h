// pleiad info MODEL: what a model is and what it takes, from its configuration alone.
#ifndef CLI_INFO_MODEL_H
#define CLI_INFO_MODEL_H

#include "model/config.h"

// The configuration of what `path` names: a Hugging Face folder or a config.json, a YAML file with model keys (configs/model/,
// a run file), or whatever else formats.h knows. No weights are read. ERR_IO, ERR_FORMAT, ERR_CONFIG.
Err info_config(const char *path, ModelConfig *config);
// Prints the report for sequences of `length` tokens (0: the model's longest, 8192 at most), as one JSON object if `json`.
Err info_model(const char *path, int64_t length, bool json);

#endif
