#include "base/gguf.h"

#include "golden/golden_gguf.h"
#include "test.h"

TEST(golden_files) {
  char data[PATH_BYTES];
  snprintf(data, sizeof data, "%.3000s/golden/data", test_shared());
  GoldenCount n = golden_gguf(data);
  ASSERT(n.cases > 40 && n.comparisons > 100);
  ASSERT_INT(n.failed, 0);
  printf("     %s: %lld cases, %lld comparisons\n", n.folder, (long long)n.cases, (long long)n.comparisons);
}
