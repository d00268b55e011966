#!/usr/bin/env python3
"""MB/s of the SentencePiece library and of pleiad, on the same texts, in the same run, one thread each, turn by turn.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install sentencepiece
    /tmp/venv/bin/python bench/peers/sentencepiece_bench.py --tokenizer tokenizer.model --text a.txt [--text b.txt ...]

Both get the same bytes: the whole lines of 20 stretches spread evenly over the text. Each line is encoded alone. The library is called with one line at a time (no list, so no threads of its own). The two take
turns, --rounds times, and the middle of each one's counts; pleiad's number in a round is that of `pleiad bench tokenize`. The last line is one JSON object.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

import sentencepiece

PLEIAD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "pleiad")


def sample(text, size):
    """Whole lines, about `size` bytes of them."""
    if len(text) <= size:
        return text
    parts = []
    for i in range(20):
        begin = text.find(b"\n", len(text) // 20 * i) + 1
        end = text.find(b"\n", begin + size // 20)
        parts.append(text[begin : end if end >= 0 else len(text)])
    return b"\n".join(parts)


def library_rate(model, lines, size):
    start = time.perf_counter()
    ids = sum(len(model.encode(line)) for line in lines)
    return size / 1e6 / (time.perf_counter() - start), ids


def pleiad_rate(program, tokenizer, path):
    run = subprocess.run([program, "bench", "tokenize", "--tokenizer", tokenizer, "--text", path, "--threads", "1", "--json"], check=True, capture_output=True, text=True)
    last = json.loads(run.stdout.splitlines()[-1])
    return last["mb_per_s_1"], last["ids"]


def measure(model, args, path):
    text = sample(open(path, "rb").read(), int(args.limit_mb * 1e6)).decode("utf-8", "replace")
    lines, size = text.split("\n"), len(text.encode())
    with tempfile.NamedTemporaryFile() as same:
        same.write(text.encode())
        same.flush()
        theirs, ours = [], []
        for _ in range(args.rounds):
            theirs.append(library_rate(model, lines, size))
            ours.append(pleiad_rate(args.pleiad, args.tokenizer, same.name))
    library, pleiad = (statistics.median(rate for rate, _ in turns) for turns in (theirs, ours))
    alike = theirs[0][1] == ours[0][1]
    print(f"{os.path.basename(path):24} {size / 1e6:5.1f} MB, {theirs[0][1]} ids{'' if alike else ' (pleiad gave another count!)'}: "
          f"library {library:.2f} MB/s, pleiad {pleiad:.1f}, {pleiad / library:.1f} times", flush=True)
    return {"text": path, "bytes": size, "ids": theirs[0][1], "ids_alike": alike, "library_mb_per_s": round(library, 3), "pleiad_mb_per_s": pleiad, "ratio": round(pleiad / library, 2)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--text", required=True, action="append")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit-mb", type=float, default=10, help="how much of a text is taken (the library is slow)")
    parser.add_argument("--pleiad", default=PLEIAD, help="the program")
    args = parser.parse_args()
    model = sentencepiece.SentencePieceProcessor(model_file=args.tokenizer)
    texts = [measure(model, args, path) for path in args.text]
    print(json.dumps({"peer": "sentencepiece", "version": sentencepiece.__version__, "threads": 1, "rounds": args.rounds, "texts": texts}))


if __name__ == "__main__":
    main()
