#include "ops/levels.h"
#include "test.h"

// Training keeps no activation, since the backward makes it: it must have the forward's bits.
TEST(swiglu_backward_makes_the_forward_again) {
  enum { N = 5, F = 203 };
  EACH_LEVEL(isa)
  for (int type = DT_F32; type <= DT_BF16; type++)
    for (int weighted = 0; weighted < 2; weighted++) {
      Dev d = level_open(isa, 2);
      Mat gate = random_matrix(N, F, (Dtype)type), up = random_matrix(N, F, (Dtype)type), y = matrix(N, F, (Dtype)type);
      Mat dy = random_matrix(N, F, (Dtype)type), weight = random_matrix(1, N, DT_F32), dweight = matrix(1, N, DT_F32);
      weight.ld = dweight.ld = 1;
      for (int64_t n = 0; n < N; n++) matrix_set(gate, n, 7 * n, n % 2 ? 100 : -100);
      if (!weighted) weight = dweight = mat_none();
      d.op->swiglu_forward(&d, y, gate, up, weight, N, F);
      d.op->swiglu_backward(&d, gate, up, dweight, dy, dy, gate, up, weight, N, F);
      for (int64_t n = 0; n < N; n++) same_row(dy, n, y, n, F, isa_names[isa]);
      check_guards(dy, N, F);
      dev_close(&d);
    }
}
