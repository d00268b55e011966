// What this processor and this system allow.
#ifndef OPS_CPU_DETECT_H
#define OPS_CPU_DETECT_H

#include <stdbool.h>
#include <stddef.h>

#include "ops/ops.h"

// The highest level that the processor has, the system saves the registers of, and this program was built with. Where
// there is AMX and PLEIAD_ISA=amx asks for it, asks the system's leave and tries a product, once.
Isa cpu_isa(void);
// Why a processor that says it has AMX is not used as one; NULL where it is, or says nothing of the kind.
const char *cpu_amx_fault(void);
// The processor's name, as it gives it.
void cpu_name(char *text, size_t size);
// The name and the signature (family, model, stepping): what tells models apart that a virtual machine gives one name.
enum { CPU_KEY_BYTES = 96 };
void cpu_key(char text[CPU_KEY_BYTES]);

#endif
