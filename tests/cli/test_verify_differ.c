// How two arrays differ: counts, first place, distances in units in the last place, numbers that are none.
#include "cli/verify/differ.h"

#include <math.h>

#include "base/half.h"
#include "test.h"

static Difference floats(const float *a, const float *b, int64_t n) {
  CheckpointArray x = {.type = ST_F32, .data = (void *)(uintptr_t)a}, y = {.type = ST_F32, .data = (void *)(uintptr_t)b};
  return arrays_differ(&x, &y, n);
}

TEST(equal_is_equal_to_the_bit) {
  const float a[3] = {1, NAN, -2}, b[3] = {0.0f, 1, 2}, c[3] = {-0.0f, 1, 2};
  ASSERT_INT(floats(a, a, 3).differing, 0);
  ASSERT_INT(floats(a, a, 3).first, -1);
  Difference d = floats(b, c, 3);  // a sign of zero is a bit
  ASSERT_INT(d.differing, 1);
  ASSERT_INT(d.ulp, 0);
  ASSERT(d.greatest == 0 && d.relative == 0);
}

TEST(distances_are_counted_in_numbers_between) {
  const float a[4] = {1, 5, 1e-45f, 3}, b[4] = {nextafterf(1, 2), 5, -1e-45f, 3};
  Difference d = floats(a, b, 4);
  ASSERT_INT(d.differing, 2);
  ASSERT_INT(d.first, 0);
  ASSERT_INT(d.ulp, 2);  // over zero: one down to it, one beyond
  ASSERT_NEAR(d.greatest, 0x1p-23, 0);
  ASSERT_NEAR(d.relative, 0x1p-23 / 5, 1e-12);
  const float far[1] = {-INFINITY}, near[1] = {INFINITY};
  d = floats(far, near, 1);
  ASSERT(d.ulp > 0xff000000ll - 1 && isinf(d.greatest));
  ASSERT_INT(d.not_finite, 1);
}

TEST(no_number_is_infinitely_far_from_a_number) {
  const float a[2] = {NAN, 1}, b[2] = {0, 1};
  Difference d = floats(a, b, 2);
  ASSERT_INT(d.differing, 1);
  ASSERT_INT(d.ulp, -1);
  ASSERT(isinf(d.greatest) && isinf(d.relative));
}

TEST(types_are_compared_in_their_own_steps_or_by_value) {
  Bf16 a[2] = {bf16_from_f32(1), bf16_from_f32(2)}, b[2] = {(Bf16)(bf16_from_f32(1) + 3), bf16_from_f32(2)};
  const float wide[2] = {1, 2.5f};
  CheckpointArray x = {.type = ST_BF16, .data = a}, y = {.type = ST_BF16, .data = b},
                  z = {.type = ST_F32, .data = (void *)(uintptr_t)wide};
  ASSERT_INT(arrays_differ(&x, &y, 2).ulp, 3);
  Difference d = arrays_differ(&x, &z, 2);
  ASSERT_INT(d.differing, 1);
  ASSERT_INT(d.first, 1);
  ASSERT_INT(d.ulp, -1);
  ASSERT_NEAR(d.greatest, 0.5, 0);
  ASSERT_INT(reals_differ(0.1, nextafter(0.1, 1)).ulp, 1);
}

TEST(places_follow_the_shape) {
  char place[64];
  CheckpointArray a = {.n_dims = 3, .dim = {2, 3, 4}};
  element_place(&a, 17, place);
  ASSERT_TEXT(place, "[1, 1, 1]");
  a.n_dims = 0;
  element_place(&a, 0, place);
  ASSERT_TEXT(place, "[]");
}
