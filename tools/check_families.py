#!/usr/bin/env python3
"""Compares pleiad with the transformers library on small random models of every family that both have.

usage: tools/check_families.py [--count N] [--seed N] [--only FAMILY...] [--fast] [--keep DIR] [--venv DIR]

Each model is a random choice of what the family's config.json can say (rotary scalings in both of its layouts, biases, tied heads,
widths of heads, latents, ways to choose experts, ...), with random weights, saved by the library. Some choices are known not to be
supported: these must be refused, and the message must name the key. Of the others:

  logits   of pleiad in fp32 are those of the library in float64, on random ids and on the library's greedy continuation of them,
           within --limit of the greatest logit; and the greedy tokens are the same
  bf16     pleiad's own, rms of the difference over rms of the logits; of models without experts at most 0.05 (a choice of experts
           may turn over)
  hf       export gives the tensors back to the byte, and the library computes the same bits from the exported config.json
  gguf     export gives a file from which pleiad computes the same bits, or says what has no form there
  self     pleiad verify --self: gradients are the slopes of the loss, and more (not with --fast)

Prints a line a model; exit code 1 if one differs. Not part of the tests: PyTorch and transformers are installed into --venv on first
use (bench/compare.py shares it).
"""
import argparse
import collections
import hashlib
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))
from peers.programs import VENV, run_in  # noqa: E402
from check_export import continue_greedily, quieten  # noqa: E402

PLEIAD = ROOT / "build" / "pleiad"
VOCAB, ROWS, LENGTH, NEW, LONGEST = 61, 3, 20, 8, 64
BF16_LIMIT = 0.05


def pleiad(*args):
    """Its last line of errors, or "" when it went well."""
    done = subprocess.run([str(PLEIAD), *map(str, args)], capture_output=True, text=True)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or done.stdout.strip().splitlines() or ["no message"])[-1]


# ---- choosing a model

