// Golden models: case folders, by the comparisons of `pleiad verify`.
#include <stdio.h>
#include <string.h>

#include "cli/verify/verify.h"
#include "golden/golden.h"

// What verify reads: the weights may lie in several files.
static void note_files(GoldenCount *n, const char *folder) {
  static const char *const files[] = {"config.json", "cases.safetensors", "grads.safetensors",
                                      "meta.json",   "train.json",        "generate.json"};
  char path[PATH_BYTES], **names;
  size_t count;
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) golden_path(n, path, "%s/%s", n->folder, files[i]);
  if (!golden_ok(n, folder_list(folder, &names, &count))) return;
  for (size_t i = 0; i < count; i++)
    if (strncmp(names[i], "model", 5) == 0) golden_path(n, path, "%s/%s", n->folder, names[i]);
  names_free(names, count);
}

void golden_model(GoldenCount *n) {
  static VerifyCase v;
  char path[PATH_BYTES];
  golden_path(n, path, "%s", n->folder);
  if (!file_is_folder(path)) return;
  note_files(n, path);
  golden_ok(n, verify_run(&v, path, 1, DT_F32));
  for (int i = 0; i < v.n_lines; i++)
    if (v.line[i].failed)
      fprintf(stderr, "  golden %s: %s: off by %g (%g allowed) at %s\n", n->folder, v.line[i].what, v.line[i].error,
              v.line[i].tolerance, v.line[i].place);
  n->cases++;
  n->comparisons += v.compared;
  n->failed += v.failed;
}
