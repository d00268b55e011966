#!/usr/bin/env python3
"""Training steps of GPT-2 of 124 M, side by side with llm.c's program for the processor, in one run.

usage: bench/compare_llmc.py LLMC [--steps N] [--rounds N] [--dtypes fp32 bf16] [--threads N]

LLMC is a checkout of llm.c; its train_gpt2 is built with its own Makefile if it is not there. That program trains in fp32 on 4 sequences
of 64 tokens, from files: random weights and tokens are written into a folder of their own (500 MB, removed at the end), since a step's
time does not depend on them. Here bench/shapes/gpt2-124m.json runs at that size: the same matrices in this program's blocks.
Programs take turns, --rounds times, and each keeps its best median. Prints a table, then one JSON object.
"""
import argparse
import array
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BATCH, SEQ = 4, 64  # what train_gpt2.c has
LAYERS, WIDTH, HEADS, VOCAB, VOCAB_PADDED, POSITIONS = 12, 768, 12, 50257, 50304, 1024
HEADER = 256  # 32-bit integers before the data, in both kinds of file


def header(*numbers):
    return array.array("i", list(numbers) + [0] * (HEADER - len(numbers))).tobytes()


def write_weights(path):
    """Small normal numbers: the same 64 Ki of them again and again."""
    layer = 4 * WIDTH + 12 * WIDTH * WIDTH + 9 * WIDTH
    count = VOCAB_PADDED * WIDTH + POSITIONS * WIDTH + LAYERS * layer + 2 * WIDTH
    rng = random.Random(1)
    some = array.array("f", [rng.gauss(0, 0.02) for _ in range(1 << 16)]).tobytes()
    with open(path, "wb") as file:
        file.write(header(20240326, 3, POSITIONS, VOCAB, LAYERS, HEADS, WIDTH, VOCAB_PADDED))
        left = 4 * count
        while left > 0:
            left -= file.write(some[:left])


def write_tokens(path, count):
    rng = random.Random(2)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.write(header(20240520, 1, count))
        file.write(array.array("H", [rng.randrange(VOCAB) for _ in range(count)]).tobytes())


def llmc_built(folder):
    program = folder / "train_gpt2"
    if not program.exists():
        print("building llm.c's train_gpt2 ...", file=sys.stderr)
        subprocess.run(["make", "-C", str(folder), "train_gpt2"], check=True, stdout=sys.stderr)
    return program


def llmc_tokens_per_s(program, files, steps, threads):
    """The median of `steps` steps after one; then the program is stopped."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    times = []
    with subprocess.Popen([str(program)], cwd=files, env=environment, stdout=subprocess.PIPE, text=True) as run:
        for line in run.stdout:
            took = re.match(r"step \d+: .*\(took ([0-9.]+) ms\)", line)
            if took:
                times.append(float(took.group(1)) / 1e3)
            if len(times) == steps + 1:
                run.kill()
                break
    if len(times) < steps + 1:
        sys.exit(f"{program} ended after {len(times)} steps")
    return BATCH * SEQ / statistics.median(times[1:])


def pleiad_tokens_per_s(program, shape, dtype, steps, threads):
    command = [program, "bench", "train", shape, "--dtype", dtype, "--steps", steps, "--threads", threads, "--json"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])["tokens_per_s_median"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("llmc", type=pathlib.Path)
    p.add_argument("--dtypes", nargs="+", default=["fp32", "bf16"])
    p.add_argument("--steps", type=int, default=4)
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--pleiad", type=pathlib.Path, default=ROOT / "build" / "pleiad")
    args = p.parse_args()
    peer = llmc_built(args.llmc.resolve())
    best = {}
    with tempfile.TemporaryDirectory() as folder:
        files = pathlib.Path(folder)
        write_weights(files / "gpt2_124M.bin")
        for part in ("train", "val"):
            write_tokens(files / "dev/data/tinyshakespeare" / f"tiny_shakespeare_{part}.bin", 1 << 15)
        shape = json.loads((ROOT / "bench/shapes/gpt2-124m.json").read_text())
        (files / "shape.json").write_text(json.dumps(dict(shape, batch=BATCH, seq=SEQ)))
        for _ in range(args.rounds):
            speeds = {"llm.c fp32": llmc_tokens_per_s(peer, files, args.steps, args.threads)}
            for dtype in args.dtypes:
                speeds["pleiad " + dtype] = pleiad_tokens_per_s(args.pleiad, files / "shape.json", dtype, args.steps, args.threads)
            best = {name: max(speed, best.get(name, 0)) for name, speed in speeds.items()}
    rows = [{"program": name, "tokens_per_s_median": speed, "to_llmc": speed / best["llm.c fp32"]} for name, speed in best.items()]
    print(f"GPT-2 of 124 M, {BATCH} sequences of {SEQ} tokens\n{'program':12} {'tokens/s':>9} {'to llm.c':>9}")
    for row in rows:
        print(f"{row['program']:12} {row['tokens_per_s_median']:9.1f} {row['to_llmc']:8.2f}x")
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
