#include "base/sort.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "test.h"

static int rising(const void *a, const void *b) {
  const uint64_t *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

// Keys that differ in all bytes, in some, in none; sorted and not.
TEST(numbers_are_sorted) {
  static const uint64_t masks[] = {UINT64_MAX, 0xff, 0xff00ff0000, 0x8000000000000000, 0xffffff, 0};
  Rng r = rng_named(1, "sort test");
  for (size_t m = 0; m < sizeof masks / sizeof masks[0]; m++)
    for (size_t n = 0; n < 3000; n = 3 * n + 1) {
      uint64_t *key = malloc((n + 1) * sizeof *key), *want = malloc((n + 1) * sizeof *want);
      ASSERT(key && want);
      for (size_t i = 0; i <= n; i++) key[i] = (uint64_t)(rng_uniform(r, m, i) * 18446744073709549568.0) & masks[m];
      memcpy(want, key, (n + 1) * sizeof *want);
      qsort(want, n, sizeof *want, rising);
      for (int again = 0; again < 2; again++) {
        ASSERT_OK(sort_u64(key, n));
        ASSERT(memcmp(key, want, (n + 1) * sizeof *want) == 0);  // the one behind, too
      }
      free(key);
      free(want);
    }
}
