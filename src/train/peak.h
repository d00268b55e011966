// What the processor can do at most, measured: the denominator of MFU.
#ifndef TRAIN_PEAK_H
#define TRAIN_PEAK_H

#include "ops/ops.h"

// Floating-point operations a second of the best of a few matrix products of 1024^3 in `type`, with operands packed beforehand,
// on all the device's threads. Takes about `budget_s` seconds (at least two products) and 16 MiB for the while. ERR_MEMORY.
Err peak_measure(Dev *dev, Dtype type, double budget_s, double *flops);

#endif
