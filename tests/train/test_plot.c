#include "train/plot.h"

#include <stdlib.h>

#include "base/file.h"
#include "test.h"

static void write_run(const char *folder, int steps, const char *tail) {
  char path[PATH_BYTES];
  FileWriter w;
  ASSERT_OK(path_join(path, folder, "metrics.jsonl"));
  ASSERT_OK(file_create(&w, path));
  for (int s = 1; s <= steps; s++)
    ASSERT_OK(file_printf(&w,
                          "{\"step\":%d,\"loss\":%g,\"lm\":%g,\"grad_norm\":%s,\"lr\":%g%s,\"load_max_over_mean\":1.5,\"time\":"
                          "{\"tokens_per_s\":%d}}\n",
                          s, 9.0 / s, 8.0 / s, s == 3 ? "null" : "0.5", 1e-3 * s, s % 5 == 0 ? ",\"eval_loss\":2.5" : "",
                          1000 + s));
  ASSERT_OK(file_printf(&w, "%s", tail));
  ASSERT_OK(file_commit(&w));
  ASSERT_OK(path_join(path, folder, "experts.jsonl"));
  ASSERT_OK(file_create(&w, path));
  for (int s = 1; s <= steps; s++) ASSERT_OK(file_printf(&w, "{\"step\":%d,\"load\":[[0,8,4,4],[4,4,4,4]]}\n", s));
  ASSERT_OK(file_commit(&w));
}

// Every element that opens closes, in order; attributes are quoted; nothing follows the root.
static void check_well_formed(const char *text) {
  char open[32][24];
  int depth = 0, roots = 0;
  for (const char *p = strchr(text, '<'); p; p = strchr(p, '<')) {
    const char *end = strchr(p, '>');
    ASSERT(end);
    int quotes = 0;
    for (const char *q = p + 1; q < end; q++) {
      ASSERT(*q != '<');
      quotes += *q == '"';
    }
    ASSERT(quotes % 2 == 0);
    if (p[1] == '/') {
      ASSERT(depth > 0);
      depth--;
      ASSERT(strncmp(p + 2, open[depth], strlen(open[depth])) == 0);
    } else if (end[-1] != '/') {
      ASSERT(depth < 32);
      roots += depth == 0;
      snprintf(open[depth++], sizeof open[0], "%.*s", (int)strcspn(p + 1, " >"), p + 1);
    }
    p = end;
  }
  ASSERT_INT(depth, 0);
  ASSERT_INT(roots, 1);
  for (const char *p = strchr(text, '&'); p; p = strchr(p + 1, '&'))
    ASSERT(strncmp(p, "&amp;", 5) == 0 || strncmp(p, "&lt;", 4) == 0 || strncmp(p, "&quot;", 6) == 0);
}

static void draw_and_check(int steps) {
  const char *folder = test_folder();
  History h;
  write_run(folder, steps, "{\"step\":99999,\"lo");  // torn
  ASSERT_OK(history_read(&h, folder));
  ASSERT_INT(h.loss.count, steps);
  ASSERT_INT(h.norm.count, steps >= 3 ? steps - 1 : steps);  // what is null is left out
  ASSERT_NEAR(h.heat[0], 0, 0);
  ASSERT_NEAR(h.heat[h.bins], 2, 1e-12);
  char *text;
  size_t size;
  FILE *f = open_memstream(&text, &size);
  plot_svg(&h, "run <a> & \"b\"\x01", f);
  fclose(f);
  check_well_formed(text);
  ASSERT(strstr(text, "run &lt;a> &amp; &quot;b&quot;?"));
  ASSERT(!strstr(text, "nan") && !strstr(text, "inf"));
  free(text);
  f = open_memstream(&text, &size);
  plot_text(&h, 20, 5, f);
  fclose(f);
  ASSERT(strstr(text, "loss step 1 to"));
  free(text);
  history_free(&h);
}

TEST(pages_are_well_formed_for_one_step) { draw_and_check(1); }
TEST(pages_are_well_formed_for_many_steps) { draw_and_check(3000); }

TEST(broken_histories_are_named) {
  const char *folder = test_folder();
  History h;
  ASSERT_ERR(history_read(&h, folder), ERR_IO, "metrics.jsonl");
  write_run(folder, 2, "{\"step\":1}\n");
  ASSERT_ERR(history_read(&h, folder), ERR_FORMAT, "metrics.jsonl:3: step 1 comes after step 2");
  history_free(&h);
  write_run(folder, 2, "not json\n");
  ASSERT_ERR(history_read(&h, folder), ERR_FORMAT, "metrics.jsonl:3");
  history_free(&h);
  write_run(folder, 0, "");
  ASSERT_ERR(history_read(&h, folder), ERR_STATE, "no step has been logged yet");
  history_free(&h);
}
