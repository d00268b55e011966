#include "ops/cpu/attention.h"

#include <math.h>

#include "ops/cpu/avx512/simd.h"

#include "ops/cpu/attention_lanes.inc"

const AttentionKernel attention_avx512 = {
    .softmax = softmax, .gradient = gradient, .finish = finish, .all_finite = all_finite, .dot = dot};
