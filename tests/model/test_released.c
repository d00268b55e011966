// The config.json files of released models, shortened to what they say about the model, and how many parameters those have.
#include <math.h>

#include "model/counts.h"
#include "model/hf_config.h"
#include "model/hf_telechat_52b.h"
#include "test.h"

typedef struct {
  const char *name, *config;
  int64_t total, active, mtp;  // active 0: as total
} Released;

static const Released released[] = {
    {"Qwen2.5-0.5B",
     "{'architectures':['Qwen2ForCausalLM'],'attention_dropout':0.0,'bos_token_id':151643,'eos_token_id':151643,'hidden_act':'"
     "silu',"
     "'hidden_size':896,'initializer_range':0.02,'intermediate_size':4864,'max_position_embeddings':32768,'max_window_layers':"
     "24,"
     "'model_type':'qwen2','num_attention_heads':14,'num_hidden_layers':24,'num_key_value_heads':2,'rms_norm_eps':1e-06,"
     "'rope_theta':1000000.0,'sliding_window':32768,'tie_word_embeddings':true,'torch_dtype':'bfloat16','use_cache':true,"
     "'use_mrope':false,'use_sliding_window':false,'vocab_size':151936}",
     494032768, 0, 0},
    {"Qwen3-0.6B",
     "{'architectures':['Qwen3ForCausalLM'],'attention_bias':false,'attention_dropout':0.0,'bos_token_id':151643,"
     "'eos_token_id':151645,'head_dim':128,'hidden_act':'silu','hidden_size':1024,'initializer_range':0.02,'intermediate_size':"
     "3072,"
     "'max_position_embeddings':40960,'max_window_layers':28,'model_type':'qwen3','num_attention_heads':16,'num_hidden_layers':"
     "28,"
     "'num_key_value_heads':8,'rms_norm_eps':1e-06,'rope_scaling':null,'rope_theta':1000000,'sliding_window':null,"
     "'tie_word_embeddings':true,'torch_dtype':'bfloat16','use_cache':true,'use_sliding_window':false,'vocab_size':151936}",
     596049920, 0, 0},
    {"Llama-3.2-1B",
     "{'architectures':['LlamaForCausalLM'],'attention_bias':false,'attention_dropout':0.0,'bos_token_id':128000,'eos_token_id'"
     ":128001,"
     "'head_dim':64,'hidden_act':'silu','hidden_size':2048,'initializer_range':0.02,'intermediate_size':8192,"
     "'max_position_embeddings':131072,'mlp_bias':false,'model_type':'llama','num_attention_heads':32,'num_hidden_layers':16,"
     "'num_key_value_heads':8,'pretraining_tp':1,'rms_norm_eps':1e-05,'rope_scaling':{'factor':32.0,'high_freq_factor':4.0,"
     "'low_freq_factor':1.0,'original_max_position_embeddings':8192,'rope_type':'llama3'},'rope_theta':500000.0,"
     "'tie_word_embeddings':true,'torch_dtype':'bfloat16','use_cache':true,'vocab_size':128256}",
     1235814400, 0, 0},
    {"SmolLM2-135M",
     "{'architectures':['LlamaForCausalLM'],'attention_bias':false,'attention_dropout':0.0,'bos_token_id':0,'eos_token_id':0,"
     "'hidden_act':'silu','hidden_size':576,'initializer_range':0.041666666666666664,'intermediate_size':1536,"
     "'is_llama_config':true,'max_position_embeddings':8192,'model_type':'llama','num_attention_heads':9,'num_hidden_layers':"
     "30,"
     "'num_key_value_heads':3,'pretraining_tp':1,'rms_norm_eps':1e-05,'rope_interleaved':false,'rope_scaling':null,"
     "'rope_theta':100000,'tie_word_embeddings':true,'torch_dtype':'bfloat16','use_cache':true,'vocab_size':49152}",
     134515008, 0, 0},
    {"DeepSeek-V2-Lite",
     "{'architectures':['DeepseekV2ForCausalLM'],'attention_bias':false,'attention_dropout':0.0,'aux_loss_alpha':0.001,"
     "'bos_token_id':100000,'eos_token_id':100001,'first_k_dense_replace':1,'hidden_act':'silu','hidden_size':2048,"
     "'initializer_range':0.02,'intermediate_size':10944,'kv_lora_rank':512,'max_position_embeddings':163840,"
     "'model_type':'deepseek_v2','moe_intermediate_size':1408,'moe_layer_freq':1,'n_group':1,'n_routed_experts':64,"
     "'n_shared_experts':2,'norm_topk_prob':false,'num_attention_heads':16,'num_experts_per_tok':6,'num_hidden_layers':27,"
     "'num_key_value_heads':16,'pretraining_tp':1,'q_lora_rank':null,'qk_nope_head_dim':128,'qk_rope_head_dim':64,"
     "'rms_norm_eps':1e-06,'rope_scaling':{'beta_fast':32,'beta_slow':1,'factor':40,'mscale':0.707,'mscale_all_dim':0.707,"
     "'original_max_position_embeddings':4096,'type':'yarn'},'rope_theta':10000,'routed_scaling_factor':1.0,"
     "'scoring_func':'softmax','seq_aux':true,'tie_word_embeddings':false,'topk_group':1,'topk_method':'greedy',"
     "'torch_dtype':'bfloat16','use_cache':true,'v_head_dim':128,'vocab_size':102400}",
     15706484224, 2661150208, 0},
    {"DeepSeek-V2-Chat",
     "{'architectures':['DeepseekV2ForCausalLM'],'attention_bias':false,'attention_dropout':0.0,'aux_loss_alpha':0.001,"
     "'bos_token_id':100000,'eos_token_id':100001,'ep_size':1,'first_k_dense_replace':1,'hidden_act':'silu','hidden_size':5120,"
     "'initializer_range':0.02,'intermediate_size':12288,'kv_lora_rank':512,'max_position_embeddings':163840,"
     "'model_type':'deepseek_v2','moe_intermediate_size':1536,'moe_layer_freq':1,'n_group':8,'n_routed_experts':160,"
     "'n_shared_experts':2,'norm_topk_prob':false,'num_attention_heads':128,'num_experts_per_tok':6,'num_hidden_layers':60,"
     "'num_key_value_heads':128,'pretraining_tp':1,'q_lora_rank':1536,'qk_nope_head_dim':128,'qk_rope_head_dim':64,"
     "'rms_norm_eps':1e-06,'rope_scaling':{'beta_fast':32,'beta_slow':1,'factor':40,'mscale':1.0,'mscale_all_dim':1.0,"
     "'original_max_position_embeddings':4096,'type':'yarn'},'rope_theta':10000,'routed_scaling_factor':16.0,"
     "'scoring_func':'softmax','seq_aux':true,'tie_word_embeddings':false,'topk_group':3,'topk_method':'group_limited_greedy',"
     "'torch_dtype':'bfloat16','use_cache':true,'v_head_dim':128,'vocab_size':102400}",
     235741434880, 21375800320, 0},
    {"DeepSeek-V3",
     "{'architectures':['DeepseekV3ForCausalLM'],'attention_bias':false,'attention_dropout':0.0,'bos_token_id':0,'eos_token_id'"
     ":1,"
     "'ep_size':1,'first_k_dense_replace':3,'hidden_act':'silu','hidden_size':7168,'initializer_range':0.02,"
     "'intermediate_size':18432,'kv_lora_rank':512,'max_position_embeddings':163840,'model_type':'deepseek_v3',"
     "'moe_intermediate_size':2048,'moe_layer_freq':1,'n_group':8,'n_routed_experts':256,'n_shared_experts':1,"
     "'norm_topk_prob':true,'num_attention_heads':128,'num_experts_per_tok':8,'num_hidden_layers':61,'num_key_value_heads':128,"
     "'num_nextn_predict_layers':1,'q_lora_rank':1536,'qk_nope_head_dim':128,'qk_rope_head_dim':64,'rms_norm_eps':1e-06,"
     "'rope_scaling':{'beta_fast':32,'beta_slow':1,'factor':40,'mscale':1.0,'mscale_all_dim':1.0,"
     "'original_max_position_embeddings':4096,'type':'yarn'},'rope_theta':10000,'routed_scaling_factor':2.5,"
     "'scoring_func':'sigmoid','tie_word_embeddings':false,'topk_group':4,'topk_method':'noaux_tc','torch_dtype':'bfloat16',"
     "'use_cache':true,'v_head_dim':128,'vocab_size':129280}",
     671026404352, 37552282624, 11610067968},
    {"TeleChat3-36B-Thinking",
     "{'architectures':['Telechat3ForCausalLM'],'attention_bias':false,'attention_dropout':0.0,'bos_token_id':1,'eos_token_id':"
     "2,"
     "'head_dim':128,'hidden_act':'silu','hidden_size':6144,'initializer_range':0.0048,'intermediate_size':24576,"
     "'max_position_embeddings':32768,'mlp_bias':false,'model_type':'telechat3','num_attention_heads':48,'num_hidden_layers':"
     "64,"
     "'num_key_value_heads':8,'pad_token_id':3,'rms_norm_eps':1e-05,'rope_scaling':{'beta_fast':32,'beta_slow':1,'factor':4.0,"
     "'original_max_position_embeddings':8192,'rope_type':'telechat3-yarn','type':'telechat3-yarn'},'rope_theta':1000000.0,"
     "'tie_word_embeddings':false,'torch_dtype':'bfloat16','use_cache':true,'vocab_size':131072}",
     36239579136, 0, 0},
};
enum { N_RELEASED = sizeof released / sizeof released[0] };

