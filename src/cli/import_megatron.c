#include "cli/import_config.h"
static const ImportRule rules[] = {{0}};
static Err nothing(Import *m) {
  (void)m;
  return ERR_OK;
}
const ImportTable import_megatron = {"megatron", rules, nothing, nothing};
Err import_arguments(Import *m, const char *text, size_t size, const char *name) {
  (void)m, (void)text, (void)size;
  FAIL(ERR_ARG, "%s: Megatron arguments are not read by this version", name);
}
