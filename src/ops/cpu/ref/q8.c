#include "ops/cpu/ref/q8.h"

#include "ops/cpu/whole.h"

#include "ops/cpu/q8_round.inc"

double ref_q8_element(Mat a, int64_t row, const void *b, int64_t n, int64_t K, double bias, double add) {
  const Q8Block *block = (const Q8Block *)b + n / Q8_LANES * div_up(K, Q8_BLOCK);
  const int64_t lane = n % Q8_LANES;
  float sum = 0;
  for (int64_t k = 0; k < K; k += Q8_BLOCK, block++) {
    float x[Q8_BLOCK];
    int8_t code[Q8_BLOCK];
    int32_t dot = 0;
    q8_read_block(x, a, row, k, K);
    const float scale = q8_round_block(code, x);
    for (int i = 0; i < Q8_BLOCK; i++) dot += code[i] * (block->code[i / 4][lane][i % 4] - 128);
    sum = fmaf((float)dot, scale * block->scale[lane], sum);
  }
  return (double)(sum + (float)bias + (float)add);
}