// JSON written with ' for ".
static json_t *parse(const char *config) {
  char text[2048];
  size_t n = strlen(config);
  ASSERT(n < sizeof text);
  for (size_t i = 0; i <= n; i++) text[i] = config[i] == '\'' ? '"' : config[i];
  json_t *root;
  ASSERT_OK(json_parse(&root, text, n, "test", true));
  return root;
}

TEST(released_configurations_have_the_known_counts) {
  for (int i = 0; i < N_RELEASED; i++) {
    const Released *r = &released[i];
    ModelConfig c, back;
    json_t *hf = parse(r->config), *made;
    ASSERT_OK(hf_config_read(hf, r->name, &c));
    ModelCounts n = model_counts(&c);
    ASSERT_MSG(n.total == r->total && n.active == (r->active ? r->active : r->total) && n.mtp == r->mtp,
               "%s: %lld parameters, %lld active, %lld mtp", r->name, (long long)n.total, (long long)n.active,
               (long long)n.mtp);
    ASSERT_OK(hf_config_make(&c, DT_BF16, &made));
    ASSERT_OK(hf_config_read(made, r->name, &back));
    ModelCounts m = model_counts(&back);
    ASSERT(memcmp(&n, &m, sizeof n) == 0 && c.rope.scaling == back.rope.scaling && c.rope.factor == back.rope.factor);
    json_decref(hf);
    json_decref(made);
  }
}

