// Any bytes as a shell script of Megatron arguments: every argument gets one fate, and what is mapped can be checked as a run.
#include <stdlib.h>
#include <string.h>

#include "cli/import_config/import_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static Import m;
  if (import_init(&m, &import_megatron, "fuzz")) abort();
  Err err = import_arguments(&m, (const char *)data, size, "fuzz");
  int64_t sum = 0;
  for (int i = 0; i < IMPORT_FATES; i++) sum += m.of[i];
  if (sum != m.count || (err && !*err_text())) abort();
  if (!err) (void)run_config_check(m.run, "fuzz");
  import_free(&m);
  return 0;
}
