// Checkpoints: the whole state of a run in a folder of its own, written by a background thread while training goes on.
//
// FOLDER/step-N/ holds shards (shard-0000.bin, ...) and manifest.json, which is written last. Everything is written to
// FOLDER/step-N.tmp, synced, and renamed: a folder step-N is whole or it is not there. The bytes are described in
// docs/formats.md.
//
// State is a list of named arrays (weights, moments, ...) and one small JSON object of scalars (step counters, the data cursor,
// running sums). Reals that must come back to the bit go into it with checkpoint_put_real. The same state gives the same bytes.
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "base/json.h"
#include "base/safetensors.h"
#include "base/thread.h"
#include "ops/ops.h"

enum { CHECKPOINT_NAME_BYTES = 160, CHECKPOINT_VERSION = 1 };

// data is borrowed: read by checkpoint_save, written by checkpoint_load. Names are the caller's: "model/lm_head.weight",
// "adam.m/lm_head.weight". F32 may lie in halves (DT_SPLIT, ops/ops.h), of rows of dim[1]: in the files it is F32 all the same.
typedef struct {
  char name[CHECKPOINT_NAME_BYTES];
  StType type;
  int n_dims;
  int64_t dim[TENSOR_DIMS];
  void *data;
  Mat split;  // where it lies in halves: then data is NULL
} CheckpointArray;

// ---- writing
typedef struct Checkpointer Checkpointer;

// Everything is borrowed until checkpoint_close.
typedef struct {
  const char *folder;    // made if missing; left-over step-N.tmp in it are removed, so the caller holds its lock
  const char *identity;  // what a checkpoint must agree in to be of this model: lines "key: value", the model's configuration
  const char *config;    // the whole resolved run file, kept for the reader
  const char *version;   // of the program that writes
  const CheckpointArray *array;
  int64_t n_arrays;
  void *staging;       // checkpoint_staging_bytes(array, n_arrays), aligned to 64, from the caller's arena
  Pool *pool;          // copies into staging; NULL: the calling thread alone
  int64_t keep_last;   // newest checkpoints kept, at least 1
  int64_t keep_every;  // those whose step is a multiple are kept too; 0: none
  size_t shard_bytes;  // 0: 1 GiB
} CheckpointOptions;

// One finished write. bytes and write_s (seconds of the background thread) are of the write, stall_s is what checkpoint_save
// held up.
typedef struct {
  int64_t step;
  uint64_t bytes;
  double stall_s, write_s;
  ErrInfo error;  // kind ERR_OK if the checkpoint is there
} CheckpointReport;

size_t checkpoint_staging_bytes(const CheckpointArray *array, int64_t n_arrays);
// What writing takes from the heap besides, about: a block of a shard, a file's buffer, the manifest and its text.
size_t checkpoint_writing_bytes(int64_t n_arrays);
// And reading: a block of a shard, the manifest and its text. n_arrays: of the checkpoint.
size_t checkpoint_reading_bytes(int64_t n_arrays);
Err checkpoint_open(Checkpointer **c, const CheckpointOptions *options);
// Copies the state and returns; the thread writes it. Waits for a write that is still under way (part of the stall). `state` is
// copied. Allocates nothing in proportion to the state. If the write before failed and nobody asked checkpoint_finished, its
// error is returned now, once, and this write is under way all the same: a full disk costs checkpoints, not the run. A failed
// write leaves nothing behind.
Err checkpoint_save(Checkpointer *c, int64_t step, const json_t *state);
// True once for the last write that ended; never waits.
bool checkpoint_finished(Checkpointer *c, CheckpointReport *report);
// Waits until nothing is being written.
void checkpoint_wait(Checkpointer *c);
// From the next save on this step is not removed to make room (the best so far); -1: none.
void checkpoint_protect(Checkpointer *c, int64_t step);
// Removes what no rule keeps among the checkpoints up to `step`, as a save does: what a kill before that left. Waits for a
// write under way. For the run that goes on from `step`; later steps, and folders of other names, are not touched.
void checkpoint_tidy(Checkpointer *c, int64_t step);
// Waits, then ends the thread. Returns the last write's error if nobody has had it.
Err checkpoint_close(Checkpointer *c);

// ---- reading
// Every size, name and place in the files is checked before it is used; files are mapped, blocks are hashed before they are
// copied.
typedef struct {
  int64_t step;
  char path[PATH_BYTES];
  char *identity, *config, *version;  // owned
  int64_t n_arrays;
  uint64_t bytes;
} CheckpointInfo;

// What the manifest says, its checksum verified; shards are not read.
Err checkpoint_info(const char *path, CheckpointInfo *info);
void checkpoint_info_free(CheckpointInfo *info);
// Steps that have a folder with a manifest, rising; free() it. A missing folder has none.
Err checkpoint_steps(const char *folder, int64_t **steps, int64_t *count);
// FOLDER/step-N
Err checkpoint_path(char out[PATH_BYTES], const char *folder, int64_t step);

// Reads one checkpoint (the folder step-N) into the arrays, verifying every byte it uses, from any layout of shards. Each array
// must be there with its type and shape; with `whole`, the checkpoint may have no other. identity NULL: any. state: a new
// reference, or NULL when not wanted. ERR_FORMAT: torn, damaged or foreign; ERR_CONFIG: of another model (names the first line
// that differs). On error the arrays hold anything.
Err checkpoint_load(const char *path, const char *identity, const CheckpointArray *array, int64_t n_arrays, bool whole,
                    json_t **state);
// The newest good checkpoint in `folder`; each refused one is logged with its reason. *step -1 and ERR_OK if there is none at
// all; ERR_FORMAT if there are some and none is good; ERR_CONFIG at once if the newest readable one is of another model.
Err checkpoint_load_latest(const char *folder, const char *identity, const CheckpointArray *array, int64_t n_arrays,
                           int64_t *step, json_t **state);

// ---- scalars, exact: written as C's hexadecimal floating point in a string, infinities and NaN too
Err checkpoint_put_real(json_t *state, const char *key, double value);
Err checkpoint_get_real(const json_t *state, const char *key, const char *where, double *value);

#endif
