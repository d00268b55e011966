// DeepSeek-V3, and TeleChat3-105B-A4.7B whose files have its names: latent attention, experts chosen by sigmoid with a
// selection bias. transformers' DeepseekV3Config.
#include "model/family.h"

static const HfKey keys[] = {
    HF_NOTHING("head_dim", NULL),  // some versions write the rotary width here
    HF_TAKE("max_position_embeddings", KEY_INT, model.max_length, 4096),
    HF_TAKE("bos_token_id", KEY_TOKEN, model.bos, 0),
    HF_TAKE("eos_token_id", KEY_TOKEN, model.eos, 1),
    HF_TAKE_WRITE("q_lora_rank", KEY_COUNT, mla.q_rank, 1536, "null"),
    HF_TAKE("kv_lora_rank", KEY_INT, mla.kv_rank, 512),
    HF_TAKE("qk_nope_head_dim", KEY_INT, mla.nope, 128),
    HF_TAKE("qk_rope_head_dim", KEY_INT, mla.rope, 64),
    HF_TAKE("v_head_dim", KEY_INT, mla.v, 128),
    HF_TAKE("n_routed_experts", KEY_COUNT, moe.experts, 256),
    HF_TAKE("num_experts_per_tok", KEY_COUNT, moe.top_k, 8),
    HF_TAKE("n_shared_experts", KEY_COUNT, moe.shared, 1),
    HF_TAKE("moe_intermediate_size", KEY_COUNT, moe.ffn, 2048),
    HF_TAKE("first_k_dense_replace", KEY_COUNT, moe.first_dense, 3),
    HF_TAKE("n_group", KEY_COUNT, moe.groups, 8),
    HF_TAKE("topk_group", KEY_COUNT, moe.top_groups, 4),
    HF_TAKE("norm_topk_prob", KEY_BOOL, moe.normalise, 1),
    HF_TAKE("routed_scaling_factor", KEY_REAL, moe.scale, 2.5),
    HF_TAKE("num_nextn_predict_layers", KEY_COUNT, mtp.layers, 0),
    {"moe_layer_freq", KEY_LAYERS, 0, 0, NULL, NULL, "1", 0},
    HF_ONLY("scoring_func", "\"sigmoid\"|null", "routers of this family score by sigmoid", "\"sigmoid\""),
    HF_ONLY("topk_method", "\"noaux_tc\"|null", "experts are chosen with a selection bias", "\"noaux_tc\""),
    HF_ONLY("seq_aux", "true|null", "the balance loss here is per sequence", NULL),
    HF_ONLY("rope_interleave", "true|null", "latent attention here turns neighbouring pairs", NULL),
    HF_ONLY("mlp_bias", "false|null", "feed-forwards of this family have no biases", NULL),
    HF_NOTHING("ep_size", "1"),
    HF_NOTHING("qk_head_dim", NULL),
    HF_END};

static const FamilySet set[] = {FAMILY_SET(moe.scoring, SCORE_SIGMOID), FAMILY_SET_END};

static void finish(ModelConfig *c) {
  if (c->moe.groups == 0) c->moe.groups = 1;
  if (c->moe.top_groups == 0) c->moe.top_groups = 1;
}

const Family family_deepseek_v3 = {.architecture = "DeepseekV3ForCausalLM",
                                   .like = &family_llama,
                                   .keys = keys,
                                   .set = set,
                                   .rope = ROPES_OF_TRANSFORMERS,
                                   .gate_eps = 1e-20,
                                   .finish = finish};
