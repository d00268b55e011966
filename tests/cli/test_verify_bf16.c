// `pleiad verify` in bf16, over the project's own case and the shared ones.
#include "cli/verify/verify.h"

#include "base/file.h"
#include "test.h"

static int64_t verify_all(const char *tree, Dtype type) {
  static VerifyCase v;
  char **names, path[PATH_BYTES];
  size_t n;
  int64_t cases = 0;
  ASSERT_OK(folder_list(tree, &names, &n));
  for (size_t i = 0; i < n; i++) {
    ASSERT_OK(path_join(path, tree, names[i]));
    if (!verify_is_case(path)) continue;
    ASSERT_OK(verify_run(&v, path, 2, type));
    verify_sort(&v);
    ASSERT_MSG(v.failed == 0, "%s: %s is %g off, %g allowed, at %s", v.name, v.line[0].what, v.line[0].error,
               v.line[0].tolerance, v.line[0].place);
    ASSERT(v.compared > 10000);
    cases++;
  }
  names_free(names, n);
  return cases;
}

SLOW_TEST(every_kind_of_model_is_right_in_bf16) {
  char tree[PATH_BYTES];
  snprintf(tree, sizeof tree, "%.3000s/models", test_golden());
  ASSERT(verify_all(tree, DT_BF16) >= 7);
}
