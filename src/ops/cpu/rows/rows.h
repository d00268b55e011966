// The row operations that both vector levels have. moe_sort and moe_permute have nothing for vectors: the reference serves.
#ifndef OPS_CPU_ROWS_ROWS_H
#define OPS_CPU_ROWS_ROWS_H

#include "ops/cpu/level.h"

#define ROWS_SET(table, level)                       \
  do {                                               \
    OPS_SET(table, level, cast);                     \
    OPS_SET(table, level, add);                      \
    OPS_SET(table, level, scale_add);                \
    OPS_SET(table, level, zero);                     \
    OPS_SET(table, level, rms_norm_forward);         \
    OPS_SET(table, level, rms_norm_backward_input);  \
    OPS_SET(table, level, rms_norm_backward_weight); \
    OPS_SET(table, level, bias_backward);            \
    OPS_SET(table, level, embedding_forward);        \
    OPS_SET(table, level, embedding_backward);       \
    OPS_SET(table, level, rope);                     \
    OPS_SET(table, level, swiglu_forward);           \
    OPS_SET(table, level, swiglu_backward);          \
    OPS_SET(table, level, router_forward);           \
    OPS_SET(table, level, router_backward);          \
    OPS_SET(table, level, moe_combine);              \
    OPS_SET(table, level, cross_entropy);            \
    OPS_SET(table, level, sum_squares);              \
    OPS_SET(table, level, adamw);                    \
  } while (0)

#endif
