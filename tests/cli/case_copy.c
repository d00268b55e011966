#include "cli/case_copy.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/safetensors.h"
#include "test.h"

const char *const case_files[CASE_FILES] = {"config.json", "model.safetensors", "cases.safetensors", "grads.safetensors",
                                            "meta.json",   "train.json",        "generate.json"};

const char *case_copy(const char *name) {
  static char folder[PATH_BYTES];
  char from[PATH_BYTES + 64], to[PATH_BYTES], *bytes;
  size_t size;
  ASSERT_OK(path_join(folder, test_folder(), "copy"));
  ASSERT_OK(folder_make(folder));
  for (int i = 0; i < CASE_FILES; i++) {
    snprintf(from, sizeof from, "%s/tests/golden/cases/models/%s/%s", test_root(), name, case_files[i]);
    ASSERT_OK(path_join(to, folder, case_files[i]));
    ASSERT_OK(file_read(from, 1 << 26, &bytes, &size));
    ASSERT_OK(file_replace(to, bytes, size));
    free(bytes);
  }
  return folder;
}

void case_put_text(const char *folder, const char *file, const char *mark, const char *text, const char *with) {
  char path[PATH_BYTES], *bytes;
  size_t size;
  ASSERT_OK(path_join(path, folder, file));
  ASSERT_OK(file_read(path, 1 << 26, &bytes, &size));
  char *at = memmem(bytes, size, mark, strlen(mark));
  if (at) at = memmem(at, size - (size_t)(at - bytes), text, strlen(text));
  ASSERT_MSG(at && strlen(text) == strlen(with), "%s has no %s", path, text);
  memcpy(at, with, strlen(with));
  ASSERT_OK(file_replace(path, bytes, size));
  free(bytes);
}

void case_add_to(const char *folder, const char *file, const char *tensor, int64_t element, float by) {
  char path[PATH_BYTES], *bytes;
  size_t size;
  SafeTensors s;
  ASSERT_OK(path_join(path, folder, file));
  ASSERT_OK(safetensors_open(&s, path));
  const StTensor *t = safetensors_find(&s, tensor);
  ASSERT(t && t->type == ST_F32 && element < st_elements(t));
  size_t at = (size_t)((const uint8_t *)t->data - s.map.data) + (size_t)element * sizeof(float);
  safetensors_close(&s);
  ASSERT_OK(file_read(path, 1 << 26, &bytes, &size));
  float x;
  memcpy(&x, bytes + at, sizeof x);
  x += by;
  memcpy(bytes + at, &x, sizeof x);
  ASSERT_OK(file_replace(path, bytes, size));
  free(bytes);
}
