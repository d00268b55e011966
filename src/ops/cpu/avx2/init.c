#include "ops/cpu/rows/rows.h"

void ops_init_avx2(Ops *o) { ROWS_SET(o, avx2); }
