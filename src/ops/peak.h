// What the processor can do at most, measured by loops that do nothing else: the denominators of `pleiad bench ops`, and what
// `pleiad info` prints. (MFU is against a matrix product: train/peak.h.)
#ifndef OPS_PEAK_H
#define OPS_PEAK_H

#include "ops/ops.h"

typedef struct {
  double fp32_flops;  // multiply and add in registers, a second, all threads
  double bf16_flops;  // bf16 dot products in registers; 0 where the device's level has none
  double read_bytes;  // a second, from memory
  double copy_bytes;  // a second, read and written together, to memory
} Peaks;

// The best of a few rounds on all the device's threads, about `budget_s` seconds. Takes 256 MiB for the while: more than the
// caches. ERR_MEMORY.
Err peaks_measure(Dev *dev, double budget_s, Peaks *out);

#endif
