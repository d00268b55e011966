#include "golden/golden_text_spm.h"
#include "test.h"

static void run(GoldenCount golden(const char *)) {
  char text[4096];
  snprintf(text, sizeof text, "%s/golden/text", test_shared());
  GoldenCount n = golden(text);
  ASSERT(n.cases > 0 && n.comparisons > 0);
  ASSERT_INT(n.failed, 0);
  printf("     %s: %lld cases, %lld comparisons\n", n.folder, (long long)n.cases, (long long)n.comparisons);
}

TEST(small_models_are_sentencepieces) { run(golden_text_spm); }
TEST(real_models_are_sentencepieces) { run(golden_text_tokenizer); }
