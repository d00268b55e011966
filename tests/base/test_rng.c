#include "base/rng.h"

#include <math.h>

#include "test.h"

// Known answers of Philox4x32-10 as published with the Random123 library (counter, key, result).
TEST(philox_known_answers) {
  static const struct {
    uint32_t counter[4], key[2], want[4];
  } cases[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (int i = 0; i < 3; i++) {
    uint32_t got[4];
    Rng r = {{cases[i].key[0], cases[i].key[1]}};
    uint64_t index = (uint64_t)cases[i].counter[1] << 32 | cases[i].counter[0],
             step = (uint64_t)cases[i].counter[3] << 32 | cases[i].counter[2];
    rng_block(r, step, index, got);
    for (int k = 0; k < 4; k++) ASSERT_INT(got[k], cases[i].want[k]);
  }
}

TEST(a_number_depends_on_seed_name_step_and_index) {
  Rng a = rng_named(1, "wq");
  double x = rng_uniform(a, 0, 7);
  ASSERT(x == rng_uniform(rng_named(1, "wq"), 0, 7));
  ASSERT(x != rng_uniform(rng_named(2, "wq"), 0, 7));
  ASSERT(x != rng_uniform(rng_named(1, "wk"), 0, 7));
  ASSERT(x != rng_uniform(a, 1, 7));
  ASSERT(x != rng_uniform(a, 0, 6) && x != rng_uniform(a, 0, 8));
}

// Filled in parts of any length and start, odd ones among them, the numbers are the same.
TEST(a_fill_in_parts_is_the_same_fill) {
  enum { N = 1001 };
  static float whole[N], parts[N];
  Rng r = rng_named(3, "embedding");
  rng_fill_normal(r, 5, 1000, whole, N, 0.5, 0.02);
  for (int at = 0, n = 1; at < N; at += n, n = n * 2 + 1)
    rng_fill_normal(r, 5, 1000 + (uint64_t)at, parts + at, at + n < N ? n : N - at, 0.5, 0.02);
  ASSERT(memcmp(whole, parts, sizeof whole) == 0);
  for (int i = 0; i < N; i++) ASSERT(whole[i] == (float)(0.5 + 0.02 * rng_normal(r, 5, 1000 + (uint64_t)i)));
}

TEST(moments_are_right) {
  enum { N = 200000 };
  Rng r = rng_named(4, "moments");
  double uniform = 0, sum = 0, square = 0, fourth = 0, least = 1, most = 0;
  for (uint64_t i = 0; i < N; i++) {
    double u = rng_uniform(r, 0, i), z = rng_normal(r, 1, i);
    uniform += u, sum += z, square += z * z, fourth += z * z * z * z;
    if (u < least) least = u;
    if (u > most) most = u;
  }
  ASSERT(least >= 0 && least < 1e-4 && most < 1 && most > 1 - 1e-4);
  ASSERT_NEAR(uniform / N, 0.5, 0.003);  // about five standard errors each
  ASSERT_NEAR(sum / N, 0, 0.012);
  ASSERT_NEAR(square / N, 1, 0.016);
  ASSERT_NEAR(fourth / N, 3, 0.12);
}
