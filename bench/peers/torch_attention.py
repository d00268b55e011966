#!/usr/bin/env python3
"""PyTorch's causal attention on the processor: milliseconds of a forward alone, and of one with its backward.

usage: torch_attention.py B T HEADS WIDTH fp32|bf16 [--threads N] [--runs N]

Medians of N runs after one that warms up. Prints one line of JSON.
"""
import argparse
import json
import statistics
import time

import torch


def seconds(work, runs):
    times = []
    for _ in range(runs + 1):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for size in ("B", "T", "heads", "width"):
        p.add_argument(size, type=int)
    p.add_argument("dtype", choices=["fp32", "bf16"])
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--runs", type=int, default=5)
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    shape, dtype = (args.B, args.heads, args.T, args.width), torch.bfloat16 if args.dtype == "bf16" else torch.float32
    q, k, v = (torch.randn(shape, dtype=dtype, requires_grad=True) for _ in range(3))
    gradient = torch.randn(shape, dtype=dtype)

    def attend():
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)

    with torch.no_grad():
        forward = seconds(attend, args.runs)
    both = seconds(lambda: attend().backward(gradient), args.runs)
    print(json.dumps({"peer": "pytorch " + torch.__version__, "forward_ms": 1e3 * forward, "both_ms": 1e3 * both}))


if __name__ == "__main__":
    main()
