#include "ops/cpu/attention.h"

#include <math.h>

#include "ops/cpu/avx512_bf16/lanes.h"

// As matrix tiles sum (gemm_bf16_32x32.c), so that with one key to see dp - d is exactly zero.
#define LANES_DOT
static void dot(float *d, const void *a, const void *b, int64_t D, int64_t ku) {
  const int64_t block = ku == 2 ? 32 : 1;
  for (int64_t c = 0; c < 2 * V_LANES; c += V_LANES) {
    Vf sum = vf_set(0);
    for (int64_t k = 0; k < D; k += block) {
      Vf even = ku == 2 ? vf_set(0) : sum, odd = vf_set(0);
      for (int64_t i = k; i < D && i < k + block; i += ku) {
        const Vf x = vf_load((const float *)a + i / ku * 2 * V_LANES + c),
                 y = vf_load((const float *)b + i / ku * 2 * V_LANES + c);
        even = ku == 2 ? vf_fma(vf_low_half(x), vf_low_half(y), even) : vf_fma(x, y, even);
        if (ku == 2) odd = vf_fma(vf_high_half(x), vf_high_half(y), odd);
      }
      sum = ku == 2 ? vf_add(sum, vf_add(even, odd)) : even;
    }
    vf_store(d + c, sum);
  }
}

#include "ops/cpu/attention_lanes.inc"

const AttentionKernel attention_amx = {
    .softmax = softmax, .gradient = gradient, .finish = finish, .all_finite = all_finite, .dot = dot};
