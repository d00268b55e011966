// A model's weights in a GGUF file: read as a source of weights, and written from one.
//
// Architectures: llama (families llama and telechat3), qwen2, qwen3, deepseek2 (deepseek_v2 and deepseek_v3, latent attention
// in the split or the older whole form). The key-values become a config.json, which is read as one (model/hf_config.h); what
// they say that no key of it can is refused by name. Tensors are dequantised to fp32; F32, F16 and BF16 stay as they are.
// Multi-token-prediction layers have no place in the format: they are not written.
// Cost: a pass over the file; memory for a chunk, or for one head of kv_b.
// Source: ggml's docs/gguf.md; the names that llama.cpp reads.
#ifndef MODEL_GGUF_FILES_H
#define MODEL_GGUF_FILES_H

#include "base/gguf.h"
#include "model/weights.h"

// *c is checked (model_config_check). ERR_FORMAT, ERR_CONFIG.
Err gguf_config_read(const Gguf *g, ModelConfig *c);

// ---- reading
// Faults are in the source (weights_check), what cannot be read at all is an error. Its tokenizer is the file's own.
Err gguf_source_open(WeightSource **source, const char *path);

#endif
