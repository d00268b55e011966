// Any bytes as a MindFormers file: every key gets one fate, and what is mapped can be checked as a run.
// seeds: golden/data/bad/*.yaml data/mindformers/*/*.yaml
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/import_config/import_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static Import m;
  char path[64];
  snprintf(path, sizeof path, "/tmp/fuzz_import_config.%d", (int)getpid());
  FILE *f = fopen(path, "w");
  if (!f) abort();
  fwrite(data, 1, size, f);
  fclose(f);
  if (import_init(&m, &import_mindformers, path)) abort();
  Err err = import_yaml(&m, path);
  int64_t sum = 0;
  for (int i = 0; i < IMPORT_FATES; i++) sum += m.of[i];
  if (sum != m.count || (err && !*err_text())) abort();
  if (!err) (void)run_config_check(m.run, path);
  import_free(&m);
  return 0;
}
