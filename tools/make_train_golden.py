#!/usr/bin/env python3
"""Makes tests/golden/train: a generated text, and what the reference trainers make of it.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install sentencepiece==0.2.3 tokenizers==0.23.3 protobuf
    /tmp/venv/bin/python tools/make_train_golden.py

Each line of cases.jsonl: {"name", "format", "vocab", "options", "pieces"} with all pieces in order (SentencePiece), or "merges", pairs
in byte-level characters (Hugging Face). Options are the members of TrainOptions that are not the default.
"""
import json
import os
import random
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden", "train")


def make_text():
    """Words of a small invented language, Han and kana, numbers, rules, indents, tabs: ties and repeats on purpose."""
    rng = random.Random(20260101)
    syllables = ["ka", "lo", "mi", "ren", "tos", "va", "ae", "aa", "ss", "ng", "qu", "é", "ßa"]
    words = ["".join(rng.choice(syllables) for _ in range(rng.randint(1, 4))) for _ in range(300)]
    han = [chr(0x4E00 + rng.randrange(400)) for _ in range(90)] + list("のカーナ、。")
    lines = []
    for _ in range(700):
        parts = []
        for _ in range(rng.randint(1, 9)):
            kind = rng.random()
            if kind < 0.62:
                parts.append(rng.choice(words[: rng.choice([10, 60, 300])]))
            elif kind < 0.8:
                parts.append("".join(rng.choice(han[: rng.choice([8, 96])]) for _ in range(rng.randint(1, 8))))
            elif kind < 0.9:
                parts.append(str(rng.randrange(10 ** rng.randint(1, 5))) + rng.choice(["", "kg", "%", "年"]))
            else:
                parts.append(rng.choice(["----", "=====", "a\tb", "\t\t", "__init__", "'s", "<_user>", "(x)", "...", "１２"]))
        lines.append(rng.choice(["", "", "  ", "    "]) + rng.choice([" ", " ", "  "]).join(parts))
    return "\n".join(lines) + "\n"


def spm_case(text, name, vocab, options, reference):
    with tempfile.TemporaryDirectory() as folder:
        sentencepiece.SentencePieceTrainer.train(
            input=text, model_prefix=folder + "/m", vocab_size=vocab, model_type="bpe", normalization_rule_name="identity",
            remove_extra_whitespaces=False, minloglevel=2, **reference)
        model = sentencepiece_model_pb2.ModelProto()
        with open(folder + "/m.model", "rb") as f:
            model.ParseFromString(f.read())
    return {"name": name, "format": "sentencepiece", "vocab": vocab, "options": options, "pieces": [p.piece for p in model.pieces]}


def hf_case(text, name, vocab, digits):
    tokenizer = Tokenizer(models.BPE())
    level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), level]) if digits else level
    tokenizer.train([text], trainers.BpeTrainer(vocab_size=vocab, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                                special_tokens=["<s>", "</s>"], show_progress=False))
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return {"name": name, "format": "huggingface", "vocab": vocab, "options": {"split_digits": digits}, "merges": merges}


def main():
    os.makedirs(FOLDER, exist_ok=True)
    text = os.path.join(FOLDER, "text.txt")
    with open(text, "w", encoding="utf-8", newline="") as f:
        f.write(make_text())
    cases = [
        spm_case(text, "default", 420, {}, {}),
        spm_case(text, "bytes_digits_spaces", 760,
                 {"byte_fallback": True, "split_digits": True, "allow_whitespace_only": True, "max_piece_length": 6, "user": ["\t", "__", "_"],
                  "control": ["<_user>"]},
                 {"byte_fallback": True, "split_digits": True, "allow_whitespace_only_pieces": True, "max_sentencepiece_length": 6,
                  "user_defined_symbols": ["\t", "__", "_"], "control_symbols": ["<_user>"]}),
        spm_case(text, "coverage_scripts", 380,
                 {"character_coverage": 0.98, "split_by_script": False, "split_by_number": False, "max_sentence_bytes": 60},
                 {"character_coverage": 0.98, "split_by_unicode_script": False, "split_by_number": False, "max_sentence_length": 60}),
        spm_case(text, "across_spaces", 400, {"split_by_whitespace": False}, {"split_by_whitespace": False}),
        hf_case(text, "byte_level", 700, False),
        hf_case(text, "byte_level_digits", 520, True),
    ]
    with open(os.path.join(FOLDER, "cases.jsonl"), "w", encoding="utf-8") as f:
        for case in cases:
            f.write(json.dumps(case, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