// TeleChat-7B says tie_word_embeddings by leaving it out, and base_seqlen nowhere but in its code.
static const char telechat_7b[] =
    "{'apply_residual_connection_post_layernorm':false,'architectures':['TelechatForCausalLM'],'attention_dropout':0.1,"
    "'attention_softmax_in_fp32':true,'bias_dropout_fusion':true,'bos_token_id':1,'eos_token_id':2,'hidden_dropout':0.1,"
    "'hidden_size':4096,'initializer_range':0.02,'layer_norm_epsilon':1e-05,'masked_softmax_fusion':true,'model_type':'"
    "telechat',"
    "'n_head':32,'n_inner':null,'n_layer':30,'pad_token_id':3,'seq_length':8192,'skip_bias_add':true,'skip_bias_add_qkv':false,"
    "'slow_but_exact':false,'transformers_version':'4.30.0','unk_token_id':0,'use_cache':true,'vocab_size':160256,"
    "'ffn_hidden_size':12288,'flash_attn':true,'training_seqlen':8192,'embed_layernorm':false}";

TEST(telechat_1_is_read_when_its_unsaid_number_is_added) {
  ModelConfig c;
  json_t *hf = parse(telechat_7b);
  ASSERT_ERR(hf_config_read(hf, "7B", &c), ERR_CONFIG, "base_seqlen");
  ASSERT(strstr(err_text(), "4096 for TeleChat-7B"));
  json_object_set_new(hf, "base_seqlen", json_integer(4096));
  ASSERT_OK(hf_config_read(hf, "7B", &c));
  ASSERT_INT(model_counts(&c).total, 14400036864 / 2);
  ASSERT(c.model.tied && c.attention.out_bias && c.model.down_bias);
  double inv_freq[64], factor;
  RotarySpec spec = {.d = 128, .theta = 10000, .scaling = ROPE_DYNAMIC_NTK, .original_length = 8192, .base_length = 4096};
  spec.length = c.model.max_length;
  rotary_frequencies(&spec, inv_freq, &factor);
  ASSERT_NEAR(factor, 1, 0);
  ASSERT_NEAR(inv_freq[63], pow(10000 * pow(3, 128.0 / 126), -126.0 / 128), 1e-15);  // 2^2 - 1 at twice the base
  json_object_set_new(hf, "logn", json_true());
  ASSERT_ERR(hf_config_read(hf, "7B", &c), ERR_CONFIG, "logn");
  json_object_set_new(hf, "logn", json_false());
  json_object_set_new(hf, "embed_layernorm", json_true());
  ASSERT_ERR(hf_config_read(hf, "7B", &c), ERR_CONFIG, "embed_layernorm");
  json_decref(hf);
}

