// Whole numbers, as the products and attention cut their work.
#ifndef OPS_CPU_WHOLE_H
#define OPS_CPU_WHOLE_H

#include <stdint.h>

static inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
// a / b, rounded up; a >= 0, b > 0.
static inline int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

#endif
