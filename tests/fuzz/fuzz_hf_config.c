// seeds: golden/models/*/config.json model/cases/*/config.json
// seeds: data/hf/*/config.json
// Any bytes as a config.json: refused with a reason, or a model that can be counted, written, and read back to itself.
#include <stdlib.h>
#include <string.h>

#include "model/counts.h"
#include "model/hf_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_written(const ModelConfig *c) {
  json_t *hf = NULL;
  ModelConfig again;
  ModelCounts n = model_counts(c);
  if (n.total <= 0 || n.active > n.total || model_flops_token(c, 128) <= 0) abort();
  if (hf_config_make(c, DT_F32, &hf) != ERR_OK) abort();  // what was read can be written
  if (hf_config_read(hf, "written", &again) != ERR_OK) abort();
  ModelCounts m = model_counts(&again);
  if (memcmp(&n, &m, sizeof n) != 0) abort();
  json_decref(hf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  json_t *hf = NULL;
  ModelConfig c;
  Err err = json_parse(&hf, (const char *)data, size, "config.json", true);
  if (!err) err = hf_config_read(hf, "config.json", &c);
  if (err && !*err_text()) abort();
  if (!err) check_written(&c);
  json_decref(hf);
  return 0;
}
