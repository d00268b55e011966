#!/usr/bin/env python3
"""Converts a large made-up model under a memory limit and compares the speed with the disk's.

usage: bench/convert.py FOLDER [--gigabytes G] [--memory-mib M] [--rounds N] [--gguf F16,BF16,Q8_0] [--keep]

In FOLDER (which needs room for four times G) it makes a Llama-shaped Hugging Face model of G gigabytes (8.5) in bf16, in files of 2 GB, then
  1. kills an import half way and checks that nothing lies under its name;
  2. imports it (again) and exports it, each with at most M MiB (1024) of address space, every file out of the page cache before;
  3. compares the exported files with the first, byte by byte;
  4. kills an export to GGUF half way, as above;
  5. for each type of --gguf exports to a GGUF file and imports that (in bf16), as in 2; what went through BF16 is exported and compared, tensor by tensor.
Before and after each of these it reads the same bytes and writes as many as come out, with read, write and fsync alone: the disk's
speed. 2 and 5 are done N times (1). Prints seconds and the share of that speed (disks that others use change by the minute; the
median of the rounds counts). Exit code 1 if a share is below 0.7, bytes differ or memory did not suffice.
"""
import argparse
import filecmp
import json
import math
import os
import pathlib
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import time

PLEIAD = pathlib.Path(__file__).resolve().parent.parent / "build" / "pleiad"
WIDTH, FFN, HEADS, VOCAB, SHARD_BYTES, BLOCK = 4096, 11008, 32, 32000, 2_000_000_000, 1 << 20


def tensors(layers):
    yield "model.embed_tokens.weight", [VOCAB, WIDTH]
    for i in range(layers):
        p = f"model.layers.{i}."
        yield p + "input_layernorm.weight", [WIDTH]
        yield p + "post_attention_layernorm.weight", [WIDTH]
        for name in "qkvo":
            yield f"{p}self_attn.{name}_proj.weight", [WIDTH, WIDTH]
        yield p + "mlp.gate_proj.weight", [FFN, WIDTH]
        yield p + "mlp.up_proj.weight", [FFN, WIDTH]
        yield p + "mlp.down_proj.weight", [WIDTH, FFN]
    yield "model.norm.weight", [WIDTH]
    yield "lm_head.weight", [VOCAB, WIDTH]


def size(shape):
    return 2 * math.prod(shape)


