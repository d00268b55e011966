// Golden cases of Hugging Face tokenizers: FOLDER/<name>/{tokenizer.json, ids.jsonl}, as ../shared/golden/text/README.md
// section 2 says.
#ifndef TESTS_GOLDEN_GOLDEN_TEXT_HF_H
#define TESTS_GOLDEN_GOLDEN_TEXT_HF_H

#include "golden/golden.h"

// Runs every tokenizer found in `folder`, which has the layout of ../shared/golden/text/hf; prints what differs on stderr.
GoldenCount golden_text_hf(const char *folder);

#endif
