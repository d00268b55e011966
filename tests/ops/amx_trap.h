// AMX on a processor that has none: its instructions raise a signal there, whose handler does what the manual says and goes on
// behind them. So tests run the very object code of ops/cpu/amx, each instruction for a microsecond or two.
//
// Known are the VEX forms of ldtilecfg, sttilecfg, tilerelease, tilezero, tileloadd, tileloaddt1, tilestored and tdpbf16ps.
// Each thread has tiles of its own, unconfigured at first. What the instructions would refuse (tiles that are not configured,
// shapes that do not fit, a configuration that is none) fails the test and says what and where; so does any other illegal
// instruction.
#ifndef TESTS_OPS_AMX_TRAP_H
#define TESTS_OPS_AMX_TRAP_H

#include <stdbool.h>

// From now on this process has AMX: by its processor and system where they have it, else by the trap, where there is AVX-512
// for bf16. Then cpu_isa() finds the level ISA_AMX, unless it was asked before. false: none of these, or not built.
bool amx_emulate(void);

#endif
