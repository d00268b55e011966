#include "ops/levels.h"
#include "test.h"

static Mat column(int64_t N) {
  Mat m = matrix(1, N, DT_F32);
  m.ld = 1;
  return m;
}

// The head puts the gradients where the logits were, in half of each row.
TEST(cross_entropy_in_bf16_over_its_logits) {
  enum { N = 5, V = 2203 };
  EACH_LEVEL(isa) for (int threads = 1; threads < 3; threads++) {
    Dev d = level_open(isa, threads);
    Mat logits = random_matrix(N, V, DT_F32), copy = matrix(N, V, DT_F32), apart = matrix(N, V, DT_BF16);
    Mat nll = column(N), lse = column(N), over = mat_of(copy.data, 2 * copy.ld, DT_BF16);
    const int32_t label[N] = {0, V - 1, 7, 1000, 1101};
    const float mask[N] = {1, 1, 0, 0.5f, 1};
    for (int64_t n = 0; n < N; n++)
      for (int64_t v = 0; v < V; v++) matrix_set(copy, n, v, matrix_get(logits, n, v));
    d.op->cross_entropy(&d, apart, nll, lse, logits, label, mask, N, V, 0.25, 1e-2);
    d.op->cross_entropy(&d, over, nll, lse, copy, label, mask, N, V, 0.25, 1e-2);
    for (int64_t n = 0; n < N; n++) same_row(over, n, apart, n, V, isa_names[isa]);
    check_guards(copy, N, V);
    dev_close(&d);
  }
}
