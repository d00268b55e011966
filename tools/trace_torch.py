#!/usr/bin/env python3
"""Writes the activations of a model on their way, as PyTorch computes them, for `pleiad verify --trace FILE MODEL`.

    pip install torch transformers safetensors
    python3 tools/trace_torch.py MODEL FILE [--text TEXT | --ids 1,2,3] [--dtype float32]
    pleiad verify --trace FILE MODEL

MODEL is a Hugging Face folder. FILE is a safetensors file of:

    input_ids    I64 [B, T]
    hidden.0     F32 [B, T, D]  the residual stream before the first layer; hidden.N: after layer N - 1
    attended.N   F32 [B, T, D]  the residual stream between attention and MLP of layer N
    final_norm   F32 [B, T, D]  what the head multiplies
    logits       F32 [B, T, V]

and the metadata "dtype": what the model computed in. Any other program can write the same; every tensor but input_ids may be
left out. Without --text and --ids, tokens are drawn: three sequences of 24.
"""
import argparse

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer


def first(x):
    """Modules give a tensor, or a tuple that begins with it."""
    return x[0] if isinstance(x, tuple) else x


def record(model, ids):
    """Runs the model; returns what went by, by name."""
    body = model.get_decoder() if hasattr(model, "get_decoder") else model.model
    seen, hooks = {}, []

    def before_layer(n):
        def hook(_, args, kwargs):
            seen[f"hidden.{n}"] = (args[0] if args else kwargs["hidden_states"]).detach()
        return hook

    def after_attention(n):
        def hook(_, args, kwargs, output):
            seen[f"attended.{n}"] = seen[f"hidden.{n}"] + first(output).detach()
        return hook

    def keep(name):
        def hook(_, args, output):
            seen[name] = first(output).detach()
        return hook

    for n, layer in enumerate(body.layers):
        hooks.append(layer.register_forward_pre_hook(before_layer(n), with_kwargs=True))
        hooks.append(layer.self_attn.register_forward_hook(after_attention(n), with_kwargs=True))
        hooks.append(layer.register_forward_hook(keep(f"hidden.{n + 1}")))
    hooks.append(body.norm.register_forward_hook(keep("final_norm")))
    with torch.no_grad():
        seen["logits"] = model(input_ids=ids, use_cache=False).logits
    for hook in hooks:
        hook.remove()
    return seen


def main():
    parser = argparse.ArgumentParser(description="activations of a model, for pleiad verify --trace")
    parser.add_argument("model")
    parser.add_argument("file")
    parser.add_argument("--text", help="what to run through it, by the model's own tokenizer")
    parser.add_argument("--ids", help="token ids, with commas")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    args = parser.parse_args()

    model = AutoModelForCausalLM.from_pretrained(args.model, attn_implementation="eager").to(getattr(torch, args.dtype)).eval()
    if args.text:
        ids = AutoTokenizer.from_pretrained(args.model)(args.text, return_tensors="pt").input_ids
    elif args.ids:
        ids = torch.tensor([[int(x) for x in args.ids.split(",")]])
    else:
        ids = torch.randint(model.config.vocab_size, (3, 24), generator=torch.Generator().manual_seed(1))

    tensors = {name: x.float().contiguous() for name, x in record(model, ids).items()}
    tensors["input_ids"] = ids.to(torch.int64).contiguous()
    save_file(tensors, args.file, metadata={"dtype": args.dtype, "model": args.model})
    print(f"{args.file}: {len(tensors)} tensors of {ids.shape[0]} sequences of {ids.shape[1]} tokens")


if __name__ == "__main__":
    main()
