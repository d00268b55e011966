#include "golden/golden_ops.h"

#include "base/file.h"
#include "test.h"

TEST(golden_ops_at_every_level) {
  char folder[PATH_BYTES];
  snprintf(folder, sizeof folder, "%s/golden/ops", test_shared());
  GoldenCount count = golden_ops(folder);
  printf("  golden ops: %lld cases, %lld comparisons, %lld failed\n", (long long)count.cases, (long long)count.comparisons,
         (long long)count.failed);
  ASSERT(count.cases >= 25 && count.comparisons > count.cases);
  ASSERT_INT(count.failed, 0);
}
