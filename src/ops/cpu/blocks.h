// The sizes of the blocks of matrix products: one choice that was measured to be good, unless this processor was measured
// itself (`pleiad bench tune`; kept by ops/cpu/remember.h under the kernel's name) or PLEIAD_BLOCKS=ROWS,COLUMNS,K says others.
// They change no bit (ops/cpu/gemm.h).
#ifndef OPS_CPU_BLOCKS_H
#define OPS_CPU_BLOCKS_H

#include "ops/cpu/gemm.h"

// Least and greatest of each, and the step that COLUMNS and K are multiples of.
enum { BLOCK_ROWS_MAX = 1024, BLOCK_COLS_MAX = GEMM_COLS, BLOCK_K_MAX = 2048, BLOCK_STEP = 32 };

GemmBlocks blocks_standard(const GemmKernel *k);
// Whether they are in these limits and a thread's working space holds their panels.
bool blocks_fit(const GemmKernel *k, GemmBlocks b);
// For the device's kernels of both types, and where they are from. ERR_ARG says what is wrong with PLEIAD_BLOCKS. What is
// remembered but does not fit is warned of, once a process, and the standard is taken.
Err blocks_choose(Dev *d);
// Remembers them for processes to come. false: they could not be, where there is no place for it.
bool blocks_remember(const GemmKernel *k, GemmBlocks b);

#endif