TEST(telechat_52b_is_a_llama) {
  ModelConfig c;
  double factor;
  json_t *hf = parse(
      "{'activation_function':'silu','add_bias_linear':false,'attn_pdrop':0.0,'enable_flash_attn':true,'input_mult':1.0,"
      "'layer_norm_epsilon':1e-05,'model_type':'telechat','mup_scale_factor':32.0,'n_embd':8192,'n_head':64,'n_inner':21824,"
      "'n_layer':64,'n_positions':4096,'output_mult':1.0,'relative_encoding':'rotary','rotary_theta':10000,"
      "'rotary_use_xpos':false,'scale_attn_weights':true,'tie_word_embeddings':false,'use_RMSNorm':true,'use_mup':true,"
      "'vocab_size':80896}");
  ASSERT_OK(hf_config_read(hf, "52B", &c));
  ASSERT_INT(c.model.family, FAMILY_LLAMA);
  ASSERT(c.model.width == 8192 && c.model.ffn == 21824 && c.model.layers == 64 && c.attention.kv_heads == 64 && !c.model.tied);
  ASSERT_OK(hf_logit_factor(hf, "52B", &factor));
  ASSERT_NEAR(factor, 1.0 / 32, 0);
  static const struct {
    const char *key, *value, *message;
  } bad[] = {{"activation_function", "\"gelu_new\"", "\"activation_function\" is \"gelu_new\"; of TeleChat-52B only \"silu\""},
             {"rotary_use_xpos", "true", "scales queries and keys by position"},
             {"add_bias_linear", "true", "no released model of this class has biases"},
             {"use_RMSNorm", "null", "\"use_RMSNorm\" is null"},
             {"mup_scale_factor", "0", "must be positive"},
             {"n_layers", "3", "\"n_layers\" is not a known key of TeleChat-52B"}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    json_t *changed = json_deep_copy(hf);
    json_object_set_new(changed, bad[i].key, json_loads(bad[i].value, JSON_DECODE_ANY, NULL));
    ASSERT_ERR(hf_config_read(changed, "52B", &c), ERR_CONFIG, bad[i].message);
    json_decref(changed);
  }
  json_object_del(hf, "relative_encoding");
  ASSERT_ERR(hf_config_read(hf, "52B", &c), ERR_CONFIG, "\"relative_encoding\" is missing");
  json_decref(hf);
}
