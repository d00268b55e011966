// What the index of a Hugging Face folder says of its files, beside what the configuration wants: without opening a shard.
#ifndef CLI_INFO_INDEX_H
#define CLI_INFO_INDEX_H

#include "base/json.h"
#include "model/config.h"

enum { INFO_NAME_BYTES = 160 };

typedef struct {
  bool there;                        // an index was found; else nothing below is set
  int64_t tensors, files;            // as it lists them
  double total_bytes, weight_bytes;  // metadata.total_size; that by the parameters
  int64_t missing, left;             // names that the configuration wants, and that it has no place for
  char first_missing[INFO_NAME_BYTES], first_left[INFO_NAME_BYTES];
} InfoIndex;

// `path` may be anything: no folder with model.safetensors.index.json, nothing found. ERR_FORMAT.
Err info_index(const char *path, const ModelConfig *config, InfoIndex *index);
void info_index_print(const InfoIndex *index);
// null if there is none.
json_t *info_index_json(const InfoIndex *index);

#endif
