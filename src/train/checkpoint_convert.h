// A checkpoint as a source of weights (model/weights.h), and a folder with a checkpoint made from any source: what `pleiad
// import` writes and `pleiad export` reads.
#ifndef TRAIN_CHECKPOINT_CONVERT_H
#define TRAIN_CHECKPOINT_CONVERT_H

#include "model/weights.h"
#include "train/checkpoint.h"

// The checkpoint that a path means: itself, the newest of a folder of them, or of a run's folder. ERR_IO if there is none.
Err checkpoint_find(char out[PATH_BYTES], const char *path);

// Opens the weights alone; step, layout and tokenizer are the checkpoint's. The tokenizer is the folder "tokenizer" beside
// "checkpoints" if there is one, else data.tokenizer of its run file.
Err checkpoint_source_open(WeightSource **source, const char *path);

typedef struct {
  StType type;  // ST_F32, ST_BF16, ST_F16; ST_OTHER: each as the source has it
  bool allow_nan;
} CheckpointConvert;

// Writes FOLDER/checkpoints/step-N (N: the source's step or 0), FOLDER/tokenizer with its files, and FOLDER/config.yaml, a run
// file that trains on from there. All is written aside and put in place as a whole. ERR_ARG if the folder is there and not
// empty; ERR_NUMERIC as weights_pump. Cost: one pass, memory for a chunk.
Err checkpoint_convert(const char *folder, WeightSource *source, const CheckpointConvert *o);

#endif
