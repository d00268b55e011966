#include "ops/cpu/avx2/simd.h"
#include "ops/cpu/peak_loops.h"

#define LOOP(name) name##_avx2
#include "ops/cpu/peak_vectors.inc"