def rope_of(r, refuse, width):
    """The part that config.json calls rope_scaling or rope_parameters, without theta; width: columns turned in a head."""
    kind = r.choice(["default", "default", "linear", "dynamic", "yarn", "yarn", "llama3"])
    if refuse:
        kind = r.choice(["longrope", "truncate"])
    if kind == "default":
        return kind, {"rope_type": "default"}
    if kind in ("linear", "dynamic"):
        return kind, {"rope_type": kind, "factor": r.choice([1.5, 2.0, 4.0])}
    if kind == "llama3":
        return kind, {"rope_type": kind, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16}
    if kind == "longrope":
        return kind, {"rope_type": kind, "factor": 4.0, "short_factor": [1.0] * (width // 2), "long_factor": [2.0] * (width // 2), "original_max_position_embeddings": 16}
    rope = {"rope_type": "yarn", "factor": r.choice([2.0, 4.0]), "original_max_position_embeddings": 16, "beta_fast": r.choice([4.0, 8.0]), "beta_slow": 0.5}
    if kind == "truncate":
        rope["truncate"] = False
    elif r.random() < 0.3:
        rope["attention_factor"] = r.choice([0.9, 1.25])
    elif r.random() < 0.4:
        rope["mscale"], rope["mscale_all_dim"] = r.choice([(1.0, 1.0), (0.707, 0.707), (1.0, 0.707)])
    return kind, rope


def common(r):
    heads = r.choice([2, 4])
    return {"vocab_size": VOCAB, "hidden_size": 8 * heads, "intermediate_size": r.choice([36, 40]), "num_hidden_layers": r.choice([1, 2, 3]),
            "num_attention_heads": heads, "num_key_value_heads": r.choice([heads, heads // 2]), "max_position_embeddings": LONGEST,
            "rms_norm_eps": r.choice([1e-6, 1e-5]), "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": r.random() < 0.5}


def llama(r, c, refuse):
    c.update(attention_bias=r.random() < 0.5, mlp_bias=r.random() < 0.5)
    if r.random() < 0.5:
        c["head_dim"] = r.choice([8, 12])
    if refuse:
        c["hidden_act"] = "gelu"
        return ["hidden_act"]
    return []


def qwen(r, c, refuse):
    c.update(use_sliding_window=False, sliding_window=r.choice([None, 4096]), max_window_layers=r.choice([1, 28]))
    if refuse:
        c.update(use_sliding_window=True, sliding_window=8, max_window_layers=0)
        return ["use_sliding_window", "sliding_window", "layer_types"]
    return []


def qwen3(r, c, refuse):
    c.update(head_dim=r.choice([8, 12]), attention_bias=r.random() < 0.5)
    return qwen(r, c, refuse)


def deepseek(r, c):
    c.update(num_key_value_heads=c["num_attention_heads"], attention_bias=r.random() < 0.4, q_lora_rank=r.choice([None, 12]), kv_lora_rank=10,
             qk_nope_head_dim=r.choice([6, 8]), qk_rope_head_dim=8, v_head_dim=r.choice([5, 8]), n_routed_experts=8,
             num_experts_per_tok=r.choice([2, 3]), n_shared_experts=r.choice([1, 2]), moe_intermediate_size=9,
             first_k_dense_replace=r.choice([0, 1]), routed_scaling_factor=r.choice([1.0, 2.5, 16.0]))


def deepseek_v2(r, c, refuse):
    deepseek(r, c)
    c.update(topk_method="greedy", n_group=1, topk_group=1, norm_topk_prob=False)
    if r.random() < 0.6:
        c.update(topk_method="group_limited_greedy", n_group=r.choice([2, 4, 8]), topk_group=r.choice([1, 2]))
        c["topk_group"] = max(c["topk_group"], -(-c["num_experts_per_tok"] * c["n_group"] // 8))
    if refuse:
        key = r.choice(["norm_topk_prob", "mlp_bias"])
        c[key] = True
        return [key]
    return []


def deepseek_v3(r, c, refuse):
    deepseek(r, c)
    c.update(n_group=r.choice([1, 2, 4]), topk_group=1, norm_topk_prob=r.random() < 0.7, num_nextn_predict_layers=0)
    c["topk_group"] = max(1, -(-c["num_experts_per_tok"] * c["n_group"] // 8))
    if refuse:
        c["rope_interleave"] = False
        return ["rope_interleave"]
    return []


FAMILIES = {"llama": llama, "qwen2": qwen, "qwen3": qwen3, "deepseek_v2": deepseek_v2, "deepseek_v3": deepseek_v3}
Choice = collections.namedtuple("Choice", "family config rope kind old refused")


def choose(r, family):
    """A configuration; `refused`: the words of which one must be in the message that refuses it, or none."""
    c = common(r)
    what = r.choice(["nothing"] * 6 + ["rope", "key"])
    refused = FAMILIES[family](r, c, what == "key")
    kind, rope = rope_of(r, what == "rope", c.get("qk_rope_head_dim") or c.get("head_dim") or 8)
    if what == "rope":
        refused = [kind]
    return Choice(family, c, {**rope, "rope_theta": r.choice([1e4, 5e5])}, kind, r.random() < 0.5, refused)


def text_of(choice):
    c, words = choice.config, [choice.kind + (" (old keys)" if choice.old else "")]
    words += [key for key in ("attention_bias", "mlp_bias", "tie_word_embeddings", "norm_topk_prob", "use_sliding_window") if c.get(key)]
    words += [f"{key} {c[key]}" for key in ("head_dim", "hidden_act", "rope_interleave", "q_lora_rank") if key in c]
    if "n_group" in c:
        words.append(f"{c.get('topk_method', 'noaux_tc')} {c['topk_group']}/{c['n_group']}")
    words += [f"{key} {choice.rope[key]}" for key in ("attention_factor", "mscale", "truncate") if key in choice.rope]
    return ", ".join(words)


# ---- making it

def old_layout(folder, choice):
    """config.json as the library wrote it before it had rope_parameters."""
    path = folder / "config.json"
    c = json.load(open(path))
    c.pop("rope_parameters", None)
    c["rope_theta"] = choice.rope["rope_theta"]
    rope = {("type" if k == "rope_type" else k): v for k, v in choice.rope.items() if k != "rope_theta"}
    c["rope_scaling"] = None if choice.kind == "default" else rope
    json.dump(c, open(path, "w"), indent=2)


def load(folder, eps):
    """The library's model in float64; its latents' norms with the eps of the configuration, which the classes do not take."""
    import torch
    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager")
    for name, module in model.named_modules():
        if name.endswith(("q_a_layernorm", "kv_a_layernorm")):
            module.variance_epsilon = eps
    return model.double().eval()


def make(folder, choice, seed):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    config = AutoConfig.for_model(choice.family, **choice.config, rope_parameters=dict(choice.rope))
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", experts_implementation="eager")
    g = torch.Generator().manual_seed(seed)
    tensors = dict(model.named_parameters()) | {k: b for k, b in model.named_buffers() if "e_score" in k}
    with torch.no_grad():
        for name, p in tensors.items():
            std = 0.25 if p.dim() > 1 else 0.05 if "e_score" in name else 0.2
            p.copy_(torch.randn(p.shape, generator=g) * std + (1 if "norm" in name else 0))
    model.save_pretrained(folder, max_shard_size=random.Random(seed).choice(["5GB", "20KB"]))
    if choice.old:
        old_layout(folder, choice)


# ---- comparing

def eval_logits(model, ids, folder, dtype="fp32"):
    from safetensors.torch import load_file, save_file
    save_file({"input_ids": ids.contiguous()}, folder / "ids.safetensors")
    fault = pleiad("eval", "--model", model, "--dtype", dtype, "--ids", folder / "ids.safetensors", "--logits", folder / "logits.safetensors")
    return (None, fault) if fault else (load_file(folder / "logits.safetensors")["logits"].double(), "")


def tensors_of(folder):
    """The files of tensors, and which tensor is in which."""
    files = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.glob("*.safetensors")}
    return files, [json.load(open(f))["weight_map"] for f in folder.glob("*.index.json")]


def check_gguf(folder, ids, ours):
    import torch
    fault = pleiad("export", folder / "ours", folder / "m.gguf")
    if fault:
        return ("has no form" if "no form in GGUF" in fault else "FAULT " + fault), "no form in GGUF" in fault
    again, fault = eval_logits(folder / "m.gguf", ids, folder)
    same = not fault and torch.equal(again, ours)
    return ("same bits" if same else "DIFFERS " + fault), same


def compare(folder, choice, args):
    """[(what, text, good)] of one model."""
    import torch
    eps, out = choice.config["rms_norm_eps"], []
    model = load(folder / "hf", eps)
    ids = continue_greedily(model, torch.randint(0, VOCAB, (ROWS, LENGTH), generator=torch.Generator().manual_seed(args.seed)), NEW)
    with torch.no_grad():
        theirs = model(ids).logits
    ours, fault = eval_logits(folder / "ours", ids, folder)
    if fault:
        return [("logits", fault, False)]
    difference, limit = float((ours - theirs).abs().max()), args.limit * max(1.0, float(theirs.abs().max()))
    wrong = int((ours[:, LENGTH - 1:-1].argmax(-1) != ids[:, LENGTH:]).sum())
    out.append(("logits", f"{difference:.1e}" + (f" of {limit:.0e}, {wrong} tokens" if difference > limit or wrong else ""), difference <= limit and wrong == 0))
    half, fault = eval_logits(folder / "ours", ids, folder, "bf16")
    rms = float("nan") if fault else float(((half - theirs).norm() / theirs.norm()))
    out.append(("bf16", f"{rms:.3f}", rms <= BF16_LIMIT or (rms == rms and "n_routed_experts" in choice.config)))
    fault = pleiad("export", folder / "ours", folder / "back")
    same = not fault and tensors_of(folder / "back") == tensors_of(folder / "hf")
    if same:
        with torch.no_grad():
            same = torch.equal(load(folder / "back", eps)(ids).logits, theirs)
    out.append(("hf", "same bytes" if same else "DIFFERS " + fault, same))
    out.append(("gguf", *check_gguf(folder, ids, ours)))
    if not args.fast:
        fault = pleiad("verify", "--self", folder / "ours")
        out.append(("self", "ok" if not fault else fault, not fault))
    return out


def judge(folder, choice, args):
    fault = pleiad("import", folder / "hf", "--out", folder / "ours")
    if choice.refused:
        good = bool(fault) and any(word in fault for word in choice.refused)
        return "refused by name" if good else "NOT REFUSED" if not fault else "REFUSED WITHOUT NAMING IT: " + fault, good
    if fault:
        return "REFUSED: " + fault, False
    parts = compare(folder, choice, args)
    return "; ".join(f"{what} {text}" for what, text, _ in parts), all(good for _, _, good in parts)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--count", type=int, default=50)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    p.add_argument("--fast", action="store_true", help="without pleiad verify --self")
    p.add_argument("--keep", type=pathlib.Path, help="leave the folders of models that differ here")
    p.add_argument("--limit", type=float, default=2e-5, help="of the greatest logit, at least of 1")
    p.add_argument("--venv", type=pathlib.Path, default=VENV)
    args = p.parse_args()
    run_in(args.venv)
    quieten()
    faults, refused = 0, 0
    for i in range(args.count):
        family = args.only[i % len(args.only)]
        choice = choose(random.Random(f"{args.seed} {i}"), family)
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            make(folder / "hf", choice, args.seed * 1000 + i)
            text, good = judge(folder, choice, args)
            if not good and args.keep:
                shutil.copytree(folder, args.keep / f"{i}-{family}", dirs_exist_ok=True)
        faults += not good
        refused += bool(choice.refused)
        print(f"{i:3} {'ok     ' if good else 'DIFFERS'} {family:11} {text_of(choice)}\n            {text}", flush=True)
    print(f"{args.count} models: {args.count - faults} as they should be ({refused} of them to be refused), {faults} not")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
