// Qwen3, dense: biases of attention all or none, a norm of each head's query and key.
#include "model/family.h"

static const HfKey keys[] = {HF_TAKE("head_dim", KEY_COUNT, attention.head_dim, 128),
                             HF_TAKE_BOTH("attention_bias", KEY_BOOL, attention.qkv_bias, attention.out_bias, 0), HF_END};

static const FamilySet set[] = {FAMILY_SET(attention.qk_norm, 1), FAMILY_SET_END};

const Family family_qwen3 = {.architecture = "Qwen3ForCausalLM",
                             .like = &family_qwen2,
                             .keys = keys,
                             .set = set,
                             .rope = ROPES_OF_TRANSFORMERS,
                             .gate_eps = 1e-20};
