// Every version of every operation against the reference, from one description an operation.
//
// A description (OpRow) says which tensors a call has and how the call is made. The harness then runs it for all shapes, types,
// variants, levels of this machine and 1, 2 and 7 threads, with poisoned outputs, guard bytes around and between rows,
// unaligned beginnings and padded rows, and checks: the result against the reference computed in double from the same values;
// bits equal for any thread count; bits of a row equal when it is computed alone; inputs and everything outside the outputs
// untouched; NaN and infinities where the reference has them.
#ifndef TESTS_OPS_HARNESS_H
#define TESTS_OPS_HARNESS_H

#include "ops/ops.h"

enum { TRIAL_TENSORS = 20, TRIAL_DIMS = 8 };

typedef enum { USE_NONE, USE_IN, USE_OUT, USE_INOUT } Use;

typedef struct {
  Use use;
  bool is_int;                      // int32_t
  bool fixed;                       // float in the reference too: the operation takes float *
  bool not_compared;                // working space whose layout is a version's own
  bool stays_finite;                // no NaN or infinity is put in
  bool one_rounding;                // compare each element by its own size, not by its row's greatest
  int64_t rows, cols, ld, per_row;  // per_row: rows of the tensor a row of the operation has; 0: all calls use the whole
  Dtype type;                       // as declared: the reference has F64 in its place
  double
      magnitude;  // size of the terms that the values are sums of, where the values themselves may cancel; 0: as the row shows
  char *raw;
  size_t raw_bytes;
  void *data;
} Tensor;

typedef struct {
  int64_t shape[TRIAL_DIMS];
  int variant;       // 0 .. variants - 1, meaning is the description's
  Dtype type;        // F32 or BF16: the type of the main tensors
  double length;     // of the longest sum; set by declare (1 if not)
  bool bf16_inside;  // intermediate values are rounded to bf16: set by declare
  bool reference;
  int64_t pad, shift;  // elements between rows, and before the first
  Tensor t[TRIAL_TENSORS];
} Trial;

typedef struct {
  const int64_t (*shapes)[TRIAL_DIMS];  // ends with a shape whose first size is -1
  int variants;
  void (*declare)(Trial *t);  // declares and fills
  // Runs rows first .. first + count - 1 of shape[0] (all: 0, shape[0]).
  void (*call)(Dev *dev, Trial *t, int64_t first, int64_t count);
  bool rows;          // rows of shape[0] can be run apart
  bool no_nonfinite;  // NaN in the inputs means nothing here (only indices)
} OpRow;

// For declare. A float tensor holds normal values, an int tensor zeros, until set. Rows by `per_row`.
Tensor *trial_mat(Trial *t, int slot, Use use, int64_t rows, int64_t cols, Dtype type, int64_t per_row);
Tensor *trial_column(Trial *t, int slot, Use use, int64_t rows, int64_t per_row);   // rows of ld 1, F32
Tensor *trial_floats(Trial *t, int slot, Use use, int64_t count, int64_t per_row);  // float *
Tensor *trial_ints(Trial *t, int slot, Use use, int64_t count, int64_t per_row);    // int32_t *
void trial_set(Trial *t, int slot, int64_t row, int64_t column, double value);      // rounded to the declared type
double trial_value(const Trial *t, int slot, int64_t row, int64_t column);
double trial_random(int slot, int64_t index);  // uniform in [0, 1)

// For call: from row `first` of the operation on; none if the slot was not declared.
Mat trial_m(const Trial *t, int slot, int64_t first);
float *trial_f(const Trial *t, int slot, int64_t first);
int32_t *trial_i(const Trial *t, int slot, int64_t first);

// The level whose version a table holds.
typedef const char *FromFn(const Ops *o);

void check_op(const char *name, double tolerance, FromFn *from, const OpRow *row);

// The device at a level and thread count, opened once a process; NULL if this machine has not the level.
Dev *test_dev(Isa isa, int n_threads);

// One description an operation of ops.inc: one that is missing does not link.
#define OP(name, params, tolerance) extern const OpRow row_##name;
#include "ops/ops.inc"
#undef OP

#endif
