#!/usr/bin/env python3
"""Compares pleiad's token ids and texts with those of the sentencepiece library, on random strings.

Not part of the tests: it needs the library. In a folder of its own:

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install sentencepiece
    /tmp/venv/bin/python tools/compare_sentencepiece.py --count 1000000 --seed 1 tokenizer.model other.model

The strings are made of what goes wrong: pieces of the model cut and joined, runs of spaces, U+2581, digits, controls, combining marks, random code points, broken
UTF-8, long repetitions, and lines of the files given with --text. Prints the first differences and how many there were; exit code 1 if any.
"""
import argparse
import json
import os
import random
import subprocess
import sys

import sentencepiece

PLEIAD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "build", "pleiad")
SPECIAL = [" ", "  ", "   ", "\u2581", "\u2581\u2581", "\n", "\t", "\r\n", "\0", "\u3000", "\u00a0", "\u200b", "\ufeff", "\ufffd", "e\u0301", "\uff21\uff22", "\ufb01",
           "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u0e33", "\uac00", "\u1112\u1161\u11ab", "0", "42", "_", "__", "____", "<s>", "</s>", "<unk>", "<0x41>",
           "<_user>", "aaaa", "====", "----", "\u0130", "\u1e9e", "\u03a3"]


def utf8(code):
    return chr(code).encode("utf-8", "surrogatepass")


class Strings:
    def __init__(self, model, lines, seed):
        self.random = random.Random(seed)
        self.pieces = [model.id_to_piece(i).encode() for i in range(model.get_piece_size())]
        self.lines = lines

    def part(self):
        r = self.random
        kind = r.randrange(12)
        if kind < 3:
            return r.choice(self.pieces).replace("\u2581".encode(), b" ")
        if kind == 3:
            piece = r.choice(self.pieces).decode()
            return piece[:r.randint(0, len(piece))].encode()
        if kind == 4:
            return r.choice(SPECIAL).encode()
        if kind == 5:
            return bytes(r.choice(b"abcdefghijklmnopqrstuvwxyz ABC0123._-") for _ in range(r.randint(1, 20)))
        if kind == 6:
            return b"".join(utf8(r.randint(0x4e00, 0x9fff)) for _ in range(r.randint(1, 8)))
        if kind == 7:
            return b"".join(utf8(r.choice([r.randrange(0x800), r.randrange(0x10000), r.randrange(0x110000)])) for _ in range(r.randint(1, 4)))
        if kind == 8:
            return bytes(r.randrange(256) for _ in range(r.randint(1, 6)))
        if kind == 9:
            return r.choice(self.pieces)[:r.randint(1, 4)] * r.randint(1, 40)
        if kind == 10 and self.lines:
            return r.choice(self.lines)
        return r.choice(b" \n\tae") .to_bytes(1, "little") * r.randint(1, 6)

    def next(self):
        r = self.random
        n = r.choice([1, 2, 3, 5, 8, 400]) if r.random() < 0.004 else r.choice([1, 2, 3, 4, 6])
        return b"".join(self.part() for _ in range(n))


class Pleiad:
    """One process that answers line by line."""

    def __init__(self, command, model, *more):
        self.process = subprocess.Popen([PLEIAD, command, "--tokenizer", model, "--jsonl", "--threads", "1", *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, rows):
        import threading
        text = "".join(json.dumps(row) + "\n" for row in rows).encode()
        writer = threading.Thread(target=lambda: (self.process.stdin.write(text), self.process.stdin.flush()))
        writer.start()
        answers = []
        for _ in rows:
            line = self.process.stdout.readline()
            if not line:
                sys.exit("pleiad ended: see its message above")
            answers.append(json.loads(line))
        writer.join()
        return answers


def compare(path, count, seed, lines, shown):
    model = sentencepiece.SentencePieceProcessor(model_file=path)
    strings, encoder, decoder = Strings(model, lines, seed), Pleiad("tokenize", path), Pleiad("detokenize", path)
    r, differences, characters = random.Random(seed + 1), 0, 0
    for start in range(0, count, 2000):
        texts = [strings.next() for _ in range(min(2000, count - start))]
        characters += sum(map(len, texts))
        got = encoder.ask([{"bytes": t.hex()} for t in texts])
        want = [list(model.encode(t)) for t in texts]
        id_lists = []
        for t, g, w in zip(texts, got, want):
            if g["ids"] != w:
                differences += 1
                if differences <= shown:
                    print(f"{path}: {t!r}\n  pleiad  {g['ids']}\n  library {w}")
            id_lists.append(w if r.random() < 0.5 else [r.randrange(model.get_piece_size()) for _ in range(r.randint(0, 12))])
        back = decoder.ask([{"ids": i} for i in id_lists])
        for i, b in zip(id_lists, back):
            w = model.decode(i)
            w = w if isinstance(w, bytes) else w.encode()
            g = b["text"].encode() if "text" in b else bytes.fromhex(b["bytes"])
            if g != w:
                differences += 1
                if differences <= shown:
                    print(f"{path}: ids {i}\n  pleiad  {g!r}\n  library {w!r}")
    print(f"{path}: {count} strings, {characters} bytes, {differences} differences", flush=True)
    return differences


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--count", type=int, default=100000, help="strings for each model")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--text", action="append", default=[], help="a file whose lines are used too")
    parser.add_argument("--show", type=int, default=5)
    args = parser.parse_args()
    lines = [line for name in args.text for line in open(name, "rb").read().split(b"\n") if line]
    print(f"sentencepiece {sentencepiece.__version__}, seed {args.seed}")
    sys.exit(1 if sum(compare(m, args.count, args.seed, lines, args.show) for m in args.models) else 0)


if __name__ == "__main__":
    main()
