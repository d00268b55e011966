// What several benches share.
#ifndef CLI_BENCH_PARTS_H
#define CLI_BENCH_PARTS_H

#include "base/json.h"
#include "model/config.h"

// Reads SHAPE.json, {"hf": a Hugging Face configuration, ...}: *root is the whole (json_decref it), *model what "hf" says.
// ERR_FORMAT and hf_config_read's errors name the file; *root is nothing then.
Err bench_read_shape(json_t **root, const char *path, ModelConfig *model);
// Of {"hf": ..., "batch": B, "seq": T}: ERR_CONFIG too where the model does not allow such sequences.
Err bench_read_batch(const char *path, ModelConfig *model, int64_t *B, int64_t *T);

#endif
