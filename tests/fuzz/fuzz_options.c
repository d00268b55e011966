// seeds: golden/data/bad/*.yaml
// Any bytes as a configuration. What is taken and written must read back to the same bits.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/options.h"

typedef struct {
  int64_t steps;
  double rate;
} Stage;

typedef struct {
  int64_t seed;
  struct {
    int64_t top_k;
    double scale;
    char name[OPTION_TEXT_BYTES];
  } moe;
  int kind;
  bool flash;
  int64_t count;
  Stage stages[3];
} Config;

static const char *const kinds[] = {"one", "two", NULL};
static const Field stage_fields[] = {
    FIELD_INT(Stage, steps, 1, 0, 100, "steps"), FIELD_REAL(Stage, rate, 0.1, -INFINITY, INFINITY, "rate"), {0}};
static const Field fields[] = {FIELD_INT(Config, seed, 1, INT64_MIN, INT64_MAX, "seed"),
                               FIELD_INT(Config, moe.top_k, 4, 1, 64, "experts"),
                               FIELD_REAL(Config, moe.scale, 1, -INFINITY, INFINITY, "scale"),
                               FIELD_TEXT(Config, moe.name, "x", "name"),
                               FIELD_ENUM(Config, kind, 0, kinds, "kind"),
                               FIELD_BOOL(Config, flash, true, "flash"),
                               FIELD_LIST(Config, stages, count, 3, stage_fields, "stages"),
                               {0}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static Config first, second;
  memset(&first, 0, sizeof first);
  Options o = {0}, again = {0};
  options_bind(&o, fields, &first);
  options_defaults(&o);
  if (options_parse(&o, (const char *)data, size, "fuzz")) {
    if (!*err_text()) abort();
    return 0;
  }
  char path[64];
  snprintf(path, sizeof path, "/tmp/fuzz_options.%ld.yaml", (long)getpid());
  memset(&second, 0, sizeof second);
  options_bind(&again, fields, &second);
  options_defaults(&again);
  for (int64_t i = first.count; i < 3; i++) first.stages[i] = (Stage){0};  // of a list that was read twice
  if (options_write(&o, path, true) || options_load(&again, path) || memcmp(&first, &second, sizeof first) != 0) {
    err_print(stderr, 1);
    abort();
  }
  unlink(path);
  return 0;
}
