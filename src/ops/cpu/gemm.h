// Matrix products on the processor: packing, blocking, division among threads and epilogue, once for every instruction set.
//
// A product C[M,N] = A[M,K] B[K,N] is cut into register tiles of mr x nr. Both operands are packed into panels (mr or nr lines
// side by side, k going down), so that a tile reads two streams, whatever the forms (NN, NT, TN), types, gathers and strides of
// the operands were. Only where rows of A lie as a tile can read them, they are not packed.
//
// Numbers: an element of C is ONE chain of multiply-adds (or of dots of 2 or 32 k's) in rising k, begun at 0, in fp32, in one
// lane; then bias is added, then `add`; then it is rounded to the type of C. Tile and block sizes, the number of rows, threads,
// packing beforehand, and gathers do not change the chain, hence not a bit. fp32 gives the same bits on every instruction set
// with fused multiply-add.
//
// A new instruction set brings one GemmKernel (its tile and its packers), and a line in the tables of gemm.c.
#ifndef OPS_CPU_GEMM_H
#define OPS_CPU_GEMM_H

#include "ops/ops.h"

// Packs n_lines lines of src, from `line` on, k to k + n_k - 1, into panels of `width` lines, which begin panel_bytes apart.
// Element (line l, k j) of a panel is at ((j / ku) * width + l) * ku + j % ku; ku 1: fp32 (bf16 is widened), 2: bf16 pairs, 32:
// rows of bf16 as matrix tiles load them (AVX-512's packers, from bf16). Lines and k's past the end are zero. Element (line, k)
// of src is at row `line` column k for pack_across, at row k column `line` for pack_along; `row`, when given, maps that row:
// row[line], row[k].
typedef struct {
  char *to;
  size_t panel_bytes;
  Mat src;
  const int32_t *row;
  int64_t width, ku, line, n_lines, k, n_k;
} GemmPack;

// A unit is 32 bits of a panel: one fp32, or a pair of bf16. What is read to make one:
typedef enum { UNIT_F32, UNIT_WIDENED, UNIT_PAIR } Unit;

// A finished tile [rows,cols] (rows of `ld` floats) on its way to C: c = (tile + bias) + add.
typedef struct {
  const float *tile;
  int64_t ld, rows, cols;
  Mat c, add;         // at the tile's corner; add none or [rows,cols]
  const float *bias;  // at the tile's first column, or NULL
  bool zero;          // c is fp32 and counts as 0: c = tile + 0, past the caches; no add, no bias
} GemmStore;

// Where a whole tile goes whose C is fp32: c = sums + add, or, where add is NULL, sums + 0, past the caches (c and ld are then
// aligned). `ask`: what will be added to a later tile, rows as of add.
typedef struct {
  float *c;
  const float *add, *ask;
  int64_t ld, add_ld;
} GemmTo;

typedef struct {
  const char *name;
  int mr, nr;                  // lines of a panel of A, of B; all kernels of a device have the same nr
  int ku;                      // neighbours in k packed together in panels of B: 1 fp32, 2 bf16
  int ku_a;                    // in panels of A: as ku, or 32
  int kc;                      // k's of one visit, a multiple of both, by the standard (ops/cpu/blocks.h)
  int block_rows, block_cols;  // of C, whose sums are kept from visit to visit; at most GEMM_ROWS, GEMM_COLS; so are they
  void (*begin)(void), (*end)(void);  // before and after a thread's tiles; NULL: nothing is to be done
  void (*pack_across)(const GemmPack *p);
  void (*pack_along)(const GemmPack *p);
  // A panel of B in pairs along k, as gemm_pack leaves bf16, to this kernel's fp32 panel; NULL in a bf16 kernel.
  void (*widen)(float *to, const void *pairs, int64_t n_k);
  // out [rows, nr] (rows of ld floats) = (init or 0) + the first `rows` <= mr lines of panel a times panel b, over n_k k's.
  // init: rows of nr floats. Columns from `cols` on may be left out. What follows init (or out, where there is none) is asked
  // for meanwhile.
  void (*tile)(int64_t n_k, const void *a, const void *b, int rows, int cols, const float *init, float *out, int64_t ld);
  // The same of nr columns, straight to C. NULL: by way of `tile` and `store`.
  void (*tile_to)(int64_t n_k, const void *a, const void *b, int rows, const float *init, const GemmTo *to);
  // As `tile`, of rows of A as they lie, row_bytes apart, not packed. Whole steps are read, where ku_a is 32 of mr rows.
  void (*tile_rows)(int64_t n_k, const void *a, int64_t row_bytes, const void *b, int rows, int cols, const float *init,
                    float *out, int64_t ld);
  int direct_rows;  // rows of A up to which tile_across is the faster way, at most GEMM_DIRECT_ROWS
  // For few rows of A, over B as it is stored (NULL: it is always packed); n_k a multiple of ku; out: rows of nr floats.
  // tile_across: A and B change places. Row i of a, row_bytes after the one before, is a column of B, k-contiguous; b is a
  // panel of `cols` <= nr rows of A. tile_along: a and init as for `tile`; b are n_k rows of nr columns, row_bytes apart; those
  // `ask` bytes to the right are asked for. Until the last visit in k the order of the columns in out is the kernel's own.
  void (*tile_across)(int64_t n_k, const void *a, int64_t row_bytes, const void *b, int rows, int cols, float *out);
  void (*tile_along)(int64_t n_k, const void *a, const void *b, int64_t row_bytes, int64_t ask, int rows, const float *init,
                     bool last, float *out);
  void (*store)(const GemmStore *s);
} GemmKernel;

enum {
  GEMM_ROWS_L2 = 128,       // rows of A packed at a time, by the standard: with kc k's they stay in the second-level cache
  GEMM_L2_BYTES = 1 << 20,  // of that cache, on the smallest machine that was measured
  GEMM_ROWS = 2048,         // rows, columns of a block of C whose partial sums are kept, at most
  GEMM_COLS = 1024,
  GEMM_SHORT = 128,        // a K this short leaves C the most of the work
  GEMM_STRIP = 256,        // columns of C of tiles kept aside, in the first-level cache
  GEMM_AHEAD = 4,          // tiles from one to that whose part of C is asked for
  GEMM_DIRECT_ROWS = 256,  // rows of A for which B is not packed, at most: stored [N,K] (and the kernel's direct_rows)
  GEMM_DIRECT_WIDE = 80,   // stored [K,N]
  GEMM_KC_MAX = 512,       // of any kernel, in fp32 elements
  GEMM_PANEL_PAD = 64,     // keeps panels off multiples of 4 KiB
  GEMM_TILES = 32 * (GEMM_STRIP + GEMM_PANEL_PAD / 4),  // floats of a strip of tiles, at most
  GEMM_PANELS_BYTES = (GEMM_ROWS_L2 + GEMM_COLS + 32) * (GEMM_KC_MAX * 4 + GEMM_PANEL_PAD),
  GEMM_PARTIAL_BYTES = (GEMM_ROWS + 32) * GEMM_COLS * 4,
  GEMM_SCRATCH_BYTES = GEMM_TILES * 4 + GEMM_PARTIAL_BYTES + GEMM_PANELS_BYTES + 64,
};

// The kernel that computes with operands of `type` on this device.
const GemmKernel *gemm_kernel(const Dev *d, Dtype type);

static inline void gemm_begin(const GemmKernel *k) {
  if (k->begin) k->begin();
}
static inline void gemm_end(const GemmKernel *k) {
  if (k->end) k->end();
}

// Sets the four matrix products to those of this file, with the kernels of `isa`.
void gemm_ops_set(Ops *o, Isa isa);

#endif
