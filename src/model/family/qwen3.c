// Qwen3, dense: no biases, a norm of each head's query and key.
#include "model/family.h"

static const HfKey keys[] = {HF_TAKE("head_dim", KEY_COUNT, attention.head_dim, 128),
                             HF_ONLY("attention_bias", "false|null", "attention of this family has no biases here", "false"),
                             HF_END};

static const FamilySet set[] = {FAMILY_SET(attention.qkv_bias, 0), FAMILY_SET(attention.qk_norm, 1), FAMILY_SET_END};

const Family family_qwen3 = {.architecture = "Qwen3ForCausalLM",
                             .like = &family_qwen2,
                             .keys = keys,
                             .set = set,
                             .rope = 1u << ROPE_PLAIN | 1u << ROPE_YARN,
                             .gate_eps = 1e-20};
