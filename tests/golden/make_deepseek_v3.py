#!/usr/bin/env python3
"""Makes tests/golden/cases/text/hf/deepseek_v3: a small tokenizer that cuts as DeepSeek-V3's does, and ids by the tokenizers library.

usage: python3 tests/golden/make_deepseek_v3.py   (pip install tokenizers; made with 0.23.3)

The three patterns are those of DeepSeek-V3's tokenizer.json, with the characters CR and LF where it has them. The vocabulary is trained on
the texts of the llama3 case, and these and some more are the cases.
"""
import json
import pathlib

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HF = pathlib.Path(__file__).resolve().parent / "cases/text/hf"
WORDS = ("[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*"
         "|\\s*[\r\n]+|\\s+(?!\\S)|\\s+")
MORE = ["_snake_case .dot,comma don't I'll 1234567 x12y345", "漢字かなカナー混じりの文、１２３４。", "龥龦一丁ヿ\u3040゠ｶﾅ 한국어", "a\u0301e\u0308 ①②③ ½ Ⅷ ٣٤٥٦",
        "=> -> != ≤ ∑ € 👍🏽 \r\n\r\n  \n\t x\r\r", "  \u00a0 \u3000 \u2028a\u2029 b  ", "print(\"%s\" % x)\n\n\treturn {}\r\n", "中文English混排123测试，标点。"]


def main():
    texts = [json.loads(line)["text"] for line in open(HF / "llama3/ids.jsonl", encoding="utf-8")] + MORE
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.Sequence([])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(p), "isolated") for p in ("\\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+", WORDS)]
                                              + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    t.train_from_iterator(texts * 4, trainers.BpeTrainer(vocab_size=1500, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    t.add_special_tokens([AddedToken(x, normalized=False) for x in ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>")])
    t.add_tokens([AddedToken(x, normalized=False) for x in ("<｜User｜>", "<think>")])
    out = HF / "deepseek_v3"
    out.mkdir(exist_ok=True)
    t.save(str(out / "tokenizer.json"), pretty=False)
    with open(out / "ids.jsonl", "w", encoding="utf-8") as f:
        for text in texts:
            ids = [t.encode(text, add_special_tokens=special).ids for special in (False, True)]
            f.write(json.dumps({"text": text, "ids": ids[0], "ids_special": ids[1]}, ensure_ascii=False) + "\n")


main()
