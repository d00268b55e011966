// Products with weights of 8 bits: right within what rounding them allows, and of one value at every level.
#include "ops/q8.h"

#include <math.h>
#include <stdlib.h>

#include "levels.h"
#include "test.h"

enum { N_SIZES = 7 };
static const int64_t sizes[N_SIZES][3] = {{1, 1, 1},     {1, 32, 32},   {3, 33, 31},  {7, 64, 100},
                                          {13, 70, 257}, {65, 96, 512}, {5, 40, 2080}};  // M, N, K

static void *packed_of(Dev *d, Mat w, int64_t N, int64_t K) {
  void *packed = guarded(q8_bytes(N, K));
  q8_pack(d, packed, w, N, K);
  for (int i = 1; i <= GUARD_BYTES; i++) {
    ASSERT(*((unsigned char *)packed - i) == GUARD_BYTE);
    ASSERT(((unsigned char *)packed)[q8_bytes(N, K) + (size_t)i - 1] == GUARD_BYTE);
  }
  return packed;
}

// Element (n, k) of what was packed.
static double weight_at(const void *packed, int64_t n, int64_t k, int64_t K) {
  const Q8Block *b = (const Q8Block *)packed + n / Q8_LANES * ((K + Q8_BLOCK - 1) / Q8_BLOCK) + k / Q8_BLOCK;
  return (double)b->scale[n % Q8_LANES] * (b->code[k % Q8_BLOCK / 4][n % Q8_LANES][k % 4] - 128);
}

static double greatest_of_block(Mat m, int64_t row, int64_t k, int64_t K) {
  double most = 0;
  for (int64_t i = k / Q8_BLOCK * Q8_BLOCK; i < K && i < (k / Q8_BLOCK + 1) * Q8_BLOCK; i++)
    most = fmax(most, fabs(matrix_get(m, row, i)));
  return most;
}

TEST(a_weight_is_off_by_half_a_scale_at_most) {
  Dev d = level_open(ISA_REF, 2);
  const int64_t N = 37, K = 77;
  Mat w = random_matrix(N, K, DT_F32);
  for (int64_t k = 32; k < 64; k++) matrix_set(w, 5, k, 1e-40);  // its scale would be subnormal
  const void *packed = packed_of(&d, w, N, K);
  for (int64_t n = 0; n < N; n++)
    for (int64_t k = 0; k < K; k++) {
      const double step = greatest_of_block(w, n, k, K) / 127, error = fabs(weight_at(packed, n, k, K) - matrix_get(w, n, k));
      ASSERT_MSG(error <= 0.5 * step * (1 + 1e-5) + 1e-39, "weight %d,%d is off by %g steps", (int)n, (int)k, error / step);
    }
  dev_close(&d);
}

// A block as GGUF's Q8_0 holds it: codes times an fp16 scale, the greatest code 127 in magnitude.
TEST(codes_that_were_of_8_bits_stay_what_they_are) {
  Dev d = level_open(ISA_REF, 1);
  const int64_t N = 64, K = 32;
  Mat w = matrix(N, K, DT_F32);
  int code[64][32];
  for (int64_t n = 0; n < N; n++) {
    const double scale = ldexp(1024 + (double)(n * 37 % 1024), n % 2 ? -24 : -14);  // eleven bits, subnormal in fp16 too
    for (int64_t k = 0; k < K; k++) {
      code[n][k] = k == n % K ? (n % 3 ? 127 : -127) : (int)((n * 131 + k * 61) % 255) - 127;
      matrix_set(w, n, k, code[n][k] * scale);
    }
  }
  const Q8Block *b = packed_of(&d, w, N, K);
  for (int64_t n = 0; n < N; n++)
    for (int64_t k = 0; k < K; k++) {
      ASSERT(b[n / Q8_LANES].code[k / 4][n % Q8_LANES][k % 4] - 128 == code[n][k]);
      ASSERT(weight_at(b, n, k, K) == matrix_get(w, n, k));
    }
  dev_close(&d);
}

