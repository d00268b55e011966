#include "train/runs.h"

#include <stdlib.h>

#include "base/file.h"
#include "test.h"
#include "train/tiny.h"

char *run_text(const char *folder, const char *name) {
  char path[PATH_BYTES], *text;
  size_t size;
  ASSERT_OK(path_join(path, folder, name));
  ASSERT_OK(file_read(path, 1 << 24, &text, &size));
  return text;
}

char *run_metrics(const char *folder) {
  char *text = run_text(folder, "metrics.jsonl"), *to = text;
  for (const char *p = text; *p;) {
    const char *end = strchr(p, '\n'), *time = strstr(p, ",\"time\"");
    ASSERT(end && time && time < end);
    memmove(to, p, (size_t)(time - p));
    to += time - p;
    *to++ = '\n';
    p = end + 1;
  }
  *to = '\0';
  return text;
}

void runs_assert_same(const char *a, const char *b, int64_t step) {
  char shard[64], pa[PATH_BYTES], pb[PATH_BYTES];
  char *x = run_metrics(a), *y = run_metrics(b);
  ASSERT_TEXT(y, x);
  free(x);
  free(y);
  x = run_text(a, "experts.jsonl"), y = run_text(b, "experts.jsonl");
  ASSERT_TEXT(y, x);
  free(x);
  free(y);
  snprintf(shard, sizeof shard, "checkpoints/step-%lld/shard-0000.bin", (long long)step);
  ASSERT_OK(path_join(pa, a, shard));
  ASSERT_OK(path_join(pb, b, shard));
  FileMap fa, fb;
  ASSERT_OK(file_map(&fa, pa));
  ASSERT_OK(file_map(&fb, pb));
  ASSERT_INT(fb.size, fa.size);
  ASSERT(memcmp(fa.data, fb.data, fa.size) == 0);
  file_unmap(&fa);
  file_unmap(&fb);
}

RunConfig *tiny_config_of(const char *folder, const char *output) {
  RunConfig *c = malloc(sizeof *c);
  ASSERT(c);
  tiny_config(c, folder);
  snprintf(c->train.output, sizeof c->train.output, "%.900s/%s", folder, output);
  return c;
}
