// A model's weights in a Hugging Face folder: read as a source of weights, and written from one. Names are those of released
// checkpoints.
//
// Multi-token prediction: the layer is read at index L or L + 1 (both are found in the field) and written at L. Its own copies
// of the embedding and the head ("embed_tokens", "shared_head.head") must equal the main model's: they are checked and dropped,
// and written again. Types read: F32, BF16, F16, F64, F8_E4M3 and F8_E5M2, the last two with "NAME_scale_inv" beside them if
// there is one: a factor for each block of quantization_config.weight_block_size. Written: F32, BF16, F16 (the routers'
// selection bias as F32, unless it is stored otherwise). A folder that was read and is written again in its types gives the
// same bytes: files, order and names are kept (WeightSource.layout); else tensors lie in the order of the safetensors library.
#ifndef MODEL_HF_FILES_H
#define MODEL_HF_FILES_H

#include "base/safetensors.h"
#include "model/config.h"
#include "model/weights.h"
#include "nn/param.h"

// ---- the files of a folder
typedef struct {
  SafeTensors *file;  // owned; headers only
  bool **used;        // [n_files][tensors]: taken by somebody
  int64_t n_files;
  char *folder;  // owned
  FileStream *stream;
} HfFolder;

// Opens every file that model.safetensors.index.json names, or model.safetensors, or all of model-00001-of-N.safetensors ...
// ERR_IO: a file is missing; ERR_FORMAT: cut, not where the index says, or a tensor in two files.
Err hf_open(HfFolder *h, const char *folder);
void hf_close(HfFolder *h);
// Bytes of all its files of weights.
double hf_bytes(const HfFolder *h);
// Whether one of them holds a tensor of this name; marks nothing.
bool hf_has(const HfFolder *h, const char *name);
// NULL if there is none. Marks it as used. *file: the one that holds it.
const StTensor *hf_take(const HfFolder *h, const char *name, const SafeTensors **file);

// ---- reading
// Whether this is a folder with a config.json.
bool hf_is_folder(const char *path);
// Opens config.json and the headers. Faults are in the source (weights_check), what cannot be read at all is an error.
Err hf_source_open(WeightSource **source, const char *folder);
// The same for a configuration that is known; the parameters of `config` are looked for.
Err hf_source_open_as(WeightSource **source, const char *folder, const ModelConfig *config);
// Reads every parameter of `list`. ERR_FORMAT names what is missing, left over, and of another shape or type; ERR_NUMERIC names
// the first weight that is not finite, unless allow_nan. On error the weights hold anything.
Err hf_load(const char *folder, const ModelConfig *config, const ParamList *list, bool allow_nan);

// ---- writing
typedef struct {
  StType type;         // ST_F32, ST_BF16, ST_F16; ST_OTHER: each as the source has it
  size_t shard_bytes;  // of weights in one file; more go into numbered files with an index. 0: 5 GB, or as the source's layout
  bool allow_nan;
} HfSave;

// Writes config.json, generation_config.json, the weights and the tokenizer's files aside and puts the folder in place. ERR_ARG
// if the folder is there and not empty; ERR_CONFIG if no known class computes this configuration; ERR_NUMERIC as above.
Err hf_save(const char *folder, WeightSource *source, const HfSave *o);
// Copies the tokenizer's files (a chat template and generation_config.json among them) from a folder, or one file. ERR_ARG if
// there is none.
Err hf_copy_tokenizer(const char *from, const char *folder);
// Whether a folder has such files.
bool hf_has_tokenizer(const char *folder);

#endif
