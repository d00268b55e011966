// Finds good blocks for the matrix products of this processor, by measuring.
#ifndef OPS_CPU_TUNE_H
#define OPS_CPU_TUNE_H

#include "ops/ops.h"

typedef struct {
  GemmBlocks best, standard;
  double gain;  // the standard's seconds over the best's, less 1; 0 where it is the standard itself
  int tried;
  const char *kernel;  // whose blocks these are
} Tuned;

// Products of `type` on this device: several shapes and forms, in rounds; after each the slower half is left out. The standard
// stays to the end and is beaten only by 2 % or more: less is noise. d->blocks are what they were, afterwards. About
// `budget_s` seconds (what was not tried by half of it is not), and 48 MiB for the while. ERR_MEMORY; ERR_ARG where the device
// has no blocks (the reference).
Err gemm_tune(Dev *d, Dtype type, double budget_s, Tuned *out);

#endif
