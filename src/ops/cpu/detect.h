// What this processor and this system allow.
#ifndef OPS_CPU_DETECT_H
#define OPS_CPU_DETECT_H

#include <stdbool.h>
#include <stddef.h>

#include "ops/ops.h"

// The highest level that the processor has, the system saves the registers of, and this program was built with. Asks the
// system's leave for AMX where there is AMX.
Isa cpu_isa(void);
// Whether its 512-bit bf16 dot product is worth using: half the speed of fp32 on the Intel models with AMX that were measured,
// twice on AMD's.
bool cpu_bf16_dot_is_fast(void);
// The processor's name, as it gives it.
void cpu_name(char *text, size_t size);

#endif
