// What a run has left of itself, read back for drawing: metrics.jsonl and experts.jsonl.
#ifndef TRAIN_HISTORY_H
#define TRAIN_HISTORY_H

#include <stdint.h>

#include "base/err.h"

typedef struct {
  double *x, *y;  // owned
  int64_t count, capacity;
} Series;

typedef struct {
  Series loss, lm, lr, norm, rate, imbalance;  // over steps
  Series eval, bits;                           // held-out loss, bits per byte
  // Expert load: row r of heat is layer r / experts, expert r % experts; cell [r * bins + b] the mean of load / mean load in a
  // bin of steps.
  double *heat;  // owned
  int64_t layers, experts, bins;
  double heat_first, heat_last;  // steps
} History;

enum { HISTORY_BINS = 120 };

// A torn last line is left out. ERR_IO: no metrics.jsonl; ERR_FORMAT names file and line; ERR_STATE: no steps yet.
Err history_read(History *h, const char *folder);
void history_free(History *h);

#endif
