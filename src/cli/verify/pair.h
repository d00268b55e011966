// Compares two checkpoints, runs or models to the bit: what differs first, where, by how much, and what that means.
//
// Of two runs: the configuration, the logs up to the first line that differs, then the checkpoints of the steps that both have,
// in order, up to the first that differs. Of a run and a checkpoint: the run's checkpoint of that step. With a model's folder
// on either side: the weights alone, of the newest checkpoint.
#ifndef CLI_VERIFY_PAIR_H
#define CLI_VERIFY_PAIR_H

#include "cli/verify/differ.h"

enum { PAIR_TEXTS_MAX = 64, PAIR_KEY_BYTES = 96, PAIR_VALUE_BYTES = 96 };

typedef enum { SIDE_RUN, SIDE_CHECKPOINTS, SIDE_CHECKPOINT, SIDE_MODEL } SideKind;
extern const char *const side_names[4];  // "run", "folder of checkpoints", "checkpoint", "model"

typedef struct {
  SideKind kind;
  const char *path;                // as given
  char checkpoints[PATH_BYTES];    // the folder that holds step-N
  int64_t *step, n_steps;          // of its checkpoints, rising
  char machine[PAIR_VALUE_BYTES];  // of a run: "avx512, 2 threads, fp32, pleiad 1a2b3c"; "" where not known
} Side;

typedef struct {
  char key[PAIR_KEY_BYTES], a[PAIR_VALUE_BYTES], b[PAIR_VALUE_BYTES];
} PairText;

// One array of the first checkpoint that differs.
typedef struct {
  CheckpointArray array;  // A's; B's where A has none
  const char *problem;    // "only in A", "only in B", "another shape"; NULL: the difference says it
  Difference difference;
} PairArray;

// A log up to its first line that differs.
typedef struct {
  const char *file;
  int64_t lines;                  // equal before that
  int64_t step;                   // -1: no line differs
  PairText text[PAIR_TEXTS_MAX];  // members of that line that differ, the worst first
  Difference difference[PAIR_TEXTS_MAX];
  int n_texts;
  int64_t last_a, last_b;  // last steps of the logs, where one is longer
} PairLog;

typedef struct {
  Side a, b;
  PairText config[PAIR_TEXTS_MAX];  // keys of the run file that differ
  int n_config;
  PairLog log[2];  // metrics.jsonl, experts.jsonl
  int n_logs;
  int64_t *equal, n_equal;         // steps whose checkpoints are equal
  int64_t differs;                 // first step whose checkpoint differs, -1: none
  int64_t compared;                // pairs of checkpoints or models compared
  PairText state[PAIR_TEXTS_MAX];  // counters of that checkpoint that differ
  int n_state;
  PairArray *array;  // of that checkpoint, those that differ, the worst first
  int64_t n_arrays, arrays_compared, numbers_compared, numbers_differing;
} Pair;

// Whether the path is something that can be compared.
bool side_is(const char *path);
// ERR_ARG: a path that is none of these, or two that have nothing to compare. What differs is no error.
Err pair_compare(Pair *p, const char *a, const char *b);
void pair_free(Pair *p);
bool pair_equal(const Pair *p);

// ---- parts
// verify_pair_log.c: logs of two runs' folders.
Err pair_compare_log(PairLog *l, const char *a, const char *b, const char *file);
// verify_pair_text.c: leaves of two JSON values that differ, but for the member `leave_out` at the top; keys with dots. The
// greatest differences first; those beyond PAIR_TEXTS_MAX are dropped. difference: as many, or NULL.
void pair_compare_json(const json_t *a, const json_t *b, const char *leave_out, PairText *text, Difference *difference, int *n);
// Keys of two run files, as train_run writes them, that differ.
Err pair_compare_config(const char *a, const char *b, PairText *text, int *n);

#endif