static GemmArgs product_of(const int64_t size[3], Mat a, const void *packed, Dtype c_type) {
  return (GemmArgs){.M = size[0],
                    .N = size[1],
                    .K = size[2],
                    .c = matrix(size[0], size[1], c_type),
                    .a = a,
                    .b = mat_of((void *)(uintptr_t)packed, size[2], DT_Q8),
                    .b_t = true};
}

// Of a product with exact weights, a rounded by half a scale of each block: |error| <= sum of half a step times |w|, and the
// chain's rounding.
TEST(the_reference_is_within_the_rounding_of_its_rows) {
  Dev d = level_open(ISA_REF, 1);
  for (int s = 0; s < N_SIZES; s++) {
    const int64_t size[3] = {sizes[s][0] < 9 ? sizes[s][0] : 9, sizes[s][1], sizes[s][2]}, K = size[2];
    Mat a = random_matrix(size[0], K, DT_F32);
    const void *packed = packed_of(&d, random_matrix(size[1], K, DT_F32), size[1], K);
    GemmArgs g = product_of(size, a, packed, DT_F32);
    d.op->gemm(&d, &g);
    for (int64_t m = 0; m < size[0]; m++)
      for (int64_t n = 0; n < size[1]; n++) {
        double want = 0, bound = 0, terms = 0;
        for (int64_t k = 0; k < K; k++) {
          const double w = weight_at(packed, n, k, K), x = matrix_get(a, m, k);
          want += x * w;
          bound += 0.5 * greatest_of_block(a, m, k, K) / 127 * fabs(w);
          terms += fabs(x * w);
        }
        bound = bound * (1 + 1e-5) + terms * (double)(K / Q8_BLOCK + 4) * rounding(DT_F32);
        ASSERT_NEAR(matrix_get(g.c, m, n), want, bound);
      }
  }
  dev_close(&d);
}

typedef struct {
  Mat a;
  GemmArgs want;  // by the reference
} Case;

// Variant bits: a in bf16, c in bf16, with bias and add.
static Case case_of(Dev *ref, const int64_t size[3], int variant) {
  Case c = {.a = random_matrix(size[0], size[2], variant & 1 ? DT_BF16 : DT_F32)};
  const void *packed = packed_of(ref, random_matrix(size[1], size[2], DT_BF16), size[1], size[2]);
  c.want = product_of(size, c.a, packed, variant & 2 ? DT_BF16 : DT_F32);
  if (variant & 4) {
    c.want.add = random_matrix(size[0], size[1], DT_F32);
    c.want.bias = random_matrix(1, size[1], DT_F32);
  }
  ref->op->gemm(ref, &c.want);
  return c;
}

// Neither the level, nor threads, nor how many rows share the call.
static void check_case(Dev *d, const Case *c) {
  const GemmArgs *want = &c->want;
  GemmArgs got = *want;
  got.c = matrix(want->M, want->N, want->c.type);
  d->op->gemm(d, &got);
  check_guards(got.c, want->M, want->N);
  for (int64_t m = 0; m < want->M; m++) same_row(got.c, m, want->c, m, want->N, isa_names[d->isa]);
  const int32_t row = (int32_t)(want->M / 2);
  got.M = 1;
  got.a_row = &row;
  got.add = mat_at(want->add, row, 0);
  d->op->gemm(d, &got);
  same_row(got.c, 0, want->c, row, want->N, "alone");
}

TEST(int8_products_have_the_same_bits_everywhere) {
  enum { VARIANTS = 8 };
  Case cases[N_SIZES][VARIANTS];
  Dev ref = level_open(ISA_REF, 1);
  for (int s = 0; s < N_SIZES; s++)
    for (int v = 0; v < VARIANTS; v++) cases[s][v] = case_of(&ref, sizes[s], v);
  dev_close(&ref);
  EACH_LEVEL(isa) for (int threads = 1; threads <= 7; threads += threads == 1 ? 1 : 5) {
    Dev d = level_open(isa, threads);
    for (int s = 0; s < N_SIZES; s++)
      for (int v = 0; v < VARIANTS; v++) check_case(&d, &cases[s][v]);
    dev_close(&d);
  }
}

