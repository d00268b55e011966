// The named arrays of a checkpoint, or of a model's folder, one by one: what `verify A B` compares.
#ifndef CLI_VERIFY_SOURCE_H
#define CLI_VERIFY_SOURCE_H

#include "train/checkpoint.h"

typedef struct {
  char path[PATH_BYTES];  // of the checkpoint or the folder
  int64_t step;           // -1: a model's folder
  CheckpointArray
      *array;  // by name; weights by their names in released files, "adam.m/NAME" and the like for the rest. data: NULL
  int64_t count;
  json_t *state;      // of a checkpoint, else NULL
  SafeTensors *file;  // of a model's folder
  int64_t n_files;
} Source;

// Whether the folder is a checkpoint (manifest.json), or holds a model (config.json and safetensors files).
bool source_is_checkpoint(const char *folder);
bool source_is_model(const char *folder);

// Every error names the file; a name given twice is one. Safe to close after an error.
Err source_open(Source *s, const char *folder);
void source_close(Source *s);
// The array of that name, or NULL.
const CheckpointArray *source_find(const Source *s, const char *name);
// Whether another array of a model's folder has the same shape and bytes: released files repeat the embedding and the head for
// each multi-token-prediction layer.
bool source_is_copy(const Source *s, const CheckpointArray *a);
size_t source_bytes(const CheckpointArray *a);
int64_t source_elements(const CheckpointArray *a);
// Fills data of n arrays (as source_open listed them, with memory for source_bytes each).
Err source_read(const Source *s, CheckpointArray *array, int64_t n);

#endif
