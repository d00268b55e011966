// The benches, each a sub-command of `pleiad bench`.
#ifndef CLI_BENCH_BENCH_H
#define CLI_BENCH_BENCH_H

#include "base/err.h"

// argv[0] is "bench" and the bench's own name.
#define BENCH(name, about) Err bench_##name(int argc, char **argv);
#include "cli/bench/benches.inc"
#undef BENCH

#endif