// So many rows of so many k's that they do not fit the working space at once.
TEST(int8_products_of_many_rows_are_cut) {
  const int64_t size[3] = {200, 33, 65536};
  Dev d = level_open(level_best(), 1);
  ASSERT((size_t)(size[0] * size[2]) > d.scratch.size);
  Mat a = random_matrix(size[0], size[2], DT_BF16);
  GemmArgs all = product_of(size, a, packed_of(&d, random_matrix(size[1], size[2], DT_BF16), size[1], size[2]), DT_F32);
  d.op->gemm(&d, &all);
  for (int64_t m = 0; m < size[0]; m += 33) {
    GemmArgs one = all;
    one.M = 1, one.a = mat_at(a, m, 0), one.c = matrix(1, size[1], DT_F32);
    d.op->gemm(&d, &one);
    same_row(one.c, 0, all.c, m, size[1], "cut");
  }
  dev_close(&d);
}

TEST(int8_groups_are_products_of_their_own) {
  enum { GROUPS = 6, ROWS = 90, N = 48, K = 96, SOURCE = 17 };
  const int32_t offset[GROUPS + 1] = {0, 0, 1, 9, 9, 88, ROWS};
  int32_t a_row[ROWS];
  for (int r = 0; r < ROWS; r++) a_row[r] = r * 5 % SOURCE;
  Mat a = random_matrix(SOURCE, K, DT_BF16), w = random_matrix(GROUPS * N, K, DT_F32), want = matrix(ROWS, N, DT_BF16);
  Dev ref = level_open(ISA_REF, 1);
  char *packed = guarded(GROUPS * q8_bytes(N, K));
  for (int g = 0; g < GROUPS; g++) q8_pack(&ref, packed + (size_t)g * q8_bytes(N, K), mat_at(w, g * N, 0), N, K);
  for (int g = 0; g < GROUPS; g++) {
    GemmArgs one = {.M = offset[g + 1] - offset[g],
                    .N = N,
                    .K = K,
                    .c = mat_at(want, offset[g], 0),
                    .a = a,
                    .a_row = a_row + offset[g],
                    .b = mat_of(packed + (size_t)g * q8_bytes(N, K), K, DT_Q8),
                    .b_t = true};
    ref.op->gemm(&ref, &one);
  }
  for (int isa = ISA_REF, best = level_best(); isa <= best; isa++)
    for (int threads = 1; threads <= 7; threads += threads == 1 ? 1 : 5) {
      Dev d = level_open(isa, threads);
      GroupedGemmArgs g = {.groups = GROUPS,
                           .N = N,
                           .K = K,
                           .rows_max = ROWS + 3,
                           .offset = offset,
                           .c = matrix(ROWS, N, DT_BF16),
                           .a = a,
                           .a_row = a_row,
                           .b = mat_of(packed, K, DT_Q8),
                           .b_t = true};
      d.op->gemm_grouped(&d, &g);
      check_guards(g.c, ROWS, N);
      for (int64_t r = 0; r < ROWS; r++) same_row(g.c, r, want, r, N, isa_names[isa]);
      dev_close(&d);
    }
}

TEST(what_is_not_finite_passes_through_int8_products) {
  const int64_t size[3] = {4, 40, 96};
  for (int isa = ISA_REF, best = level_best(); isa <= best; isa++) {
    Dev d = level_open(isa, 2);
    Mat a = random_matrix(size[0], size[2], DT_F32);
    matrix_set(a, 1, 50, NAN);
    matrix_set(a, 3, 0, -INFINITY);
    GemmArgs g = product_of(size, a, packed_of(&d, random_matrix(size[1], size[2], DT_F32), size[1], size[2]), DT_F32);
    d.op->gemm(&d, &g);
    for (int64_t m = 0; m < size[0]; m++)
      for (int64_t n = 0; n < size[1]; n++) ASSERT(isnan(matrix_get(g.c, m, n)) == (m % 2 == 1));
    dev_close(&d);
  }
}
