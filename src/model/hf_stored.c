#include "model/hf_stored.h"

#include <string.h>

#include "model/hf_telechat_52b.h"

HfStored hf_stored_usual(void) { return (HfStored){.scale_block = {128, 128}, .logit_factor = 1}; }

static Err read_quantization(json_t *hf, const char *where, HfStored *stored) {
  const json_t *q = json_object_get(hf, "quantization_config"), *size = json_object_get(q, "weight_block_size");
  const char *method;
  if (!json_is_object(q)) return ERR_OK;
  TRY(json_text_or(q, "quant_method", where, "", &method));
  if (strcmp(method, "fp8") != 0) return ERR_OK;
  for (int i = 0; i < 2 && size; i++) {
    stored->scale_block[i] = json_integer_value(json_array_get(size, (size_t)i));
    CHECK(json_array_size(size) == 2 && stored->scale_block[i] > 0, ERR_CONFIG,
          "%s: \"weight_block_size\" is not two sizes of a block; only scales by block can be read", where);
  }
  stored->scaled = true;
  json_object_del(hf, "quantization_config");
  return ERR_OK;
}

Err hf_stored_read(json_t *hf, const char *where, HfStored *stored) {
  *stored = hf_stored_usual();
  TRY(read_quantization(hf, where, stored));
  return hf_logit_factor(hf, where, &stored->logit_factor);
}
