// Llama: what the others are described against. transformers' LlamaConfig.
#include "model/family.h"

static const HfKey keys[] = {
    HF_TAKE("intermediate_size", KEY_INT, model.ffn, HF_WANTED),
    HF_TAKE("num_hidden_layers", KEY_INT, model.layers, HF_WANTED),
    HF_TAKE("num_attention_heads", KEY_INT, attention.heads, HF_WANTED),
    HF_TAKE("num_key_value_heads", KEY_COUNT, attention.kv_heads, 0),  // 0: the heads
    HF_TAKE("head_dim", KEY_COUNT, attention.head_dim, 0),
    HF_TAKE("max_position_embeddings", KEY_INT, model.max_length, 2048),
    HF_TAKE("rms_norm_eps", KEY_REAL, model.norm_eps, 1e-6),
    HF_KIND("rope_theta", KEY_ROPE),
    HF_KIND("rope_scaling", KEY_ROPE),
    HF_KIND("rope_parameters", KEY_ROPE),
    HF_KIND("layer_types", KEY_LAYERS),
    HF_ONLY("hidden_act", "\"silu\"|\"swish\"", "feed-forwards here are SwiGLU", "\"silu\""),
    HF_TAKE_BOTH("attention_bias", KEY_BOOL, attention.qkv_bias, attention.out_bias, 0),
    HF_TAKE_BOTH("mlp_bias", KEY_BOOL, model.up_bias, model.down_bias, 0),
    HF_ONLY("partial_rotary_factor", "1|1.0|null", "the whole rotary width is turned", NULL),
    HF_ONLY("sliding_window", "null", "attention here is over the whole sequence", NULL),
    HF_ONLY("use_sliding_window", "false|null", "attention here is over the whole sequence", NULL),
    HF_ONLY("rope_interleaved", "false|null", "attention of this family turns halves", NULL),  // SmolLM
    HF_NOTHING("is_llama_config", NULL),
    HF_NOTHING("max_window_layers", NULL),
    HF_END};

const Family family_llama = {
    .architecture = "LlamaForCausalLM", .keys = keys, .rope = ROPES_OF_TRANSFORMERS, .gate_eps = 1e-20};
