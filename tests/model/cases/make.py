#!/usr/bin/env python3
# Small models with random weights and their logits, computed in float64 by Hugging Face transformers from the fp32 weights that
# are written: make.py FOLDER. Needs torch, transformers (5.23 made what is here) and safetensors.
import os
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

torch.set_default_dtype(torch.float64)

common = dict(vocab_size=61, hidden_size=24, intermediate_size=36, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
              max_position_embeddings=64, rms_norm_eps=1e-6, bos_token_id=1, eos_token_id=2, pad_token_id=3, tie_word_embeddings=False)
cases = {
    "qwen2": ("qwen2", dict(rope_theta=1e6, tie_word_embeddings=True, use_sliding_window=False)),
    "qwen3": ("qwen3", dict(head_dim=8, rope_theta=1e6)),
    "llama3": ("llama", dict(head_dim=6, rope_theta=5e5,
                             rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                               original_max_position_embeddings=16))),
    "llama_biases": ("llama", dict(attention_bias=True, mlp_bias=True, rope_scaling=dict(rope_type="linear", factor=2.5))),
    "deepseek_v2_groups": ("deepseek_v2", dict(num_key_value_heads=4, attention_bias=True, q_lora_rank=14, kv_lora_rank=10,
                                               qk_nope_head_dim=6, qk_rope_head_dim=4, v_head_dim=5, n_routed_experts=8,
                                               num_experts_per_tok=3, n_shared_experts=1, moe_intermediate_size=9,
                                               first_k_dense_replace=0, topk_method="group_limited_greedy", n_group=4, topk_group=2,
                                               norm_topk_prob=False, routed_scaling_factor=16.0)),
    "deepseek_v2": ("deepseek_v2", dict(num_key_value_heads=4, q_lora_rank=None, kv_lora_rank=10, qk_nope_head_dim=6,
                                        qk_rope_head_dim=4, v_head_dim=5, n_routed_experts=6, num_experts_per_tok=2,
                                        n_shared_experts=2, moe_intermediate_size=9, first_k_dense_replace=1, topk_method="greedy",
                                        n_group=1, topk_group=1, norm_topk_prob=False, routed_scaling_factor=1.5,
                                        rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16,
                                                          beta_fast=4, beta_slow=0.5, mscale=0.707, mscale_all_dim=0.707))),
}

for name, (model_type, own) in cases.items():
    config = AutoConfig.for_model(model_type, **{**common, **own})
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", experts_implementation="eager").double().eval()
    random = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for parameter, p in model.named_parameters():
            x = torch.randn(p.shape, generator=random) * (0.25 if p.dim() > 1 else 0.2) + (1 if "norm" in parameter else 0)
            p.copy_(x.float().double())
        ids = torch.randint(4, 61, (2, 40), generator=random)
        logits = model(input_ids=ids).logits
    folder = os.path.join(sys.argv[1], name)
    model.float().save_pretrained(folder)
    save_file({"input_ids": ids, "logits": logits.float().contiguous()}, os.path.join(folder, "logits.safetensors"))
    os.remove(os.path.join(folder, "generation_config.json"))
