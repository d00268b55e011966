// How two arrays of numbers differ.
#ifndef CLI_VERIFY_DIFFER_H
#define CLI_VERIFY_DIFFER_H

#include "train/checkpoint.h"

typedef struct {
  int64_t elements, differing;
  int64_t first;  // the first element that differs, -1: none
  double a, b;    // its two values
  int64_t ulp;    // greatest distance in steps between neighbouring numbers of the type; -1: types differ, are whole, or one is
                  // no number
  double greatest;     // greatest |a - b|; infinite where one is no number and the other is
  double relative;     // greatest |a - b| over the greatest |a| or |b| of the array
  int64_t not_finite;  // numbers of A or B that are NaN or infinite
} Difference;

// Both of n elements, data there. Equal is equal to the bit; across types, equal in value.
Difference arrays_differ(const CheckpointArray *a, const CheckpointArray *b, int64_t n);
// The same of one number each, as a log has them.
Difference reals_differ(double a, double b);
// "[3, 17]" of element i in the array's shape.
void element_place(const CheckpointArray *a, int64_t i, char out[64]);

#endif
