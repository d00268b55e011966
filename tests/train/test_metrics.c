#include "train/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "test.h"

static char line[4096];

static void write_steps(const char *folder, int64_t from, int64_t to) {
  Metrics m;
  ASSERT_OK(metrics_open(&m, folder, "metrics.jsonl", from - 1, line, sizeof line));
  for (int64_t s = from; s <= to; s++) {
    line_begin(&m, s);
    line_real(&m, "loss", 10.0 / (double)s);
    line_real(&m, "bad", NAN);
    line_open_list(&m, "load");
    line_ints(&m, NULL, (const int64_t[]){1, 2, s}, 3);
    line_close_list(&m);
    line_open(&m, "time");
    line_text(&m, "who", "x");
    line_int(&m, "n", -5);
    line_close(&m);
    ASSERT_OK(line_end(&m));
  }
  metrics_close(&m);
}

static char *text_of(const char *folder) {
  char path[PATH_BYTES], *text;
  size_t size;
  ASSERT_OK(path_join(path, folder, "metrics.jsonl"));
  ASSERT_OK(file_read(path, 1 << 20, &text, &size));
  return text;
}

TEST(lines_are_json) {
  const char *folder = test_folder();
  write_steps(folder, 3, 3);
  char *text = text_of(folder);
  ASSERT_TEXT(text,
              "{\"step\":3,\"loss\":3.3333333333333335,\"bad\":null,\"load\":[[1,2,3]],\"time\":{\"who\":\"x\",\"n\":-5}}\n");
  json_t *root;
  ASSERT_OK(json_parse(&root, text, strlen(text), "line", true));
  json_decref(root);
  free(text);
}

// Resuming from step 12 of 20, also with a torn last line, gives the lines of a run that was not interrupted.
TEST(resumed_lines_equal_uninterrupted_ones) {
  const char *folder = test_folder();
  write_steps(folder, 1, 20);
  char *whole = text_of(folder);
  write_steps(folder, 13, 20);
  char *resumed = text_of(folder);
  ASSERT_TEXT(resumed, whole);
  char path[PATH_BYTES];
  ASSERT_OK(path_join(path, folder, "metrics.jsonl"));
  ASSERT(truncate(path, (off_t)strlen(whole) - 7) == 0);
  write_steps(folder, 20, 20);
  free(resumed);
  resumed = text_of(folder);
  ASSERT_TEXT(resumed, whole);
  free(resumed);
  free(whole);
}

TEST(a_line_too_long_is_refused) {
  Metrics m;
  char small[32];
  ASSERT_OK(metrics_open(&m, test_folder(), "metrics.jsonl", 0, small, sizeof small));
  line_begin(&m, 1);
  for (int i = 0; i < 20; i++) line_int(&m, "k", i);
  ASSERT_ERR(line_end(&m), ERR_STATE, "longer than the 32");
  metrics_close(&m);
}

TEST(reals_read_back_to_the_same_bits) {
  const double values[] = {0.1, 1.0 / 3, 1e-300, 123456789.123456789, 6.0, -0.0, 5e-324};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    char text[32];
    real_text(values[i], text);
    ASSERT(strtod(text, NULL) == values[i]);
  }
}
