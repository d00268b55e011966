// The middle of some measurements.
#ifndef BASE_MEDIAN_H
#define BASE_MEDIAN_H

#include <stdint.h>

// Sorts x[0, n), rising, and returns x[n / 2]; NaN if n is 0. x: no NaN.
double median_sort(double *x, int64_t n);

#endif
