#!/usr/bin/env python3
"""Products of experts in PyTorch, one JSON object: {way: {what: median seconds}}, and why ways were left out.

usage: torch_experts.py --experts E --rows N --width D --ffn F --threads N [--calls N]

Ways: `loop` a product for each expert; `bmm` all of them as one batched product (every expert has as many rows here, which is its
best case); `grouped_mm` where this PyTorch has it for the processor. bf16; gradients of weights are bf16 too, as PyTorch keeps them.
"""
import argparse
import json
import statistics
import time

import torch


def ways(x, index, w, y, dx, dw):
    """{way: {what: call}}. x [tokens,D] is gathered by `index` in the forward; its gradient's rows are there already."""
    E, F, D = w.shape
    rows = x[index].view(E, -1, D)
    dy = y.view(E, -1, F)
    ends = torch.arange(1, E + 1, dtype=torch.int32) * rows.shape[1]

    def loop_forward():
        all_rows = x[index].view(E, -1, D)
        for e in range(E):
            torch.mm(all_rows[e], w[e].t(), out=dy[e])

    def loop_input():
        for e in range(E):
            torch.mm(dy[e], w[e], out=dx[e])

    def loop_weight():
        for e in range(E):
            torch.mm(dy[e].t(), rows[e], out=dw[e])

    def loop_weight_added():
        for e in range(E):
            dw[e].addmm_(dy[e].t(), rows[e])

    return {
        "loop": {"forward": loop_forward, "input": loop_input, "weight, first": loop_weight, "weight": loop_weight_added},
        "bmm": {"forward": lambda: torch.bmm(x[index].view(E, -1, D), w.transpose(1, 2), out=dy),
                "input": lambda: torch.bmm(dy, w, out=dx),
                "weight, first": lambda: torch.bmm(dy.transpose(1, 2), rows, out=dw),
                "weight": lambda: dw.baddbmm_(dy.transpose(1, 2), rows)},
        "grouped_mm": {"forward": lambda: torch._grouped_mm(x[index], w.transpose(1, 2), offs=ends),
                       "input": lambda: torch._grouped_mm(y, w, offs=ends),
                       "weight, first": lambda: torch._grouped_mm(y.t(), rows.view(-1, D), offs=ends)},
    }


def median_s(call, calls):
    call()
    seconds = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("experts", "rows", "width", "ffn", "threads"):
        p.add_argument("--" + name, type=int, required=True)
    p.add_argument("--calls", type=int, default=3)
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    E, N, D, F = args.experts, args.rows, args.width, args.ffn
    tokens = max(1, E * N // 4)
    make = lambda *shape: torch.full(shape, 0.75, dtype=torch.bfloat16)
    with torch.no_grad():
        calls = ways(make(tokens, D), torch.arange(E * N) * 7 % tokens, make(E, F, D), make(E * N, F), make(E, N, D), make(E, F, D))
        result, left_out = {}, {}
        for way, whats in calls.items():
            try:
                result[way] = {what: median_s(call, args.calls) for what, call in whats.items()}
            except (RuntimeError, NotImplementedError, AttributeError) as why:
                left_out[way] = str(why).splitlines()[0][:160]
    print(json.dumps({"torch": torch.__version__, "seconds": result, "left_out": left_out}))


if __name__ == "__main__":
    main()
