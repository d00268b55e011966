// What the files of a level share: the names of its versions, how one enters the table, how work is handed to the pool.
#ifndef OPS_CPU_LEVEL_H
#define OPS_CPU_LEVEL_H

#include "ops/ops.h"

// Version `name` of a level is the function LEVEL_name; a level defines those it has.
#define OP(name, params, tolerance) name##_fn ref_##name, avx2_##name, avx512_##name, avx512_bf16_##name, amx_##name;
#include "ops/ops.inc"
#undef OP

#define OPS_SET(table, level, name) ((table)->name = level##_##name, (table)->name##_from = #level)

// Runs fn over the pool, or on the calling thread alone when `elements` are so few that waking others would cost more.
static inline void ops_run(Dev *dev, PoolFn *fn, void *arg, int64_t elements) {
  if (elements < 8192) fn(arg, 0, 1);
  else pool_run(dev->pool, fn, arg);
}

#endif
