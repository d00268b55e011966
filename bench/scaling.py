#!/usr/bin/env python3
"""How the cost of a training step grows: with experts (as many active), context, vocabulary and layers.

usage: bench/scaling.py [--only experts context vocabulary layers] [--dtype bf16|fp32] [--steps N] [--svg FILE] [--measured FILE]

Runs `pleiad bench train` over shapes that differ from one small mixture-of-experts model in one number, with 8192 tokens a step each.
Prints a table, then one JSON object: time is per token; `grows as` is the exponent p of time ~ x^p between a row and the one above, so 1
is linear. "model" is the time without the optimiser, whose work is that of the parameters, used or not. --svg writes a picture of it.
"""
import argparse
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOKENS = 8192
BASE = {"model_type": "deepseek_v3", "vocab_size": 8192, "hidden_size": 512, "intermediate_size": 1536, "moe_intermediate_size": 256,
        "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 8, "n_shared_experts": 1, "n_routed_experts": 48,
        "num_experts_per_tok": 4, "first_k_dense_replace": 1, "q_lora_rank": 256, "kv_lora_rank": 128, "qk_nope_head_dim": 64,
        "qk_rope_head_dim": 32, "v_head_dim": 64, "n_group": 1, "topk_group": 1, "norm_topk_prob": True, "routed_scaling_factor": 2.8,
        "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "tie_word_embeddings": False, "initializer_range": 0.01}
SERIES = {"experts": ("n_routed_experts", [48, 96, 192]), "context": ("seq", [512, 1024, 2048, 4096, 8192]),
          "vocabulary": ("vocab_size", [8192, 16384, 32768, 65536, 131072]), "layers": ("num_hidden_layers", [2, 4, 8, 16])}


def shape_of(key, value):
    shape = {"hf": dict(BASE), "seq": 512}
    (shape if key == "seq" else shape["hf"])[key] = value
    shape["batch"] = TOKENS // shape["seq"]
    return shape


def measure(args, folder, key, value):
    path = pathlib.Path(folder) / "shape.json"
    path.write_text(json.dumps(shape_of(key, value)))
    command = [args.pleiad, "bench", "train", path, "--dtype", args.dtype, "--steps", args.steps, "--threads", args.threads, "--json"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{key} {value}: {done.stderr.strip()}")
    r = json.loads(done.stdout.strip().splitlines()[-1])
    token_us = 1e6 / r["tokens_per_s_median"]
    return {"x": value, "token_us": token_us, "model_us": token_us * (1 - r["time_share"]["optimizer"]), "of_gemm": r["of_gemm_median"],
            "tokens_per_s": r["tokens_per_s_median"], "params": r["params"], "bytes": r["process_bytes"]}


def exponent(a, b, what):
    return math.log(b[what] / a[what]) / math.log(b["x"] / a["x"])


def print_series(name, rows):
    for i, r in enumerate(rows):
        growth = [f"{exponent(rows[i - 1], r, w):9.2f}" if i else " " * 9 for w in ("token_us", "model_us")]
        print(f"{name:10} {r['x']:7} {r['params'] / 1e6:9.1f} {r['tokens_per_s']:9.0f} {r['token_us']:9.1f} {growth[0]} {r['model_us']:9.1f} "
              f"{growth[1]} {100 * r['of_gemm']:7.1f} {r['bytes'] / 2**20:8.0f}", flush=True)


# ---- the picture: a panel a series, both axes logarithmic and of one scale, so that linear growth is the slope of the grey line

WIDTH, HEIGHT, LEFT, TOP, DECADE = 330, 300, 50, 40, 175
BLUE, ORANGE, GREY = "#2a6fb0", "#c8611b", "#999"


def short(x):
    return f"{x // 1024}K" if x >= 1024 and x % 1024 == 0 else str(x)


def panel(name, rows, at_x, at_y):
    x0, low = rows[0]["x"], min(r["model_us"] for r in rows) / 1.25

    def place(x, y):
        return at_x + LEFT + 10 + DECADE * math.log10(x / x0), at_y + HEIGHT - 50 - DECADE * math.log10(y / low)

    def path(points):
        return "M" + " L".join(f"{x:.1f},{y:.1f}" for x, y in points)

    bottom, right = at_y + HEIGHT - 40, at_x + WIDTH - 10
    out = [f'<text x="{at_x + LEFT}" y="{at_y + 24}" font-size="13" font-weight="bold">{name}</text>',
           f'<path d="M{at_x + LEFT},{at_y + TOP} V{bottom} H{right}" fill="none" stroke="#333"/>']
    for r in rows:
        x, _ = place(r["x"], low)
        out.append(f'<path d="M{x:.1f},{bottom} v4" stroke="#333"/><text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{short(r["x"])}</text>')
    tick = 10 ** math.ceil(math.log10(low))
    for y in (tick / 5, tick / 2, tick, 2 * tick, 5 * tick, 10 * tick):
        _, at = place(x0, y)
        if at_y + TOP < at < bottom:
            out.append(f'<path d="M{at_x + LEFT - 4},{at:.1f} h4" stroke="#333"/><text x="{at_x + LEFT - 8}" y="{at + 4:.1f}" '
                       f'text-anchor="end">{y:g}</text>')
    last = min(rows[-1]["x"], x0 * 10 ** ((HEIGHT - 50 - TOP) / DECADE) * low / rows[0]["token_us"])
    out.append(f'<path d="{path([place(x0, rows[0]["token_us"]), place(last, rows[0]["token_us"] * last / x0)])}" stroke="{GREY}" '
               'stroke-dasharray="4 4" fill="none"/>')
    for what, colour in (("token_us", BLUE), ("model_us", ORANGE)):
        points = [place(r["x"], r[what]) for r in rows]
        out.append(f'<path d="{path(points)}" stroke="{colour}" stroke-width="2" fill="none"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
    return out


def write_svg(path, series):
    rows, legend = (len(series) + 1) // 2, [(BLUE, "", "a step"), (ORANGE, "", "without the optimiser"), (GREY, "4 4", "linear")]
    width, height = 2 * WIDTH + 20, rows * HEIGHT + 40
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
           f'<rect width="{width}" height="{height}" fill="#fff"/>', '<text x="20" y="24" font-size="13">microseconds a token</text>']
    for i, (colour, dashes, text) in enumerate(legend):
        x = 190 + 180 * i
        out.append(f'<path d="M{x},20 h24" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/><text x="{x + 30}" y="24">{text}</text>')
    for i, (name, points) in enumerate(series.items()):
        out += panel(name, points, 10 + i % 2 * WIDTH, 30 + i // 2 * HEIGHT)
    path.write_text("\n".join(out + ["</svg>"]) + "\n")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", nargs="+", choices=list(SERIES), default=list(SERIES))
    p.add_argument("--dtype", choices=["bf16", "fp32"], default="bf16")
    p.add_argument("--steps", type=int, default=3)
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--svg", type=pathlib.Path)
    p.add_argument("--measured", type=pathlib.Path, help="results of earlier runs (lines of JSON) to put into the picture and the table")
    p.add_argument("--pleiad", type=pathlib.Path, default=ROOT / "build" / "pleiad")
    args = p.parse_args()
    series = {}
    for line in args.measured.read_text().splitlines() if args.measured else []:
        series.update(json.loads(line))
    print(f"{'series':10} {'x':>7} {'M params':>9} {'tokens/s':>9} {'us/token':>9} {'grows as':>9} {'model us':>9} {'grows as':>9} "
          f"{'of GEMM':>7} {'MiB':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for name in args.only:
            key, values = SERIES[name]
            if name not in series:
                series[name] = [measure(args, folder, key, value) for value in values]
            print_series(name, series[name])
    print(json.dumps(series))
    if args.svg:
        write_svg(args.svg, series)


if __name__ == "__main__":
    main()
