// Weights of 8 bits: a row [K] of a matrix [N,K] is cut into blocks of 32, each codes from -127 to 127 times one fp32 scale,
// the greatest magnitude of the block over 127 (the arithmetic of GGUF's Q8_0). 1.125 bytes a weight.
//
// A product with them rounds its left operand, fp32 or bf16 rows, in the same way, block by block; the products of a block are
// added up exactly, and C's element is one fp32 chain over the blocks in rising k, begun at 0:
//   sum = fma(dot of the codes, scale of a * scale of b, sum),   c = (sum + bias) + add, rounded to the type of c.
// So the bits are the same at every level, the reference included, on any thread count, and for any number of rows.
//
// Rounding a block: scale = greatest / 127 and code = x * (127 / greatest), each rounded once, to nearest even. An error is at
// most half a scale. A block whose scale would be subnormal is 0; one that holds a NaN or an infinity has a NaN for its scale,
// so that all of its row of C is NaN. Values that were codes times an fp16 scale and have 127 or -127 among them (every nonzero
// block of a Q8_0 that llama.cpp wrote) get exactly these codes and this scale again.
#ifndef OPS_Q8_H
#define OPS_Q8_H

#include "ops/ops.h"

enum { Q8_BLOCK = 32, Q8_LANES = 32 };

// A block of the 32 rows of a panel: four neighbouring k's of each row side by side, codes 128 higher. A matrix is its panels,
// each whole in k; rows and k's past the end are there, k's as 0.
typedef struct {
  float scale[Q8_LANES];
  uint8_t code[Q8_BLOCK / 4][Q8_LANES][4];
} Q8Block;

// Of a matrix [N,K]: whole cache lines, to be aligned to them.
size_t q8_bytes(int64_t N, int64_t K);
// Rounds x [K], all finite, to row `row` of a matrix.
void q8_pack_row(void *packed, int64_t row, int64_t K, const float *x);
// Rounds w [N,K], fp32 or bf16, to a whole matrix, over the device's threads.
void q8_pack(Dev *d, void *packed, Mat w, int64_t N, int64_t K);

#endif
