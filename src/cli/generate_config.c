#include "cli/generate_config.h"

#include "cli/opened.h"

const Field generate_fields[] = {
    FIELD_TEXT(GenerateConfig, generate.model, "", "a run's folder, a checkpoint in it, a Hugging Face folder, or a GGUF file"),
    FIELD_TEXT(GenerateConfig, generate.tokenizer, "", "its tokenizer; empty: the one beside the model"),
    FIELD_INT(GenerateConfig, generate.max_new, 200, 0, 1 << 30, "tokens to make"),
    FIELD_INT(GenerateConfig, generate.context, 0, 0, 1 << 30, "room for prompt and answer; 0: what they need"),
    FIELD_ENUM(GenerateConfig, generate.dtype, 0, opened_dtype_names, "type of the arithmetic; int8: weights of 8 bits"),
    {0}};

void generate_bind(Options *o, GenerateConfig *c) {
  options_bind(o, sampler_fields, &c->sampler);
  options_bind(o, generate_fields, c);
}
