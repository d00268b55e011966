// TeleChat-52B's config.json, which shares its model_type with the other TeleChats and nothing else: the class TELECHAT of the
// published modeling_telechat.py, with GPT-2's names. What it computes is Llama: RMSNorm, rotary halves, SwiGLU, no biases
// (softmax scale 1 / sqrt(head) whatever its keys say of muP and layer indices, which cancel out). Two things differ: matrices
// lie turned over and joined (names_telechat_52b.inc), and the logits are multiplied with output_mult / mup_scale_factor.
//
// Its code raises theta by 3, 7, ... from 4 097 tokens on; its configuration ends at 4 096, and so does the model here.
// Source: github Tele-AI/TeleChat-52B, models/.
#ifndef MODEL_HF_TELECHAT_52B_H
#define MODEL_HF_TELECHAT_52B_H

#include "base/json.h"

bool hf_is_telechat_52b(const json_t *hf);
// *llama: the config.json of the Llama it is, owned by the caller. ERR_CONFIG names a key that is not known, or a value that is
// not Llama's arithmetic.
Err hf_telechat_52b_as_llama(const json_t *hf, const char *where, json_t **llama);
// What the logits are multiplied with; 1 for any other configuration.
Err hf_logit_factor(const json_t *hf, const char *where, double *factor);

#endif
