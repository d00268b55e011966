// A model's weights in a Hugging Face folder: read into, and written from, a list of parameters, whose names are those of
// released checkpoints.
//
// Multi-token prediction: the layer is read at index L or L + 1 (both are found in the field) and written at L. Its own copies
// of the embedding and the head ("embed_tokens", "shared_head.head") must equal the main model's: they are checked and dropped,
// and written again. Types read: F32, BF16, F16 (exact) and F64 (rounded). Written: F32 (exact) or BF16 (to nearest even; the
// routers' selection bias stays F32). Order: as the safetensors library writes, so that F32 -> here -> F32 gives the same
// bytes. Cost: one pass, memory for one chunk.
#ifndef MODEL_HF_FILES_H
#define MODEL_HF_FILES_H

#include "base/safetensors.h"
#include "model/config.h"
#include "nn/param.h"

// ---- reading
typedef struct {
  SafeTensors *file;  // owned
  bool **used;        // [n_files][tensors]: taken by somebody
  int64_t n_files;
  char *folder;  // owned
} HfFolder;

// Opens model.safetensors, or every file that model.safetensors.index.json names. ERR_IO, ERR_FORMAT.
Err hf_open(HfFolder *h, const char *folder);
void hf_close(HfFolder *h);
// NULL if there is none. Marks it as used.
const StTensor *hf_take(const HfFolder *h, const char *name);

// Reads every parameter of `list`. ERR_FORMAT names what is missing, left over, and of another shape or type; ERR_NUMERIC names
// the first weight that is not finite, unless allow_nan. On error the weights hold anything.
Err hf_load(const char *folder, const ModelConfig *c, const ParamList *list, bool allow_nan);

// ---- writing
typedef struct {
  Dtype type;          // DT_F32 or DT_BF16
  size_t shard_bytes;  // of weights in one file; more go into numbered files with an index. 0: 5 GB
  bool allow_nan;
  const char *tokenizer;  // a folder with tokenizer files, or one such file; NULL: none
} HfSave;

// Writes config.json, generation_config.json, the weights and the tokenizer's files aside and puts the folder in place. ERR_ARG
// if the folder is there and not empty; ERR_CONFIG if no known class computes this configuration; ERR_NUMERIC as above.
Err hf_save(const char *folder, const ModelConfig *c, const ParamList *list, const HfSave *o);

// ERR_NUMERIC: the first weight of the list that is NaN or infinite, by name and index.
Err params_check_finite(const ParamList *list, const char *where);

#endif
