// TeleChat, TeleChat2, TeleChat2.5, T1: keys and values that alternate by head in one tensor, biases on the attention's output
// and on down_proj, rotary positions by dynamic NTK. TeleChat2-39B-A12B: experts in every layer, softmax router; its keys
// num_experts, num_experts_per_tok and norm_topk_prob are chosen here, since no config.json of it is public. TeleChat-52B, of
// the same model_type, is a Llama (model/hf_telechat_52b.h).
#include "model/family.h"

static const HfKey keys[] = {
    HF_TAKE("n_layer", KEY_INT, model.layers, HF_WANTED),
    HF_TAKE("n_head", KEY_INT, attention.heads, HF_WANTED),
    HF_TAKE("num_key_value_heads", KEY_COUNT, attention.kv_heads, 0),
    HF_TAKE("ffn_hidden_size", KEY_INT, model.ffn, HF_WANTED),
    HF_TAKE("layer_norm_epsilon", KEY_REAL, model.norm_eps, 1e-5),
    HF_TAKE("tie_word_embeddings", KEY_BOOL, model.tied, 1),
    HF_TAKE("seq_length", KEY_COUNT, model.max_length, 0),
    HF_TAKE("training_seqlen", KEY_INT, rope.original_length, 8192),
    {"base_seqlen", KEY_INT, HF_AT(rope.base_length), HF_WANTED, NULL,
     "it decides the rotary angles, and was a number in the code before it was a key: 4096 for TeleChat-7B, 8192 for "
     "TeleChat-12B; "
     "add it",
     NULL, 0},
    HF_TAKE_WRITE("num_experts", KEY_COUNT, moe.experts, 0, HF_WITH_EXPERTS),
    HF_TAKE_WRITE("num_experts_per_tok", KEY_COUNT, moe.top_k, 0, HF_WITH_EXPERTS),
    HF_TAKE_WRITE("norm_topk_prob", KEY_BOOL, moe.normalise, 1, HF_WITH_EXPERTS),
    {"torch_dtype", KEY_DTYPE, 0, 0, NULL, NULL, "\"float32\"", 0},
    HF_ONLY("apply_residual_connection_post_layernorm", "false|null", "the residual stream here is before the norm", "false"),
    HF_ONLY("n_inner", "null", "ffn_hidden_size says it", "null"),
    HF_ONLY("embed_layernorm", "false|null", "a norm after the embedding is not in any released TeleChat", NULL),
    HF_ONLY("logn", "false|null", "no published code says how the logarithm of the length scales attention", NULL),
    HF_ONLY("semi_causal", "false|null", "attention here is causal", NULL),
    HF_NOTHING("attention_softmax_in_fp32", "true"),
    HF_NOTHING("auto_map",
               "{\"AutoConfig\": \"configuration_telechat.TelechatConfig\", \"AutoModelForCausalLM\": "
               "\"modeling_telechat.TelechatForCausalLM\"}"),
    HF_NOTHING("bias_dropout_fusion", "true"),
    HF_NOTHING("flash_attn", "true"),
    HF_NOTHING("hidden_dropout", "0.0"),
    HF_NOTHING("masked_softmax_fusion", "true"),
    HF_NOTHING("offset_alibi", NULL),
    HF_NOTHING("pretraining_tp", "2"),
    HF_NOTHING("skip_bias_add", "false"),
    HF_NOTHING("skip_bias_add_qkv", "false"),
    HF_NOTHING("slow_but_exact", "false"),
    HF_NOTHING("unk_token_id", "0"),
    HF_END};

static const FamilySet set[] = {FAMILY_SET(attention.out_bias, 1),
                                FAMILY_SET(model.down_bias, 1),
                                FAMILY_SET(rope.scaling, ROPE_DYNAMIC_NTK),
                                FAMILY_SET(rope.theta, 10000),
                                FAMILY_SET(moe.scoring, SCORE_SOFTMAX),
                                FAMILY_SET(moe.scale, 1),
                                FAMILY_SET(moe.shared, 0),
                                FAMILY_SET(moe.first_dense, 0),
                                FAMILY_SET(moe.bias_rate, 0),
                                FAMILY_SET(moe.aux_loss, 0.01),
                                FAMILY_SET_END};

static const NameRule names[] = {{"model.embed_tokens", "transformer.word_embeddings"},
                                 {"model.layers.", "transformer.h."},
                                 {"model.norm.", "transformer.ln_f."},
                                 {"self_attn.q_proj", "self_attention.query"},
                                 {"self_attn.key_value", "self_attention.key_value"},
                                 {"self_attn.o_proj", "self_attention.dense"},
                                 {"mlp.gate.", "mlp.router."},
                                 {"mlp.experts.", "mlp.local_experts."},
                                 {NULL, NULL}};

static const NameRule older[] = {{"transformer.", ""}, {NULL, NULL}};  // TeleChat-7B

static void finish(ModelConfig *c) {
  if (c->model.max_length == 0) c->model.max_length = c->rope.original_length;
  if (c->moe.experts > 0) c->moe.ffn = c->model.ffn;
}

const Family family_telechat = {.architecture = "TelechatForCausalLM",
                                .keys = keys,
                                .set = set,
                                .names = names,
                                .older = older,
                                .rope = 1u << ROPE_DYNAMIC_NTK,
                                .key_value = true,
                                .gate_eps = 1e-9,
                                .finish = finish};
