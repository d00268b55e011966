#include "ops/cpu/avx512/simd.h"
#include "ops/cpu/peak_loops.h"

#define LOOP(name) name##_avx512
#include "ops/cpu/peak_vectors.inc"
