// Streamed text adds up to the text decoded at once, and never shows half a character.
#include "text/stream.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/utf8.h"
#include "test.h"

static bool whole_characters(const Bytes *b) {
  // A piece that is cut inside a character would end in U+FFFD or in a byte that begins one.
  return b->size < 3 || memcmp(b->data + b->size - 3, "\xEF\xBF\xBD", 3) != 0;
}

static void stream_text(const Tokenizer *t, TokenizerWork *w, TextStream *s, const char *text) {
  Ids ids = {0};
  Bytes whole = {0}, streamed = {0}, piece = {0};
  ASSERT_OK(tokenizer_encode(t, w, text, strlen(text), SPECIAL_TEXT, &ids));
  ASSERT_OK(tokenizer_decode(t, w, ids.id, ids.count, false, &whole));
  ASSERT_OK(text_stream_start(s, NULL, 0));
  streamed.data = malloc(whole.size + 1);
  for (int64_t i = 0; i <= ids.count; i++) {
    piece.size = 0;
    if (i < ids.count) ASSERT_OK(text_stream_push(s, ids.id[i], &piece));
    else ASSERT_OK(text_stream_end(s, &piece));
    ASSERT(whole_characters(&piece) || strstr(text, "\xEF\xBF\xBD"));
    ASSERT_MSG(streamed.size + piece.size <= whole.size, "more text streamed than there is in \"%s\"", text);
    if (piece.size) memcpy(streamed.data + streamed.size, piece.data, piece.size);
    streamed.size += piece.size;
  }
  ASSERT_MSG(streamed.size == whole.size && (!whole.size || memcmp(streamed.data, whole.data, whole.size) == 0),
             "streamed \"%.*s\", want \"%.*s\"", (int)streamed.size, streamed.data, (int)whole.size, whole.data);
  ids_free(&ids);
  bytes_free(&whole);
  bytes_free(&streamed);
  bytes_free(&piece);
}

static void stream_with(const char *path) {
  static const char *const texts[] = {"hello world",
                                      " two  spaces and\ttab\nnewline ",
                                      "你好，世界 2024",
                                      "naïve 😀😃 龘䶮 mixed 中文 and English 1234567.89",
                                      "👨‍👩‍👧 e\xCC\x81 \xE2\x96\x81 a_b__c",
                                      "    return x;\n\n\n}",
                                      "",
                                      " "};
  Tokenizer *t;
  TokenizerWork *w;
  TextStream s;
  ASSERT_OK(tokenizer_open(&t, path));
  ASSERT_OK(tokenizer_work_open(&w, t));
  ASSERT_OK(text_stream_open(&s, t, false));
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) stream_text(t, w, &s, texts[i]);
  text_stream_close(&s);
  tokenizer_work_close(w);
  tokenizer_close(t);
}

TEST(streams_add_up_to_the_text) {
  static const char *const files[] = {"data/tokenizers/telechat3/tokenizer.model", "golden/text/spm/bpe_user_symbols.model",
                                      "golden/text/hf/gpt2/tokenizer.json", "golden/text/hf/qwen/tokenizer.json",
                                      "golden/text/hf/llama2/tokenizer.json"};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", test_shared(), files[i]);
    stream_with(path);
  }
}
