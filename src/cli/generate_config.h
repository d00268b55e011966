// What `pleiad generate --config FILE` reads: the sampler's keys, what to open and how much to make; and, where the file has
// them, the shapes the model is expected to have.
#ifndef CLI_GENERATE_CONFIG_H
#define CLI_GENERATE_CONFIG_H

#include "base/options.h"
#include "infer/sampler.h"

typedef struct {
  SamplerConfig sampler;
  struct {
    char model[OPTION_TEXT_BYTES], tokenizer[OPTION_TEXT_BYTES];
    int64_t max_new, context;
    int dtype;  // index into opened_dtype_names
  } generate;
} GenerateConfig;

extern const Field generate_fields[];

// Binds the fields of both parts.
void generate_bind(Options *o, GenerateConfig *c);

#endif
