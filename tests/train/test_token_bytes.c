#include "train/token_bytes.h"

#include <stdlib.h>

#include "base/file.h"
#include "test.h"

// Bytes of the ids of a text sum to the bytes of the text, whatever the tokenizer.
TEST(bytes_of_tokens_sum_to_the_text) {
  char path[PATH_BYTES];
  ASSERT_OK(path_join(path, test_shared(), "data/tokenizers/telechat3"));
  Tokenizer *t;
  TokenizerWork *w;
  ASSERT_OK(tokenizer_open(&t, path));
  ASSERT_OK(tokenizer_work_open(&w, t));
  int64_t vocab = tokenizer_vocab(t) + 7;
  int32_t *bytes = calloc((size_t)vocab, sizeof *bytes);
  ASSERT(bytes);
  ASSERT_OK(token_bytes(t, vocab, bytes));
  static const char *const texts[] = {"a plain sentence, with  two spaces\nand lines",
                                      "\xe4\xb8\xad\xe6\x96\x87\xe3\x80\x82 mixed \xf0\x9f\x98\x80 text",
                                      "int main(void) { return 0; }\n\t\t", "\xf0\xa0\x80\x80\xf0\xaa\x9a\xa5"};
  for (size_t i = 0; i < 4; i++) {
    Ids ids = {0};
    Bytes back = {0};
    ASSERT_OK(tokenizer_encode(t, w, texts[i], strlen(texts[i]), SPECIAL_TEXT, &ids));
    ASSERT_OK(tokenizer_decode(t, w, ids.id, ids.count, false, &back));
    int64_t sum = 0;
    for (int64_t k = 0; k < ids.count; k++) sum += bytes[ids.id[k]];
    long long lead = (long long)sum - (long long)back.size;  // the first piece may carry a space that decoding takes off
    ASSERT_MSG(lead == 0 || lead == 1, "text %zu: tokens have %lld bytes, the text %zu", i, (long long)sum, back.size);
    ids_free(&ids);
    bytes_free(&back);
  }
  ASSERT_INT(bytes[vocab - 1], 0);
  free(bytes);
  tokenizer_work_close(w);
  tokenizer_close(t);
}
