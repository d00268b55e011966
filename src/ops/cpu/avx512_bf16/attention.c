#include "ops/cpu/attention.h"

#include <math.h>

#include "ops/cpu/avx512_bf16/lanes.h"

// After what they are written in.
#include "ops/cpu/attention_lanes.inc"

const AttentionKernel attention_avx512_bf16 = {
    .softmax = softmax, .gradient = gradient, .finish = finish, .all_finite = all_finite, .dot = dot};
