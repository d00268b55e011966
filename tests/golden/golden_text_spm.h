// The golden cases of SentencePiece models.
#ifndef TESTS_GOLDEN_GOLDEN_TEXT_SPM_H
#define TESTS_GOLDEN_GOLDEN_TEXT_SPM_H

#include "golden/golden.h"

// text: the folder `text` of a golden tree. `text/spm`: each model of the folder with the rows beside it.
GoldenCount golden_text_spm(const char *text);
// `text/tokenizer`: ids, decoding, special tokens, the first pieces; the model of NAME.ids.jsonl is
// text/../../data/tokenizers/NAME/tokenizer.model. A case without its model counts as failed.
GoldenCount golden_text_tokenizer(const char *text);

#endif
