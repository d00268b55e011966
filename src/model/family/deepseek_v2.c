// DeepSeek-V2, -V2.5, -Coder-V2 and their Lites: DeepSeek-V3 with a softmax router without selection bias, gates that are not
// normalised, and groups of experts, if any, by the best of each.
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
    HF_TAKE("n_group", KEY_COUNT, moe.groups, 1),
    HF_TAKE("topk_group", KEY_COUNT, moe.top_groups, 1),
    {"topk_method", KEY_GROUPS, 0, 0, "\"greedy\"|\"group_limited_greedy\"|null",
     "experts of this family are chosen without a selection bias", NULL, 0},
    HF_ONLY("norm_topk_prob", "false|null", "its classes disagree about gates that are normalised and scaled", "false"),
    HF_ONLY("num_nextn_predict_layers", "0|null", "this family predicts one token", NULL),
    HF_END};

static const FamilySet set[] = {FAMILY_SET(moe.scoring, SCORE_SOFTMAX), FAMILY_SET(moe.normalise, 0),
                                FAMILY_SET(moe.group_max, 1), FAMILY_SET_END};

const Family family_deepseek_v2 = {.architecture = "DeepseekV2ForCausalLM",
                                   .like = &family_deepseek_v3,
                                   .keys = keys,
                                   .set = set,
                                   .rope = ROPES_OF_TRANSFORMERS,
                                   .gate_eps = 1e-20};
