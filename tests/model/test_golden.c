#include "base/file.h"
#include "golden/golden_models.h"
#include "test.h"

SLOW_TEST(golden_models_are_within_their_tolerances) {
  char folder[PATH_BYTES];
  snprintf(folder, sizeof folder, "%.3000s/golden/models", test_shared());
  GoldenCount count = golden_models(folder);
  ASSERT(count.cases >= 5 && count.comparisons > 100000);
  ASSERT_INT(count.failed, 0);
}
