#!/usr/bin/env python3
"""Converts a large made-up model under a memory limit and compares the speed with the disk's.

usage: bench/convert.py FOLDER [--gigabytes G] [--memory-mib M] [--rounds N] [--keep]

In FOLDER (which needs room for three times G) it makes a Llama-shaped Hugging Face model of G gigabytes (8.5) in bf16, in files of 2 GB, then
  1. kills an import half way and checks that nothing lies under its name;
  2. imports it (again) and exports it, each with at most M MiB (1024) of address space, every file out of the page cache before;
  3. before and after each of these copies its files with read, write and fsync alone: the disk's speed for the same bytes;
  4. compares the exported files with the first, byte by byte.
2 and 3 are done N times (1). Prints seconds and the share of the copies' speed beside it (disks that others use change by the
minute; the median of the rounds counts). Exit code 1 if a share is below 0.7, bytes differ or memory did not suffice.
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


def copy(source, target):
    target.mkdir()
    begin = time.monotonic()
    for path in sorted(source.glob("*.safetensors")):
        with open(path, "rb", buffering=0) as f, open(target / path.name, "wb", buffering=0) as g:
            while block := f.read(BLOCK):
                g.write(block)
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


def kill_half_way(source, target, memory_mib, total):
    process = start(["import", source, "--out", target], memory_mib)
    aside = target.with_name(target.name + ".tmp")
    while process.poll() is None and sum(p.stat().st_size for p in aside.rglob("*") if p.is_file()) < total / 2:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return not target.exists() and aside.exists()


def timed(name, run, work, target):
    """Seconds of `run`, which makes `target`."""
    shutil.rmtree(target, ignore_errors=True)
    forget(work)
    seconds, memory = run()
    print(f"  {name}: {seconds:.1f} s" + (f", {memory:.0f} MiB resident at most" if memory else ""), flush=True)
    return seconds


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=pathlib.Path)
    p.add_argument("--gigabytes", type=float, default=8.5)
    p.add_argument("--memory-mib", type=int, default=1024)
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--keep", action="store_true", help="leave the files")
    args = p.parse_args()
    work = args.folder / "pleiad-convert"
    work.mkdir(parents=True)
    model, copied, ours, out = (work / name for name in ("model", "copy", "imported", "exported"))
    try:
        total = make_model(model, args.gigabytes * 1e9)
        print(f"{total / 1e9:.2f} GB in {len(list(model.glob('*.safetensors')))} files; limit {args.memory_mib} MiB of address space")
        ok = kill_half_way(model, ours, args.memory_mib, total)
        print("killed half way: " + ("nothing under its name" if ok else "WRONG: the folder is there"))
        shares = {"import": [], "export": []}
        before = timed("copy", lambda: copy(model, copied), work, copied)
        for _ in range(args.rounds):
            for name, command, target in (("import", ["import", model, "--out", ours], ours), ("export", ["export", ours, out], out)):
                shutil.rmtree(copied, ignore_errors=True)
                seconds = timed(name, lambda: convert(command, args.memory_mib), work, target)
                after = timed("copy", lambda: copy(model, copied), work, copied)
                shares[name].append((before + after) / 2 / seconds)
                before = after
        same = all(filecmp.cmp(f, out / f.name, shallow=False) for f in model.glob("*.safetensors"))
        print("exported files " + ("are the same bytes" if same else "DIFFER"))
        for name, share in shares.items():
            ok = ok and statistics.median(share) >= 0.7
            print(f"{name}: {statistics.median(share):.2f} of the copy's speed")
        sys.exit(0 if ok and same else 1)
    finally:
        if not args.keep:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
