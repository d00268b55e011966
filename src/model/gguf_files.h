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

// ---- writing
typedef struct {
  // For matrices whose rows are whole blocks of it; else Q8_0, else F16. Vectors, routers and their biases stay F32; with Q4_K
  // the head (or the embedding table that is the head) is Q6_K, as llama.cpp's own files have it. NULL: each as the source has
  // it.
  const GgufType *type;
  bool allow_nan;
  // Puts the key-values of the tokenizer; NULL: none.
  Err (*put_tokenizer)(GgufWriter *w, const void *context);
  const void *context;
} GgufSave;

// Writes the file aside and puts it in place. ERR_CONFIG if the format has no form for this configuration; ERR_NUMERIC at the
// first weight that is not finite. Blocks are encoded on all cores, with the same bytes for any number. Memory: some
// megabytes, or a head's rows where there are more.
Err gguf_save(const char *path, WeightSource *source, const GgufSave *o);
// ERR_CONFIG names what no key or tensor of the format says.
Err gguf_config_check(const ModelConfig *c);
// The key-values of a configuration. name: general.name.
Err gguf_config_put(GgufWriter *w, const ModelConfig *c, const char *name);

#endif
