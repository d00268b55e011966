// Operations that do nothing: with measuring arenas a whole step runs on them and only its memory is counted.
#include "ops/ops.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"  // it is the point of these functions

#define OP(name, params, tolerance) \
  static void null_##name params {}
#include "ops/ops.inc"
#undef OP

void ops_init_null(Ops *o) {
#define OP(name, params, tolerance) \
  o->name = null_##name;            \
  o->name##_from = "null";
#include "ops/ops.inc"
#undef OP
}
