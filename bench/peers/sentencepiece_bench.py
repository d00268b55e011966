#!/usr/bin/env python3
"""MB/s of the SentencePiece library and of pleiad, on the same text, in the same run, one thread each.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install sentencepiece
    /tmp/venv/bin/python bench/peers/sentencepiece_bench.py --tokenizer tokenizer.model --text text.txt

Both get the same bytes: the whole lines of 20 stretches spread evenly over the text. Each line is encoded alone. The library is called with one line at a time (no list, so no threads of its own); the middle
of three runs. pleiad's number is that of `pleiad bench tokenize`. The last line is one JSON object.
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("--limit-mb", type=float, default=10, help="how much of the text is taken (the library is slow)")
    args = parser.parse_args()
    text = sample(open(args.text, "rb").read(), int(args.limit_mb * 1e6)).decode("utf-8", "replace")
    lines = text.split("\n")
    size = len(text.encode())
    model = sentencepiece.SentencePieceProcessor(model_file=args.tokenizer)
    rates = []
    for _ in range(3):
        start = time.perf_counter()
        ids = sum(len(model.encode(line)) for line in lines)
        rates.append(size / 1e6 / (time.perf_counter() - start))
    with tempfile.NamedTemporaryFile() as same:
        same.write(text.encode())
        same.flush()
        run = subprocess.run([PLEIAD, "bench", "tokenize", "--tokenizer", args.tokenizer, "--text", same.name, "--json"], check=True, capture_output=True, text=True)
    ours = json.loads(run.stdout.splitlines()[-1])
    library = statistics.median(rates)
    print(run.stdout, end="")
    print(f"sentencepiece {sentencepiece.__version__}: {library:.2f} MB/s on one thread ({size / 1e6:.1f} MB, {ids} ids); pleiad {ours['mb_per_s_1'] / library:.1f} times")
    print(json.dumps({"peer": "sentencepiece", "version": sentencepiece.__version__, "mb_per_s_1": round(library, 3), "pleiad_mb_per_s_1": ours["mb_per_s_1"],
                      "pleiad_mb_per_s_all": ours["mb_per_s_all"], "threads": ours["threads"], "ratio": round(ours["mb_per_s_1"] / library, 2)}))


if __name__ == "__main__":
    main()
