#!/usr/bin/env python3
"""Training steps, side by side with PyTorch on this machine, in one run.

usage: bench/compare.py --peers DIR [--shapes NAME...] [--dtypes fp32 bf16] [--steps N] [--rounds N] [--compile] [--venv DIR]

DIR holds NAME.json (shapes) and torch_train.py (the same step in PyTorch). PyTorch for the processor and transformers are installed
into a virtual environment of their own the first time (some GB). Of PyTorch every way to run the experts is tried, and with
--compile its compiler too; its best counts. Programs take turns, --rounds times, and each keeps its best median.
Prints a table, then one JSON object.
"""
import argparse
import json
import os
import pathlib
import sys

from peers.programs import ROOT, VENV, last_json, torch_python


def variants(shape, with_compile, experts):
    """Options of torch_train.py worth trying for this shape."""
    moe = json.load(open(shape))["hf"].get("n_routed_experts", 0) > 0
    ways = [["--experts", e] for e in experts] if moe else [[]]
    return ways + ([w + ["--compile"] for w in ways] if with_compile else [])


def our_shape(shape):
    """The same shape for pleiad: bench/shapes has a stand-in where the model is of a kind that it does not have (GPT-2)."""
    stand_in = ROOT / "bench" / "shapes" / shape.name
    return stand_in if stand_in.exists() else shape


def measure(args, python, shape, dtype):
    """Rounds of all programs in turn; {name: best result}."""
    programs = {"pleiad": [args.pleiad, "bench", "train", our_shape(shape), "--dtype", dtype, "--steps", args.steps, "--threads", args.threads, "--json"]}
    for way in variants(shape, args.compile, args.experts):
        name = " ".join(["pytorch"] + [w.replace("--", "") for w in way if w != "--experts"])
        programs[name] = [python, args.peers / "torch_train.py", shape, "--dtype", dtype, "--steps", args.steps, "--threads", args.threads] + way
    best = {}
    for _ in range(args.rounds):
        for name, command in list(programs.items()):
            result, why = last_json(command, args.timeout)
            if result is None:
                print(f"  {name}: left out: {why}", file=sys.stderr)
                del programs[name]
            elif name not in best or result["tokens_per_s_median"] > best[name]["tokens_per_s_median"]:
                best[name] = result
    return best


def memory_mib(result):
    return result["process_bytes"] / 2**20 if "process_bytes" in result else result["peak_rss_mib"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--peers", type=pathlib.Path, required=True)
    p.add_argument("--shapes", nargs="+", default=["moe-nano", "dense-nano"])
    p.add_argument("--dtypes", nargs="+", default=["fp32", "bf16"])
    p.add_argument("--steps", type=int, default=6)
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--timeout", type=int, default=900, help="seconds a program may take")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--experts", nargs="+", default=["eager", "grouped_mm", "batched_mm"], help="PyTorch's ways to run them, to be tried")
    p.add_argument("--pleiad", type=pathlib.Path, default=ROOT / "build" / "pleiad")
    p.add_argument("--venv", type=pathlib.Path, default=VENV)
    args = p.parse_args()
    python = torch_python(args.venv)
    rows = []
    print(f"{'shape':12} {'type':5} {'program':28} {'tokens/s':>9} {'best':>9} {'memory':>10} {'loss':>8} {'to PyTorch':>11}")
    for name in args.shapes:
        for dtype in args.dtypes:
            best = measure(args, python, args.peers / f"{name}.json", dtype)
            peer = max((r["tokens_per_s_median"] for n, r in best.items() if n != "pleiad"), default=None)
            for program, r in best.items():
                ratio = r["tokens_per_s_median"] / peer if peer else float("nan")
                rows.append({"shape": name, "dtype": dtype, "program": program, "to_best_pytorch": ratio, **r})
                print(f"{name:12} {dtype:5} {program:28} {r['tokens_per_s_median']:9.0f} {r['tokens_per_s']:9.0f} {memory_mib(r):6.0f} MiB "
                      f"{r['loss']:8.4f} {ratio:10.2f}x", flush=True)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