def make_model(folder, wanted):
    """Finite bf16 numbers, different in every block; a file's tensors in the order of their names."""
    folder.mkdir()
    layers = 1
    while sum(size(s) for _, s in tensors(layers)) < wanted:
        layers += 1
    files, used = [[]], 0
    for name, shape in tensors(layers):
        if used and used + size(shape) > SHARD_BYTES:
            files.append([])
            used = 0
        files[-1].append((name, shape))
        used += size(shape)
    noise = bytearray(random.Random(1).randbytes(BLOCK))
    noise[1::2] = bytes(0x38 | (b & 0x83) for b in noise[1::2])  # exponents of small numbers, signs as they come
    weight_map = {}
    for i, content in enumerate(files):
        file = f"model-{i + 1:05d}-of-{len(files):05d}.safetensors"
        header, at = {"__metadata__": {"format": "pt"}}, 0
        for name, shape in sorted(content):
            header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size(shape)]}
            weight_map[name] = file
            at += size(shape)
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(folder / file, "wb") as f:
            f.write(len(text).to_bytes(8, "little") + text)
            for block in range(0, at, BLOCK):
                noise[0:8:2] = (block // BLOCK + i * 12345).to_bytes(4, "little")
                f.write(noise[: min(BLOCK, at - block)])
            f.flush()
            os.fsync(f.fileno())
    total = sum(size(s) for _, s in tensors(layers))
    # the order of the keys that `export` writes
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}))
    (folder / "config.json").write_text(json.dumps({
        "model_type": "llama", "vocab_size": VOCAB, "hidden_size": WIDTH, "intermediate_size": FFN, "num_hidden_layers": layers,
        "num_attention_heads": HEADS, "num_key_value_heads": HEADS, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16"}))
    return total


def forget(folder):
    """Out of the page cache."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            fd = os.open(path, os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def files_of(path):
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def bytes_of(path):
    return sum(p.stat().st_size for p in files_of(path))


def copy(source, target, wanted):
    """Reads all of `source` and writes `wanted` bytes, in step."""
    target.mkdir()
    begin = time.monotonic()
    share, due = wanted / bytes_of(source), 0.0
    for path in files_of(source):
        with open(path, "rb", buffering=0) as f, open(target / path.name, "wb", buffering=0) as g:
            while block := f.read(BLOCK):
                due += share * len(block)
                while due >= 1:
                    due -= g.write(block[: int(due)])
            os.fsync(g.fileno())
    return time.monotonic() - begin, 0


def start(args, memory_mib):
    limit = memory_mib << 20
    return subprocess.Popen([str(PLEIAD), *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))


def convert(args, memory_mib):
    begin = time.monotonic()
    process = start(args, memory_mib)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begin
    if status != 0:
        sys.exit(f"pleiad {args[0]}: {process.stderr.read().strip().splitlines()[-1]}")
    return seconds, usage.ru_maxrss / 1024


def kill_half_way(args, target, memory_mib, total):
    """Whether the conversion, killed, leaves nothing under its name."""
    process = start(args, memory_mib)

    def written():
        return sum(p.stat().st_size for aside in target.parent.glob(target.name + ".tmp*") for p in files_of(aside))

    while process.poll() is None and written() < total / 2:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    ok = not target.exists() and written() > 0
    print(f"{args[0]} killed half way: " + ("nothing under its name" if ok else "WRONG: the name is there"), flush=True)
    return ok


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def timed(name, run, work, target):
    """Seconds of `run`, which makes `target`."""
    remove(target)
    forget(work)
    seconds, memory = run()
    print(f"  {name}: {seconds:.1f} s" + (f", {memory:.0f} MiB resident at most" if memory else ""), flush=True)
    return seconds


class Measure:
    """Conversions, each between two copies of as many bytes."""

    def __init__(self, work, memory_mib):
        self.work, self.memory_mib, self.shares, self.before = work, memory_mib, {}, None

    def copy(self, source, wanted):
        target = self.work / "copy"
        seconds = timed(f"copy of {wanted / 1e9:.1f} GB", lambda: copy(source, target, wanted), self.work, target)
        remove(target)
        return seconds

    def convert(self, name, args, source, target, wanted):
        key = (source, wanted)
        before = self.before[1] if self.before and self.before[0] == key else self.copy(source, wanted)
        seconds = timed(name, lambda: convert(args, self.memory_mib), self.work, target)
        after = self.copy(source, wanted)
        self.before = (key, after)
        self.shares.setdefault(name, []).append((before + after) / 2 / seconds)

    def report(self):
        for name, share in self.shares.items():
            print(f"{name}: {statistics.median(share):.2f} of the disk's speed")
        return all(statistics.median(share) >= 0.7 for share in self.shares.values())


def hugging_face(measure, args, work, model, ours, total):
    """Whether what comes out is what went in."""
    out = work / "exported"
    for _ in range(args.rounds):
        measure.convert("import", ["import", model, "--out", ours], model, ours, total)
        measure.convert("export", ["export", ours, out], ours, out, total)
    same = all(filecmp.cmp(f, out / f.name, shallow=False) for f in model.glob("*.safetensors"))
    print("exported files " + ("are the same bytes" if same else "DIFFER"))
    remove(out)
    return same


def contents(folder):
    """(file, begin, end) of each tensor's bytes."""
    out = {}
    for path in folder.glob("*.safetensors"):
        with open(path, "rb") as f:
            size = int.from_bytes(f.read(8), "little")
            header = json.loads(f.read(size))
        for name, t in header.items():
            if name != "__metadata__":
                out[name] = (path, *(8 + size + at for at in t["data_offsets"]))
    return out


def same_tensors(a, b):
    x, y = contents(a), contents(b)
    if x.keys() != y.keys():
        return False
    for name, (path, begin, end) in x.items():
        other, at, _ = y[name]
        with open(path, "rb") as f, open(other, "rb") as g:
            f.seek(begin)
            g.seek(at)
            for block in range(begin, end, BLOCK):
                n = min(BLOCK, end - block)
                if f.read(n) != g.read(n):
                    return False
    return True


def gguf(measure, args, work, model, ours, total):
    bits = {"F32": 32, "F16": 16, "BF16": 16, "Q8_0": 8.5, "Q4_0": 4.5, "Q4_K": 4.5, "Q6_K": 6.5625}
    ok = True
    file, back, out = work / "model.gguf", work / "back", work / "exported"
    for dtype in args.gguf.split(","):
        wanted = int(total * bits[dtype] / 16)
        for _ in range(args.rounds):
            measure.convert(f"export {dtype}", ["export", ours, file, "--dtype", dtype], ours, file, wanted)
            measure.convert(f"import {dtype}", ["import", file, "--out", back, "--dtype", "bf16"], file, back, total)
        remove(file)
        if dtype == "BF16":
            convert(["export", back, out], args.memory_mib)
            same = same_tensors(model, out)
            print("what went through BF16 " + ("is the same" if same else "DIFFERS"), flush=True)
            ok = ok and same
            remove(out)
        remove(back)
    return ok


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=pathlib.Path)
    p.add_argument("--gigabytes", type=float, default=8.5)
    p.add_argument("--memory-mib", type=int, default=1024)
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--gguf", default="F16,BF16,Q8_0", help="types; none: leave GGUF out")
    p.add_argument("--keep", action="store_true", help="leave the files")
    args = p.parse_args()
    work = args.folder / "pleiad-convert"
    work.mkdir(parents=True)
    model, ours, measure = work / "model", work / "imported", Measure(work, args.memory_mib)
    try:
        total = make_model(model, args.gigabytes * 1e9)
        print(f"{total / 1e9:.2f} GB in {len(list(model.glob('*.safetensors')))} files; limit {args.memory_mib} MiB of address space")
        ok = kill_half_way(["import", model, "--out", ours], ours, args.memory_mib, total)
        ok = hugging_face(measure, args, work, model, ours, total) and ok
        if args.gguf != "none":
            ok = kill_half_way(["export", ours, work / "model.gguf"], work / "model.gguf", args.memory_mib, total) and ok
            ok = gguf(measure, args, work, model, ours, total) and ok
        ok = measure.report() and ok
        sys.exit(0 if ok else 1)
    finally:
        if not args.keep:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
