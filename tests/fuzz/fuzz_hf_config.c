// seeds: golden/models/*/config.json
// seeds: data/hf/*/config.json
// Any bytes as a config.json: refused with a reason, or a configuration that can be written and reads back to itself.
#include <stdlib.h>
#include <string.h>

#include "model/hf_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_written(const ModelConfig *c) {
  json_t *hf = NULL;
  ModelConfig again;
  if (hf_config_make(c, DT_F32, &hf) != ERR_OK) {
    if (!*err_text()) abort();
    return;
  }
  if (hf_config_read(hf, "written", &again) != ERR_OK) abort();
  if (again.model.width != c->model.width || again.model.layers != c->model.layers || again.moe.experts != c->moe.experts)
    abort();
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
