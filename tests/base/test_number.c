#include "base/number.h"

#include "test.h"

TEST(a_number_within_a_name) {
  const char *name = "model-00002-of-9223372036854775807.safetensors", *at = name;
  int64_t n = -1;
  ASSERT(number_take(&at, "model-", &n));
  ASSERT_INT(n, 2);
  ASSERT(number_take(&at, "-of-", &n));
  ASSERT(n == INT64_MAX);
  ASSERT_TEXT(at, ".safetensors");
  ASSERT(!number_take(&at, "", &n));
  ASSERT_TEXT(at, ".safetensors");
  ASSERT(n == INT64_MAX);
}

TEST(what_is_no_number_is_left_as_it_was) {
  static const char *const names[] = {"",
                                      "layer.",
                                      "layer.x",
                                      "layer.-1",
                                      "layer.+1",
                                      "layer. 1",
                                      "block.1",
                                      "layer.9223372036854775808",
                                      "layer.99999999999999999999999"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const char *at = names[i];
    int64_t n = -7;
    ASSERT(!number_take(&at, "layer.", &n));
    ASSERT(at == names[i]);
    ASSERT_INT(n, -7);
  }
}
