#include "golden/golden_models.h"

#include <stdio.h>

#include "base/file.h"
#include "cli/verify.h"

static void run_case(GoldenCount *count, const char *path) {
  static VerifyCase v;
  Err err = verify_run(&v, path, 0);
  if (err) fprintf(stderr, "  golden models: %s\n", err_text());
  if (v.not_read_yet) fprintf(stderr, "  models/%s: not read yet: %s\n", v.name, v.not_read_yet);
  if (v.not_read_yet) return;
  for (int i = 0; i < v.n_lines; i++)
    if (v.line[i].failed)
      fprintf(stderr, "  models/%s: %s: %g at %s\n", v.name, v.line[i].what, v.line[i].error, v.line[i].place);
  count->cases++;
  count->comparisons += v.compared + (err != ERR_OK);
  count->failed += v.failed + (err != ERR_OK);
}

GoldenCount golden_models(const char *models) {
  GoldenCount count = {.folder = "models"};
  char **names, path[PATH_BYTES];
  size_t n;
  if (folder_list(models, &names, &n) != ERR_OK) return count;
  for (size_t i = 0; i < n; i++)
    if (path_join(path, models, names[i]) == ERR_OK && verify_is_case(path)) run_case(&count, path);
  names_free(names, n);
  return count;
}
