// Qwen2 and Qwen2.5, dense: biases on q, k and v.
#include "model/family.h"

static const HfKey keys[] = {HF_TAKE("max_position_embeddings", KEY_INT, model.max_length, 32768),
                             HF_TAKE("bos_token_id", KEY_TOKEN, model.bos, -1),
                             HF_TAKE("eos_token_id", KEY_TOKEN, model.eos, -1),
                             HF_ONLY("use_sliding_window", "false|null", "attention here is over the whole sequence", "false"),
                             HF_ONLY("use_mrope", "false|null", "positions here are of one kind", NULL),
                             HF_NOTHING("sliding_window", NULL),  // of use_sliding_window
                             HF_ONLY("attention_bias", "true|null", "this family has biases on q, k and v", NULL),
                             HF_ONLY("mlp_bias", "false|null", "feed-forwards of this family have no biases", NULL),
                             HF_END};

static const FamilySet set[] = {FAMILY_SET(attention.qkv_bias, 1), FAMILY_SET_END};

const Family family_qwen2 = {.architecture = "Qwen2ForCausalLM",
                             .like = &family_llama,
                             .keys = keys,
                             .set = set,
                             .rope = ROPES_OF_TRANSFORMERS,
                             .gate_eps = 1e-20};
