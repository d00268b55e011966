#!/usr/bin/env python3
"""Compares a model that pleiad exports with what the transformers library computes from it.

usage: tools/check_export.py MODEL... [--latent-eps] [--dtype fp32|fp64] [--rows N] [--length N] [--new N] [--venv DIR]

MODEL is whatever `pleiad export` takes. Each is exported to a temporary folder and loaded by AutoModelForCausalLM and AutoTokenizer. Compared:
logits on random ids, then on the library's greedy continuation of them, where also the greatest logit must be that of the same token; the
ids of some texts where there is a tokenizer. Prints the greatest differences; exit code 1 if one is above its limit. --dtype is what the
library computes in.

The library's deepseek_v3 class uses 1e-6 in the norms of the latents whatever rms_norm_eps says. --latent-eps gives it the configured
value there, which is what released weights were trained with (Megatron, MindFormers and vLLM use it); without the option such a model is
expected to differ by about that much, and the script says so.

No text here begins with a space: the library's LlamaTokenizer then leaves out the space that SentencePiece puts before every text.

Not part of the tests: PyTorch and transformers are installed into DIR on first use (bench/compare.py shares it).
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))
from peers.programs import VENV, run_in  # noqa: E402

PLEIAD = ROOT / "build" / "pleiad"
TEXTS = ["Hello, world.", "The quick brown fox, 1234567.89!", "你好，世界 2024", "two  spaces\n\tand a tab", "naïve 😀 a_b__c"]


def pleiad(*args, **more):
    done = subprocess.run([str(PLEIAD), *map(str, args)], capture_output=True, **more)
    if done.returncode != 0:
        sys.exit(f"pleiad {args[0]}: " + done.stderr.decode(errors="replace").strip().splitlines()[-1])
    return done.stdout.decode()


def logits_of(model, ids, folder):
    """pleiad's logits on ids [B, T]."""
    from safetensors.torch import load_file, save_file
    save_file({"input_ids": ids.contiguous()}, folder / "ids.safetensors")
    pleiad("eval", "--model", model, "--dtype", "fp32", "--ids", folder / "ids.safetensors", "--logits", folder / "logits.safetensors")
    return load_file(folder / "logits.safetensors")["logits"]


def continue_greedily(model, ids, count):
    """ids with `count` tokens more, each the likeliest after all before it, without a cache."""
    import torch
    for _ in range(count):
        with torch.no_grad():
            ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(-1)], 1)
    return ids


def tokenizer_differences(folder, names):
    from transformers import AutoTokenizer
    if not {"tokenizer.json", "tokenizer.model"} & names:
        return None
    tokenizer = AutoTokenizer.from_pretrained(folder)
    lines = "\n".join(json.dumps({"text": t}) for t in TEXTS).encode()
    ours = [json.loads(x)["ids"] for x in pleiad("tokenize", "--tokenizer", folder, "--jsonl", input=lines).splitlines()]
    theirs = [tokenizer(t, add_special_tokens=False)["input_ids"] for t in TEXTS]
    return sum(a != b for a, b in zip(ours, theirs)) + abs(len(ours) - len(theirs))


def check(source, args):
    import torch
    from transformers import AutoModelForCausalLM
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        out = folder / "model"
        pleiad("export", source, out, "--dtype", "fp32")
        model, loading = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32, output_loading_info=True)
        model = model.to(torch.float64 if args.dtype == "fp64" else torch.float32).eval()
        config = model.config
        eps_differs = config.model_type == "deepseek_v3" and abs(config.rms_norm_eps - 1e-6) > 1e-12
        if args.latent_eps and eps_differs:
            for name, module in model.named_modules():
                if name.endswith(("q_a_layernorm", "kv_a_layernorm")):
                    module.variance_epsilon = config.rms_norm_eps
        torch.manual_seed(1)
        ids = torch.randint(0, config.vocab_size, (args.rows, args.length))
        whole = continue_greedily(model, ids, args.new)
        with torch.no_grad():
            theirs = model(whole).logits.double()
        ours = logits_of(source, whole, folder).double()
        before = args.length
        difference = (ours - theirs).abs()
        wrong = int((ours[:, before - 1:-1].argmax(-1) != whole[:, before:]).sum())
        tokens = tokenizer_differences(out, set(os.listdir(out)))
        limit = args.limit * max(1.0, float(theirs.abs().max()))
        # tensors of multi-token prediction are not in the library's class
        left = [k for k in loading["unexpected_keys"] if f"layers.{config.num_hidden_layers}." not in k]
        excused = eps_differs and not args.latent_eps
        bad = float(difference.max()) > limit or wrong or tokens or loading["missing_keys"] or left
        print(f"{source}: {config.model_type}, {args.rows} x {whole.shape[1]} ids, logits up to {float(theirs.abs().max()):.3f}: "
              f"greatest difference {float(difference[:, :before].max()):.3g} on given ids, {float(difference[:, before:].max()):.3g} on the "
              f"continuation (limit {limit:.2g}); {wrong} of {args.rows * args.new} greedy tokens differ; "
              + ("no tokenizer" if tokens is None else f"{tokens} of {len(TEXTS)} texts get other ids")
              + (f"; missing {loading['missing_keys']}" if loading["missing_keys"] else "") + (f"; left over {left}" if left else ""))
        if excused:
            print(f"  (the library uses 1e-6 in the latents' norms where this model has {config.rms_norm_eps:g}; --latent-eps compares with that)")
        return not bad


def quieten():
    from transformers.utils import logging
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", nargs="+")
    p.add_argument("--latent-eps", action="store_true")
    p.add_argument("--dtype", choices=["fp32", "fp64"], default="fp64")
    p.add_argument("--rows", type=int, default=4)
    p.add_argument("--length", type=int, default=24)
    p.add_argument("--new", type=int, default=16)
    p.add_argument("--limit", type=float, default=2e-5, help="of the greatest logit, at least of 1")
    p.add_argument("--venv", type=pathlib.Path, default=VENV)
    args = p.parse_args()
    run_in(args.venv)
    quieten()
    sys.exit(0 if all([check(m, args) for m in args.model]) else 1)


if __name__ == "__main__":
    main()
