// Products with weights of 8 bits, an element at a time (ops/q8.h): in fp32, since the bits are those of every level.
#ifndef OPS_CPU_REF_Q8_H
#define OPS_CPU_REF_Q8_H

#include "ops/q8.h"

// (Row `row` of a, [K], fp32 or bf16, times row n of b, plus bias) plus add.
double ref_q8_element(Mat a, int64_t row, const void *b, int64_t n, int64_t K, double bias, double add);

#endif
