#!/usr/bin/env python3
"""The products of a mixture's experts, side by side with PyTorch alone on this machine, in one run.

usage: bench/compare_experts.py [--rows N...] [--experts E] [--width D] [--ffn F] [--calls N] [--venv DIR]

192 experts of 2560 x 1536 in bf16 by default (TeleChat3-105B's), with 16, 32 and 64 rows each: forward (rows gathered from the
tokens), input gradient, weight gradient of a step's first micro-batch (written) and of later ones (added). Ours is `pleiad bench ops`, whose
weight gradients are fp32, twice the bytes of PyTorch's, which are bf16. PyTorch's ways (bench/peers/torch_experts.py): a loop over
the experts; grouped_mm where it has one for the processor; and one batched product (bmm), which is for equal groups only: experts that a
router fills are none. PyTorch is installed into a virtual environment the first time. "of GEMM": our speed against our 2048^3 of the same run;
"its bytes": what the memory would take to read and write them, by passes in between. Prints a table, then one JSON object. About 8 GB
of memory.
"""
import argparse
import json
import os
import pathlib
import sys
import tempfile

from peers.programs import ROOT, VENV, must, torch_python

CASES = {("gemm_grouped", "up, gathered"): "forward", ("gemm_grouped", "up, its input's gradient"): "input",
         ("gemm_grouped_weight", "up, gathered, first"): "weight, first", ("gemm_grouped_weight", "up, gathered"): "weight"}
TOP_K = 4
TIMEOUT_S = 1800


def ours(args, rows):
    """{what: result}, and the GFLOP/s of 2048^3, of one run at the machine's best level."""
    base = json.load(open(ROOT / "bench" / "shapes" / "105b-experts.json"))
    base |= {"T": args.experts * rows // TOP_K, "D": args.width, "expert_F": args.ffn, "E": args.experts, "router_E": args.experts, "k": TOP_K, "F": 512}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as shape:
        json.dump(base, shape)
        shape.flush()
        run = must([args.pleiad, "bench", "ops", shape.name, "--op", "gemm", "--dtype", "bf16", "--threads", args.threads, "--json"], TIMEOUT_S)
    best = run["levels"][-1]["isa"]
    last = [r for r in run["results"] if r["isa"] == best]
    gemm = next(r["rate"] for r in last if r["case"] == "2048x2048x2048, NN")
    return {CASES[r["op"], r["case"]]: r for r in last if (r["op"], r["case"]) in CASES}, gemm


def theirs(args, python, rows):
    result = must([python, ROOT / "bench" / "peers" / "torch_experts.py", "--experts", args.experts, "--rows", rows, "--width", args.width,
                        "--ffn", args.ffn, "--threads", args.threads, "--calls", args.calls], TIMEOUT_S)
    for way, why in result["left_out"].items():
        print(f"  PyTorch's {way} is left out: {why}", file=sys.stderr)
    return result["seconds"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rows", type=int, nargs="+", default=[16, 32, 64])
    p.add_argument("--experts", type=int, default=192)
    p.add_argument("--width", type=int, default=2560)
    p.add_argument("--ffn", type=int, default=1536)
    p.add_argument("--calls", type=int, default=3, help="of PyTorch's, their median counts")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--pleiad", type=pathlib.Path, default=ROOT / "build" / "pleiad")
    p.add_argument("--venv", type=pathlib.Path, default=VENV)
    args = p.parse_args()
    python = torch_python(args.venv)
    table = []
    print(f"{'rows':>4} {'what':14} {'pleiad':>10} {'GFLOP/s':>8} {'of GEMM':>8} {'its bytes':>10}   PyTorch")
    for rows in args.rows:
        mine, gemm = ours(args, rows)
        peer = theirs(args, python, rows)
        for what, r in mine.items():
            pytorch_ms = {way: s[what] * 1e3 for way, s in peer.items() if what in s}
            table.append({"rows": rows, "what": what, "ms": r["ms"], "gflops": r["rate"], "of_gemm": r["rate"] / gemm, "memory_ms": r["memory_ms"],
                          "pytorch_ms": pytorch_ms})
            ways = "   ".join(f"{way} {ms:6.1f} ms {ms / r['ms']:5.2f}x" for way, ms in pytorch_ms.items())
            print(f"{rows:4} {what:14} {r['ms']:7.1f} ms {r['rate']:8.0f} {100 * r['rate'] / gemm:6.0f} % {r['memory_ms']:7.0f} ms   {ways}", flush=True)
    print(json.dumps(table))


if __name__ == "__main__":
    main()
