// The row operations over this folder's vectors.
#include <math.h>
#include <string.h>

#include "ops/cpu/args.h"
#include "ops/cpu/avx512/simd_rows.h"
#include "ops/cpu/level.h"

#define LEVEL(name) avx512_##name
#include "ops/cpu/rows/lanes.inc"

// After what they are written in.
#include "ops/cpu/rows/column_sums.inc"
#include "ops/cpu/rows/elementwise.inc"
#include "ops/cpu/rows/embedding.inc"
#include "ops/cpu/rows/loss.inc"
#include "ops/cpu/rows/moe.inc"
#include "ops/cpu/rows/norm.inc"
#include "ops/cpu/rows/optimizer.inc"
#include "ops/cpu/rows/rope.inc"
#include "ops/cpu/rows/router.inc"
#include "ops/cpu/rows/swiglu.inc"
