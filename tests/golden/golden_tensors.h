// Cases in a safetensors file: tensors named CASE.TENSOR, or TENSOR alone where the file is one case. Every tensor that is
// loaded states its shape; one that is missing or has another is a failure, and zeros of the wanted shape take its place, so
// that nothing is read past an end.
#ifndef TESTS_GOLDEN_GOLDEN_TENSORS_H
#define TESTS_GOLDEN_GOLDEN_TENSORS_H

#include "base/safetensors.h"
#include "golden/golden.h"
#include "ops/ops.h"

typedef struct {
  GoldenCount *count;
  const SafeTensors *file;
  const char *name;  // of the case, "" where the file is one
  Dev *dev;
  Dtype type;    // to compute in: F64 at the reference, else F32
  Arena *arena;  // of one case
} TensorCase;

typedef void TensorCaseFn(const TensorCase *c);

// Runs fn on each case of the file that has the tensor `key` ("": the whole file is one case), at every level of this machine,
// or, with `once`, at its best level alone in fp32.
void golden_each_case(GoldenCount *n, const char *key, bool once, TensorCaseFn *fn);

// Names, as not read, the tensors of the safetensors file n->folder that no reader in this process has asked for.
void golden_unread_tensors(GoldenCount *n);

// One comparison of this case.
void case_compare(const TensorCase *c, bool ok, const char *format, ...) __attribute__((format(printf, 3, 4)));

// The tensor, or NULL. case_want: a failure when it is missing.
const StTensor *case_find(const TensorCase *c, const char *tensor);
const StTensor *case_want(const TensorCase *c, const char *tensor);
// Its dimension `at` (0 if it has none such), its elements, and element i as a number (NaN past the end).
int64_t case_dim(const TensorCase *c, const char *tensor, int at);
int64_t case_elements(const TensorCase *c, const char *tensor);
double case_real(const TensorCase *c, const char *tensor, int64_t i);
int64_t case_whole(const TensorCase *c, const char *tensor, int64_t i);

// Memory of the case, zeroed, in its type.
Mat case_fresh(const TensorCase *c, int64_t rows, int64_t cols);
// The tensor, which must have rows * cols elements. In the case's type; floats; integers in [low, high] (others are failures).
Mat case_load(const TensorCase *c, const char *tensor, int64_t rows, int64_t cols);
float *case_floats(const TensorCase *c, const char *tensor, int64_t n);
int32_t *case_ints(const TensorCase *c, const char *tensor, int64_t n, int64_t low, int64_t high);

double mat_get(Mat m, int64_t i);
void mat_put(Mat m, int64_t i, double x);

// What the type allows, relative to the greatest number compared with.
double case_tolerance(const TensorCase *c);
// `got` against the whole tensor: to the tolerance times the greatest number of each row of its last dimension, or of all.
void case_check_rows(const TensorCase *c, Mat got, const char *tensor);
void case_check_all(const TensorCase *c, Mat got, const char *tensor);
// `got` of n numbers against those from n * part on, to `allowed` times the greatest of each run of `run` numbers, or times
// `terms` where numbers are what is left of larger terms.
void case_check(const TensorCase *c, Mat got, const char *tensor, int64_t part, int64_t n, int64_t run, double allowed,
                double terms);

#endif
