// DeepSeek-V2 and -V2-Lite: DeepSeek-V3 with a softmax router without selection bias, and gates that are not normalised.
#include "model/family.h"

static const HfKey keys[] = {
    HF_TAKE("max_position_embeddings", KEY_INT, model.max_length, 2048),
    HF_TAKE("n_routed_experts", KEY_COUNT, moe.experts, 0),
    HF_TAKE("num_experts_per_tok", KEY_COUNT, moe.top_k, 0),
    HF_TAKE("n_shared_experts", KEY_COUNT, moe.shared, 0),
    HF_TAKE("moe_intermediate_size", KEY_COUNT, moe.ffn, 1407),
    HF_TAKE("first_k_dense_replace", KEY_COUNT, moe.first_dense, 0),
    HF_TAKE("routed_scaling_factor", KEY_REAL, moe.scale, 1),
    HF_ONLY("scoring_func", "\"softmax\"|null", "routers of this family score by softmax", "\"softmax\""),
    HF_ONLY("topk_method", "\"greedy\"|null",
            "the 236 B model's group_limited_greedy scores a group by its best expert, which no router here does",
            "\"greedy\""),
    HF_NOTHING("n_group", "1"),  // of group_limited_greedy
    HF_NOTHING("topk_group", "1"),
    HF_ONLY("norm_topk_prob", "false|null", "its classes disagree about gates that are normalised and scaled", "false"),
    HF_ONLY("num_nextn_predict_layers", "0|null", "this family predicts one token", NULL),
    HF_END};

static const FamilySet set[] = {FAMILY_SET(moe.scoring, SCORE_SOFTMAX), FAMILY_SET(moe.normalise, 0), FAMILY_SET(moe.groups, 1),
                                FAMILY_SET(moe.top_groups, 1), FAMILY_SET_END};

const Family family_deepseek_v2 = {.architecture = "DeepseekV2ForCausalLM",
                                   .like = &family_deepseek_v3,
                                   .keys = keys,
                                   .set = set,
                                   .rope = 1u << ROPE_PLAIN | 1u << ROPE_YARN,
                                   .gate_eps = 1e-20};
