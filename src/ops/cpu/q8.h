// Products with weights of 8 bits (ops/q8.h): packing of the left operand, division among threads and storing once; a level
// brings a Q8Kernel and its line in the table of q8.c.
#ifndef OPS_CPU_Q8_H
#define OPS_CPU_Q8_H

#include "ops/cpu/gemm.h"
#include "ops/q8.h"

// A block of a row of the left operand.
typedef struct {
  int8_t code[Q8_BLOCK];
  float scale;
  int32_t fix;  // -128 times the sum of the codes: the codes of weights are 128 too high
} Q8Row;

enum { Q8_ROWS_MAX = 8 };

typedef struct {
  const char *name;
  int mr;  // rows of a tile, at most Q8_ROWS_MAX
  // Rounds row `row` of a, [K], fp32 or bf16.
  void (*round)(Q8Row *to, Mat a, int64_t row, int64_t K);
  // out [rows, Q8_LANES] = rows of a, `line` blocks apart, times a panel; 1 <= rows <= mr.
  void (*tile)(int64_t blocks, const Q8Block *panel, const Q8Row *a, int64_t line, int rows, float *out);
  void (*store)(const GemmStore *s);
} Q8Kernel;

extern const Q8Kernel q8_avx2, q8_avx512_vnni;

// gemm and gemm_grouped where b is of DT_Q8; not of the reference.
void q8_gemm(Dev *d, const GemmArgs *g);
void q8_gemm_grouped(Dev *d, const GroupedGemmArgs *g);

#endif
