#include "golden/golden_data.h"
#include "test.h"

static void run(GoldenCount golden(const char *)) {
  char data[4096];
  snprintf(data, sizeof data, "%s/golden/data", test_shared());
  GoldenCount n = golden(data);
  ASSERT(n.cases > 0 && n.comparisons > 0);
  ASSERT_INT(n.failed, 0);
  printf("     %s: %lld cases, %lld comparisons\n", n.folder, (long long)n.cases, (long long)n.comparisons);
}

TEST(gpt_order_is_megatrons) { run(golden_data_gpt); }
TEST(blend_order_is_megatrons) { run(golden_data_blend); }
TEST(token_files_are_megatrons_bytes) { run(golden_data_indexed); }
TEST(broken_files_are_refused) { run(golden_data_bad); }
