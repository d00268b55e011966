#!/usr/bin/env python3
"""Compares pleiad's token ids and texts with those of the Hugging Face tokenizers library, on random strings.

Not part of the tests: it needs the library. In a folder of its own:

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install tokenizers==0.23.3
    /tmp/venv/bin/python tools/compare_tokenizers_hf.py --count 10000 --seed 1 --made [tokenizer.json ...]

The strings are made of what goes wrong: names of added tokens, spaces of all kinds, letters that normalise or fold, numbers, controls,
scripts, and lines of the files given with --text. --made also trains small tokenizers that between them use every normalizer,
pre-tokenizer with its behaviours, decoder and rule of added tokens that pleiad reads. Prints the first differences and how many there
were; exit code 1 if any.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile

from tokenizers import AddedToken, Regex, Tokenizer, __version__, decoders, models, normalizers, pre_tokenizers, trainers

PLEIAD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "build", "pleiad")
BATCH = 10000
ALPHABETS = [
    "abcdefghij  ", "ABC'sdtrevmlDST\u017f\u2019 ", "0123456789\u00bd\u00b2\u0663\uff15 ",
    "\t\n\r \x0b\x0c\x85\xa0\u1680\u2000\u2028\u202f\u3000\u180e\u200b\u200d\x1c\x1f", "\uff0c\u3002\u3001\uff01\u300a\u300b\u4f60\u597d\u4e16\u754c\u7684\u4e00\u662f",
    "e\u0301\u0323e\u0300\u00f1\u00f6\u00c5\u212b\ufb01\u2460\u2167\ufb00\uac00\uac01\u1100\u1161\u11a8", "\U0001f642\U0001f469\u200d\U0001f467\U0001f3fd\U0001f1e6",
    "<|im_start|>both<rs><s>[MASK]word_\u2581\u2581\u0130\u0131\u03a3\u03c2", "!\"#$%&()*+,-./:;=?@[]^_`{|}~", "\u0915\u0916\u0917\u0e40\u0e01\u0e02\u0639\u0631\u0628\u064a\u05e2",
    "\x00\x01\x7f\ufffd\ufeff\ue000\U0010ffff"]
NAMES = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool>", "[MASK]", "<rs>", "both", "<TOOL>", "<s>", "</s>", "<unk>", "<|user|>",
         "<L>", "<R>", "word", "<|begin_of_text|>", "<|eot_id|>", "  ", "\n\n", "   x", "'re", "DON'T", "12345", " the", " ing"]
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
POSSESSIVE = r"[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s*[\r\n]|\s+(?!\S)|\s"


class Strings:
    def __init__(self, lines, seed):
        self.random = random.Random(seed)
        self.lines = lines or [" ".join(NAMES)]

    def next(self):
        r, parts = self.random, []
        for _ in range(r.choice([1, 2, 3, 5, 8, 20])):
            kind = r.random()
            if kind < 0.25:
                parts.append(r.choice(NAMES))
            elif kind < 0.5:
                parts.append(r.choice(self.lines)[: r.randint(1, 60)])
            else:
                letters = r.choice(ALPHABETS)
                parts.append("".join(r.choice(letters) for _ in range(r.randint(1, r.choice([3, 10, 60])))))
        return "".join(parts)


def train(corpus, pre=None, norm=None, dec=None, fallback=False, unk=False, fuse=False, byte=False, limit=None, added=False):
    t = Tokenizer(models.BPE(byte_fallback=fallback, unk_token="<unk>" if fallback or unk else None, fuse_unk=fuse))
    if pre:
        t.pre_tokenizer = pre
    if norm:
        t.normalizer = norm
    specials = ["<unk>", "<s>", "</s>"] + (["<0x%02X>" % i for i in range(256)] if fallback else [])
    more = {"limit_alphabet": limit} if limit else {}
    t.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=3000, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if byte else [],
        show_progress=False, max_token_length=16, **more))
    if dec:
        t.decoder = dec
    if added:
        t.add_tokens([AddedToken("both", single_word=True, lstrip=True, rstrip=True, normalized=True), AddedToken("<TOOL>", normalized=True),
                      AddedToken("<rs>", rstrip=True, normalized=False), AddedToken("  ", rstrip=True, lstrip=True), AddedToken("\u0130x")])
    root = json.loads(t.to_str())
    root["added_tokens"] = [a for a in root["added_tokens"] if not a["content"].startswith("<0x")]  # bytes are no specials
    return Tokenizer.from_str(json.dumps(root))


def made(corpus):
    p, n, d = pre_tokenizers, normalizers, decoders
    level, plain = p.ByteLevel(add_prefix_space=False), p.ByteLevel(add_prefix_space=False, use_regex=False)

    def make(**options):
        return train(corpus, **options)

    yield "punctuation, byte level, digits, threes", make(pre=p.Sequence([p.Punctuation("contiguous"), level, p.Digits(individual_digits=False),
                                                                         p.Split(Regex("[0-9][0-9][0-9]"), "isolated")]), byte=True, dec=d.ByteLevel())
    yield "digits, byte level", make(pre=p.Sequence([p.Digits(individual_digits=True), p.ByteLevel(add_prefix_space=True)]), byte=True,
                                     dec=d.ByteLevel(), added=True)
    for name, pattern in ("o200k", O200K), ("possessive", POSSESSIVE):
        yield name, make(pre=p.Sequence([p.Split(Regex(pattern), "isolated"), plain]), byte=True, dec=d.ByteLevel())
    for behavior in "removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous":
        for invert in False, True:
            yield f"split {behavior} {invert}", make(pre=p.Split(Regex(r"\w\W?|\s"), behavior, invert=invert), unk=True, dec=d.Fuse())
        yield f"split by a letter, {behavior}", make(pre=p.Split("e", behavior), unk=True, fuse=True, dec=d.Metaspace())
        yield f"empty matches, {behavior}", make(pre=p.Split(Regex("x*"), behavior), fallback=True)
    yield "whitespace", make(pre=p.Whitespace(), norm=n.Sequence([n.NFKD(), n.Lowercase()]), fallback=True)
    yield "whitespace split", make(pre=p.WhitespaceSplit(), norm=n.Sequence([n.NFKC(), n.Strip()]), unk=True, limit=200)
    yield "punctuation", make(pre=p.Sequence([p.Whitespace(), p.Punctuation()]), norm=n.NFD(), unk=True, limit=100, fuse=True)
    yield "classes", make(pre=p.Split(Regex(r"[\s\w]\h*|\S\H|[^\s]"), "isolated"), norm=n.Lowercase(), fallback=True)
    yield "metaspace always", make(pre=p.Metaspace(prepend_scheme="always", split=True), fallback=True,
                                   dec=d.Metaspace(prepend_scheme="always"), added=True)
    yield "metaspace first", make(pre=p.Metaspace(prepend_scheme="first", split=False), fallback=True,
                                  dec=d.Metaspace(prepend_scheme="first"), added=True)
    yield "metaspace never", make(pre=p.Sequence([p.Digits(individual_digits=True), p.Metaspace(prepend_scheme="never")]),
                                  norm=n.Replace(Regex(r"\s{2,}|[\u3002\uff0c]"), " "), fallback=True,
                                  dec=d.Metaspace(prepend_scheme="never"), added=True)
    yield "replace", make(norm=n.Sequence([n.Replace(" ", "\u2581"), n.Replace(Regex("(?i)[a\u00e9]|$"), "<A>"), n.Prepend("\u2581")]), fallback=True,
                          dec=d.Sequence([d.Replace("\u2581", " "), d.ByteFallback(), d.Fuse(), d.Strip(" ", 1, 0)]), added=True)
    yield "lower case", make(pre=p.ByteLevel(add_prefix_space=True), norm=n.Lowercase(), byte=True, dec=d.ByteLevel(), added=True)
    yield "no decoder", make(pre=level, norm=n.NFC(), byte=True)


def answers(command, path, rows, *more):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    run = subprocess.run([PLEIAD, command, "--tokenizer", path, "--jsonl", *more], input=text.encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in run.stdout.split(b"\n") if line]


def differences_of(tokenizer, path, texts):
    rows = [{"text": t} for t in texts]
    tokenizer.encode_special_tokens = False
    wanted = {"parse": [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]}
    tokenizer.encode_special_tokens = True
    wanted["text"] = [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
    differences = []
    for policy, want in wanted.items():
        got = [a["ids"] for a in answers("tokenize", path, rows, "--special", policy)]
        differences += [(policy, t, g, w) for t, g, w in zip(texts, got, want) if g != w]
    ids = wanted["parse"]
    got = [a["text"] for a in answers("detokenize", path, [{"ids": i} for i in ids], "--special", "parse")]
    want = tokenizer.decode_batch(ids, skip_special_tokens=False)
    return differences + [("decode", i, g, w) for i, g, w in zip(ids, got, want) if g != w]


def compare(name, tokenizer, path, strings, count, shown):
    differences, characters = 0, 0
    for start in range(0, count, BATCH):
        texts = [strings.next() for _ in range(min(BATCH, count - start))]
        characters += sum(map(len, texts))
        found = differences_of(tokenizer, path, texts)
        for policy, given, g, w in found[: max(0, shown - differences)]:
            print(f"{name}, {policy}: {given!r}\n  pleiad  {g!r}\n  library {w!r}")
        differences += len(found)
    print(f"{name}: {count} strings, {characters} characters, {differences} differences", flush=True)
    return differences


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizers", nargs="*")
    parser.add_argument("--count", type=int, default=2000, help="strings for each tokenizer")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--made", action="store_true", help="also tokenizers made here")
    parser.add_argument("--text", action="append", default=[], help="a file whose lines are used too")
    parser.add_argument("--show", type=int, default=3)
    args = parser.parse_args()
    lines = [line for name in args.text for line in open(name, encoding="utf-8", newline="").read().split("\n") if line]
    strings, differences = Strings(lines, args.seed), 0
    print(f"tokenizers {__version__}, seed {args.seed}")
    for path in args.tokenizers:
        differences += compare(path, Tokenizer.from_file(path), path, strings, args.count, args.show)
    if args.made:
        corpus = [strings.next().replace("\0", "") for _ in range(1500)]  # a vocabulary with NUL is refused
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "tokenizer.json")
            for name, tokenizer in made(corpus):
                tokenizer.save(path)
                differences += compare(name, tokenizer, path, strings, args.count, args.show)
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
