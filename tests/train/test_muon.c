#include "train/muon.h"

#include <math.h>

#include "base/rng.h"
#include "ops/levels.h"
#include "test.h"

// The greatest distance of an entry of the product of x with itself, over the shorter side, from the unit matrix's.
static double from_unit(Mat x, int64_t rows, int64_t cols) {
  bool wide = rows <= cols;
  double worst = 0;
  for (int64_t i = 0; i < (wide ? rows : cols); i++)
    for (int64_t j = 0; j <= i; j++) {
      double sum = 0;
      for (int64_t k = 0; k < (wide ? cols : rows); k++)
        sum += wide ? matrix_get(x, i, k) * matrix_get(x, j, k) : matrix_get(x, k, i) * matrix_get(x, k, j);
      worst = fmax(worst, fabs(sum - (i == j)));
    }
  return worst;
}

static void fill(Mat x, int64_t rows, int64_t cols, uint64_t key) {
  double squares = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int64_t i = 0; i < rows * cols; i++) {
      double v = rng_normal(rng_named(key, "muon"), 0, (uint64_t)i);
      if (pass == 0) squares += v * v;
      else matrix_set(x, i / cols, i % cols, v / sqrt(squares));
    }
}

static void orthogonal(int isa, int64_t groups, int64_t rows, int64_t cols, Dtype type) {
  Dev dev = level_open(isa, 2);
  Arena a;
  NewtonSchulz n;
  arena_measure(&a, "muon");
  newton_schulz_take(&n, groups, rows, cols, type, &a);
  size_t bytes = a.peak;
  ASSERT_OK(arena_init(&a, "muon", bytes));
  newton_schulz_take(&n, groups, rows, cols, type, &a);
  for (int64_t g = 0; g < groups; g++) fill(mat_at(n.x, g * rows, 0), rows, cols, (uint64_t)g);
  newton_schulz(&dev, &n);
  // The polynomial takes singular values into about [0.68, 1.13], whose squares lie within 0.55 of 1; two of them may add.
  for (int64_t g = 0; g < groups; g++) {
    double worst = from_unit(mat_at(n.x, g * rows, 0), rows, cols);
    ASSERT_MSG(worst < 0.6, "group %lld of %lld x %lld: %g from the unit matrix", (long long)g, (long long)rows,
               (long long)cols, worst);
  }
  // A matrix has the same bits alone.
  NewtonSchulz alone;
  Arena b;
  ASSERT_OK(arena_init(&b, "alone", bytes));
  newton_schulz_take(&alone, 1, rows, cols, type, &b);
  fill(alone.x, rows, cols, (uint64_t)groups - 1);
  newton_schulz(&dev, &alone);
  for (int64_t i = 0; i < rows; i++) same_row(alone.x, i, n.x, (groups - 1) * rows + i, cols, "alone");
  arena_free(&a);
  arena_free(&b);
  dev_close(&dev);
}

TEST(newton_schulz_makes_orthogonal_alone_and_in_a_batch) {
  EACH_LEVEL(isa)
  for (int type = 0; type < 2; type++) {
    Dtype t = type ? DT_BF16 : DT_F32;
    orthogonal(isa, 3, 24, 56, t);
    orthogonal(isa, 2, 70, 33, t);
    orthogonal(isa, 1, 19, 19, t);
  }
}
