// What is remembered of a processor, and that no file can harm.
#include "ops/cpu/remember.h"

#include <stdlib.h>

#include "base/file.h"
#include "test.h"

static void write_file(const char *folder, const char *text) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/pleiad", folder);
  ASSERT_OK(folder_make(path));
  snprintf(path, sizeof path, "%s/pleiad/processors.json", folder);
  ASSERT_OK(file_replace(path, text, strlen(text)));
}

TEST(what_was_measured_is_remembered) {
  const char *folder = test_folder();
  bool value = false;
  ASSERT(setenv("XDG_CACHE_HOME", folder, 1) == 0);
  ASSERT(!remembered("fast", &value));
  remember("fast", true);
  remember("small", false);
  ASSERT(remembered("fast", &value) && value);
  ASSERT(remembered("small", &value) && !value);
  ASSERT(!remembered("large", &value));
}

TEST(numbers_are_remembered_beside_it) {
  int64_t n[3] = {0};
  bool value;
  ASSERT(setenv("XDG_CACHE_HOME", test_folder(), 1) == 0);
  ASSERT(remembered_numbers("sizes", n, 3) == -1);
  remember("fast", true);
  remember_numbers("sizes", (const int64_t[]){3, -1, INT64_MAX}, 3);
  ASSERT(remembered_numbers("sizes", n, 3) == 3 && n[0] == 3 && n[1] == -1 && n[2] == INT64_MAX);
  ASSERT(remembered_numbers("sizes", n, 2) == 0 && remembered_numbers("fast", n, 3) == 0);
  ASSERT(remembered("fast", &value) && value && !remembered("sizes", &value));
}

TEST(a_file_that_is_none_of_ours_is_as_none) {
  static const char *const texts[] = {"", "{", "[1, 2]", "\xff\xfe", "{\"AMD\": 3}", "null"};
  const char *folder = test_folder();
  bool value = false;
  ASSERT(setenv("XDG_CACHE_HOME", folder, 1) == 0);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    write_file(folder, texts[i]);
    ASSERT(!remembered("fast", &value));
    remember("fast", true);
    ASSERT(remembered("fast", &value) && value);
  }
}

TEST(nowhere_to_remember_is_no_error) {
  bool value = false;
  ASSERT(setenv("XDG_CACHE_HOME", "/dev/null/cache", 1) == 0);
  remember("fast", true);
  ASSERT(!remembered("fast", &value));
  ASSERT(setenv("XDG_CACHE_HOME", "relative", 1) == 0);
  ASSERT(unsetenv("HOME") == 0);
  remember("fast", true);
  ASSERT(!remembered("fast", &value));
}
