#include "ops/cpu/level.h"

// B as it is, [K,N] without gaps, and whole cache lines so that the packs of a group stay aligned.
static size_t packed_bytes(int64_t N, int64_t K, Dtype type) { return ((size_t)(N * K) * dtype_bytes(type) + 63) / 64 * 64; }

void ops_init_ref(Ops *o) {
#define OP(name, params, tolerance) OPS_SET(o, ref, name);
#include "ops/ops.inc"
#undef OP
  o->gemm_packed_bytes = packed_bytes;
}
