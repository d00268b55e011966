#include "ops/cpu/attention.h"
#include "ops/cpu/gemm.h"

void ops_init_amx(Ops *o) {
  gemm_ops_set(o, ISA_AMX);
  attention_ops_set(o, ISA_AMX);
}
