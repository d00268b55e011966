#!/usr/bin/env python3
"""Compares pleiad's token ids and texts with those of the libraries, on a million random strings for each tokenizer.

    tools/check_tokenizer.py [--count 1000000] [--seed 1] [--venv DIR] [TOKENIZER ...]

TOKENIZER: a SentencePiece .model or a tokenizer.json; without any, all of them in the folder `shared` beside the checkout. The libraries (sentencepiece, tokenizers) are installed into a virtual
environment of their own the first time. The strings are those of tools/compare_sentencepiece.py and tools/compare_tokenizers_hf.py: scripts, spaces of all kinds, marks, emoji, bytes that are not
UTF-8 (where the library takes them), names of special tokens (read as text and as tokens), long runs, what normalisers change. Each string is encoded and ids are decoded. Prints counts and the first
differences; exit code 1 if there are any. About 5 minutes a tokenizer.
"""
import argparse
import os
import pathlib
import subprocess
import sys

from environment import python_of

HERE = pathlib.Path(__file__).resolve().parent
MODULES = ["sentencepiece", "tokenizers"]
PACKAGES = ["sentencepiece==0.2.3", "tokenizers==0.23.3"]


def all_shared():
    shared = HERE.parent.parent / "shared"
    found = sorted(shared.glob("data/**/tokenizer.model")) + sorted(shared.glob("golden/text/spm/*.model")) + sorted(shared.glob("**/tokenizer.json"))
    return found or sys.exit(f"check_tokenizer: {shared} holds no tokenizer; name one")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizers", nargs="*", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=1000000, help="strings for each tokenizer")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--venv", type=pathlib.Path, default=pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "pleiad" / "tokenizers")
    args = parser.parse_args()
    python, failed = python_of(args.venv, MODULES, PACKAGES), []
    for path in args.tokenizers or all_shared():
        kind = "compare_tokenizers_hf.py" if path.suffix == ".json" else "compare_sentencepiece.py"
        if subprocess.run([python, HERE / kind, "--count", str(args.count), "--seed", str(args.seed), path]).returncode:
            failed.append(str(path))
    print("check_tokenizer: " + (f"differences in {', '.join(failed)}" if failed else "no differences"))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
