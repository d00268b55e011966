#!/usr/bin/env python3
"""Causal attention, side by side with PyTorch's scaled_dot_product_attention on this machine, in one run.

usage: bench/compare_attention.py [--lengths T...] [--widths N...] [--dtypes bf16 fp32] [--heads N] [--rounds N] [--venv DIR]

A forward alone, and one with its backward, of at least 4096 tokens. PyTorch for the processor is installed into a virtual environment of
its own the first time (some GB). The programs take turns, --rounds times, and each keeps its best median. "of peak" is that of the
multiply-adds that the causal half needs, backward 2.5 times the forward's, against multiply-adds in registers measured in the same run.
Prints a table, then one JSON object.
"""
import argparse
import json
import os
import pathlib
import tempfile

from peers.programs import ROOT, VENV, must, torch_python

TOKENS = 4096


def ours(args, isa, shape, dtype):
    """{op: (ms, share of the peak)} of one run of `pleiad bench ops` at a shape of plain heads."""
    B, T, width = shape
    sizes = dict.fromkeys(("D", "F", "V", "parameters"), width * args.heads) | dict.fromkeys(("expert_F", "E", "router_E", "k"), 0)
    sizes |= {"B": B, "T": T, "H": args.heads, "K": args.heads, "v": width, "q_rank": 0, "kv_rank": 0, "nope": 0, "rope": width}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(sizes, file)
        file.flush()
        command = [args.pleiad, "bench", "ops", file.name, "--op", "attention", "--case", "grouped heads", "--dtype", dtype, "--isa", isa,
                   "--threads", args.threads, "--json"]
        return {r["op"]: (r["ms"], r["of_peak"]) for r in must(command, args.timeout)["results"]}


def measure(args, python, isa, shape, dtype):
    """The best of the rounds, both programs in turn."""
    best = {"forward_ms": float("inf"), "both_ms": float("inf"), "torch_forward_ms": float("inf"), "torch_both_ms": float("inf")}
    B, T, width = shape
    peer = [python, ROOT / "bench/peers/torch_attention.py", B, T, args.heads, width, dtype, "--threads", args.threads]
    for _ in range(args.rounds):
        own = ours(args, isa, shape, dtype)
        (forward, of_peak), (backward, backward_of_peak) = own["attention_forward"], own["attention_backward"]
        if forward < best["forward_ms"]:
            best |= {"forward_ms": forward, "forward_of_peak": of_peak}
        if forward + backward < best["both_ms"]:
            best |= {"both_ms": forward + backward, "backward_of_peak": backward_of_peak}
        torch = must(peer, args.timeout)
        for what in ("forward_ms", "both_ms"):
            best["torch_" + what] = min(best["torch_" + what], torch[what])
    return best


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--lengths", type=int, nargs="+", default=[512, 1024, 2048, 4096, 8192])
    p.add_argument("--widths", type=int, nargs="+", default=[64, 128])
    p.add_argument("--dtypes", nargs="+", choices=["bf16", "fp32"], default=["bf16", "fp32"])
    p.add_argument("--heads", type=int, default=8)
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--timeout", type=int, default=300, help="seconds a program may take")
    p.add_argument("--pleiad", type=pathlib.Path, default=ROOT / "build" / "pleiad")
    p.add_argument("--venv", type=pathlib.Path, default=VENV)
    args = p.parse_args()
    python = torch_python(args.venv)
    isa = must([args.pleiad, "info", "--json"], args.timeout)["isa"]
    rows = []
    print(f"{'':24} {'forward':^36} {'with backward':^36}")
    print(f"{'type':4} {'width':>5} {'tokens':>12} {'ms':>9} {'of peak':>8} {'PyTorch':>9} {'':>7} {'ms':>9} {'of peak':>8} {'PyTorch':>9}")
    for dtype in args.dtypes:
        for width in args.widths:
            for T in args.lengths:
                shape = (max(1, TOKENS // T), T, width)
                r = measure(args, python, isa, shape, dtype)
                rows.append({"dtype": dtype, "B": shape[0], "T": T, "heads": args.heads, "width": width, **r})
                parts = [(r[w + "_ms"], r[p + "_of_peak"], r["torch_" + w + "_ms"]) for w, p in (("forward", "forward"), ("both", "backward"))]
                cells = [f"{ms:9.2f} {100 * share:6.1f} % {peer:9.2f} {peer / ms:6.2f}x" for ms, share, peer in parts]
                print(f"{dtype:4} {width:5} {shape[0]:5} x{T:5} {' '.join(cells)}", flush=True)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
