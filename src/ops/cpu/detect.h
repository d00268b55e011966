// What this processor and this system allow.
#ifndef OPS_CPU_DETECT_H
#define OPS_CPU_DETECT_H

#include <stdbool.h>
#include <stddef.h>

#include "ops/ops.h"

// The highest level that the processor has, the system saves the registers of, and this program was built with. Where the
// processor says that it has AMX, asks the system's leave and tries two products, once.
Isa cpu_isa(void);
// Why a processor that says it has AMX is not used as one; NULL where it is, or says nothing of the kind.
const char *cpu_amx_fault(void);
// Whether AMX outruns the level before it.
bool cpu_amx_is_fast(void);

// What is asked about AMX, in this order, until one says no. Tests give answers of their own, before the first cpu_isa().
typedef struct {
  bool (*claims)(void);      // the processor: tiles, and their bf16 product (cpuid)
  bool (*saves)(void);       // the system: tiles are saved on a switch (XCR0)
  bool (*grants)(void);      // the system: this process may use them (arch_prctl); threads and forks inherit it
  bool (*multiplies)(void);  // products come out right (ops/cpu/kernels.h)
  bool (*is_fast)(void);     // ops/cpu/peak_loops.h
} CpuAmx;
extern CpuAmx cpu_amx;

// The processor's name, as it gives it.
void cpu_name(char *text, size_t size);
// The name and the signature (family, model, stepping): what tells models apart that a virtual machine gives one name.
enum { CPU_KEY_BYTES = 96 };
void cpu_key(char text[CPU_KEY_BYTES]);

#endif
