// What a config.json says of how its weights are stored, beside the model's configuration.
//
// Codes of 8 bits with a scale for each block are read (`quantization_config` of DeepSeek-V3); what else a quantization_config
// speaks of is left in the object, for the configuration's reader to refuse. Errors: ERR_CONFIG or ERR_FORMAT, with `where`.
#ifndef MODEL_HF_STORED_H
#define MODEL_HF_STORED_H

#include "base/json.h"

typedef struct {
  bool scaled;             // 8-bit codes have scales; else they may have
  int64_t scale_block[2];  // rows and columns that share one
  double logit_factor;     // goes into the last norm's weight, which the head multiplies (hf_telechat_52b.h)
} HfStored;

// Where there is no config.json.
HfStored hf_stored_usual(void);
// Takes what it understands of quantization_config out of `hf`.
Err hf_stored_read(json_t *hf, const char *where, HfStored *stored);

#endif
