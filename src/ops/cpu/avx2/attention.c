#include "ops/cpu/attention.h"

#include <math.h>

#include "ops/cpu/avx2/simd.h"

#include "ops/cpu/attention_lanes.inc"

const AttentionKernel attention_avx2 = {
    .softmax = softmax, .gradient = gradient, .finish = finish, .all_finite = all_finite, .dot = dot};
