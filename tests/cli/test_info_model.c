#include "cli/info_model.h"

#include "base/file.h"
#include "cli/info_index.h"
#include "test.h"

TEST(the_released_index_has_every_name_and_the_total_size) {
  char path[PATH_BYTES];
  ModelConfig c;
  InfoIndex index;
  snprintf(path, sizeof path, "%.3000s/data/hf/telechat2-115b", test_shared());
  ASSERT_OK(info_config(path, &c));
  ASSERT_OK(info_index(path, &c, &index));
  ASSERT(index.there && index.missing == 0 && index.left == 0);
  ASSERT_INT(index.tensors, 963);
  ASSERT_NEAR(index.total_bytes, 453131665408.0, 0);
  ASSERT_NEAR(index.weight_bytes, 4, 0);
  c.model.layers++;  // a layer more than there are tensors for
  ASSERT_OK(info_index(path, &c, &index));
  ASSERT_INT(index.missing, 10);
  ASSERT(strstr(index.first_missing, "transformer.h.96."));
  c.model.layers -= 2;
  ASSERT_OK(info_index(path, &c, &index));
  ASSERT_INT(index.left, 10);
}

TEST(a_model_is_found_in_every_form) {
  static const char *const forms[] = {"configs/model/telechat3-1.8b.yaml", "configs/moe-nano.yaml",
                                      "tests/golden/cases/models/dense_shared",
                                      "tests/golden/cases/models/telechat2/config.json"};
  char path[PATH_BYTES];
  ModelConfig c;
  for (int i = 0; i < 4; i++) {
    snprintf(path, sizeof path, "%s/%s", test_root(), forms[i]);
    ASSERT_OK(info_config(path, &c));
    ASSERT(c.model.layers > 0);
  }
  ASSERT_ERR(info_config("nothing/here", &c), ERR_IO, "nothing/here");
}
