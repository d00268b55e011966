// Devices of every level of this machine, and guarded random matrices, for tests of operations.
#ifndef TESTS_OPS_LEVELS_H
#define TESTS_OPS_LEVELS_H

#include "ops/ops.h"

enum { GUARD_BYTE = 0x5a, GUARD_BYTES = 256 };

Dev level_open(int isa, int n_threads);
int level_best(void);  // of EACH_LEVEL

// Levels with kernels of their own on this machine; AMX is emulated where there is none (amx_trap.h).
#define EACH_LEVEL(isa) for (int isa = ISA_AVX2, best_ = level_best(); isa <= best_; isa++)

// `bytes` of GUARD_BYTE, with guards before and after. Never freed: a test is a process.
void *guarded(size_t bytes);
// Rows that do not lie side by side, between guards.
Mat matrix(int64_t rows, int64_t cols, Dtype type);
Mat random_matrix(int64_t rows, int64_t cols, Dtype type);  // uniform in [-1, 1)
double matrix_get(Mat m, int64_t i, int64_t j);
void matrix_set(Mat m, int64_t i, int64_t j, double x);

// Guard bytes before, after, and between the rows are as they were.
void check_guards(Mat m, int64_t rows, int64_t cols);
// Row i of a has the bits of row j of b.
void same_row(Mat a, int64_t i, Mat b, int64_t j, int64_t cols, const char *what);
// Half a step of the type at 1.
double rounding(Dtype t);

#endif
