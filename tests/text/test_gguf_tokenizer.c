// Tokenizers through the key-values of a GGUF file and back: the same ids, the same ends, the same template.
#include <stdlib.h>

#include "base/file.h"
#include "test.h"
#include "text/chat.h"
#include "text/gguf_tokenizer.h"
#include "text/spm_make.h"

static const char *const texts[] = {
    "Hello world 123! don't DON'T 'S  it's 12345",
    " a  b\t\tc\n\n\n d \r\n e",
    "你好，世界。今天天气不错！カタカナ",
    "naïve café ÅÅ é",
    "<|im_start|>user\nhi<|im_end|> <s> </s> <unk>",
    "x = y_2 + f(3.14159); // ok?\n\tif (a) { b(); }",
    "\xff broken \xe4\xbd",
    "🙂👩‍👧 🇦",
    "",
};

// A case of the project's own golden tree.
static const char *own_case(const char *name) {
  static char path[2][PATH_BYTES];
  static int next;
  char *out = path[next++ % 2];
  snprintf(out, PATH_BYTES, "%s/tests/golden/cases/text/%s", test_root(), name);
  return out;
}

// A GGUF file with only a tokenizer, for so many rows more than it has tokens.
static Err write_file(const char *tokenizer, int64_t more, const char *to) {
  Tokenizer *t;
  GgufWriter w;
  const int64_t none[3] = {-1, -1, -1};
  TRY(tokenizer_open(&t, tokenizer));
  int64_t rows = tokenizer_vocab(t) + more;
  tokenizer_close(t);
  TRY(gguf_create(&w, to));
  Err err = gguf_put_tokenizer(&w, tokenizer, rows, none);
  if (!err) err = gguf_begin(&w);
  if (!err) err = gguf_commit(&w);
  gguf_abandon(&w);
  return err;
}

static void same_ids(const Tokenizer *a, const Tokenizer *b, const char *text, SpecialPolicy special) {
  TokenizerWork *wa, *wb;
  Ids x = {0}, y = {0};
  ASSERT_OK(tokenizer_work_open(&wa, a));
  ASSERT_OK(tokenizer_work_open(&wb, b));
  ASSERT_OK(tokenizer_encode_special(a, wa, text, strlen(text), special, &x));
  ASSERT_OK(tokenizer_encode_special(b, wb, text, strlen(text), special, &y));
  ASSERT_MSG(x.count == y.count, "%s: %lld ids, want %lld", text, (long long)y.count, (long long)x.count);
  for (int64_t i = 0; i < x.count; i++) ASSERT_INT(x.id[i], y.id[i]);
  Bytes s = {0}, t = {0};
  ASSERT_OK(tokenizer_decode(a, wa, x.id, x.count, true, &s));
  ASSERT_OK(tokenizer_decode(b, wb, y.id, y.count, true, &t));
  ASSERT(s.size == t.size && (s.size == 0 || memcmp(s.data, t.data, s.size) == 0));
  bytes_free(&s);
  bytes_free(&t);
  ids_free(&x);
  ids_free(&y);
  tokenizer_work_close(wa);
  tokenizer_work_close(wb);
}

// special: also with the names of special tokens, where the format says all there is to say about them.
static void comes_back(const char *tokenizer, bool special) {
  char file[PATH_BYTES], folder[PATH_BYTES];
  Tokenizer *a, *b, *c;
  snprintf(file, sizeof file, "%.2000s/t.gguf", test_folder());
  snprintf(folder, sizeof folder, "%.2000s/out", test_folder());
  ASSERT_OK(folder_make(folder));
  ASSERT_OK(write_file(tokenizer, 3, file));
  ASSERT_OK(gguf_tokenizer_write(file, folder));
  ASSERT_OK(tokenizer_open(&a, tokenizer));
  ASSERT_OK(tokenizer_open(&b, file));
  ASSERT_OK(tokenizer_open(&c, folder));
  ASSERT_INT(tokenizer_vocab(b), tokenizer_vocab(a) + 3);
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    for (int policy = 0; policy < 1 + special; policy++) {
      same_ids(a, b, texts[i], policy ? SPECIAL_PARSE : SPECIAL_TEXT);
      same_ids(a, c, texts[i], policy ? SPECIAL_PARSE : SPECIAL_TEXT);
    }
  if (tokenizer_bos(a) >= 0) ASSERT_INT(tokenizer_bos(b), tokenizer_bos(a));  // else what its template begins with
  ASSERT_INT(tokenizer_eos(b), tokenizer_eos(a));
  ASSERT_INT(tokenizer_bos(c), tokenizer_bos(b));
  ASSERT_INT(tokenizer_eos(c), tokenizer_eos(b));
  tokenizer_close(a);
  tokenizer_close(b);
  tokenizer_close(c);
  ASSERT_OK(folder_remove(folder));
}

TEST(byte_level_models_come_back) {
  comes_back(own_case("hf/gpt2/tokenizer.json"), false);  // its added tokens strip spaces, which GGUF cannot say
  comes_back(own_case("hf/llama3/tokenizer.json"), true);
  comes_back(own_case("hf/qwen/tokenizer.json"), false);
  comes_back(own_case("hf/deepseek_v3/tokenizer.json"), true);  // line ends as characters; a normaliser of no steps
}

TEST(sentencepiece_models_come_back) {
  comes_back(own_case("spm/bpe_user_symbols.model"), true);
  comes_back(own_case("spm/unigram_bytes_nodummy.model"), true);
}

// A character that is a piece by itself alone is a normal one for who reads the file; not one that others are joined of.
TEST(user_defined_characters_are_plain_where_that_is_the_same) {
  static const struct {
    const char *text;
    int64_t type;
  } users[] = {{"7", SPM_NORMAL}, {"\n", SPM_NORMAL},       {"b", SPM_USER_DEFINED},
               {"_", SPM_NORMAL}, {"__", SPM_USER_DEFINED}, {"\xe2\x96\x81", SPM_USER_DEFINED}};
  enum { FIRST = 3, USERS = sizeof users / sizeof users[0] };
  char model[PATH_BYTES], file[PATH_BYTES];
  Bytes bytes = {0};
  Gguf g;
  const GgufValue *types;
  make_reserved(&bytes, false);
  for (int i = 0; i < USERS; i++) make_piece(&bytes, users[i].text, 0, 0, SPM_USER_DEFINED);
  make_piece(&bytes, "a", 0, -1, SPM_NORMAL);
  make_piece(&bytes, "aa", 0, -2, SPM_NORMAL);
  make_piece(&bytes, "ab", 0, -3, SPM_NORMAL);
  make_options(&bytes, (MakeOptions){.type = SPM_BPE, .keep_spaces = true});
  snprintf(model, sizeof model, "%.2000s/m.model", test_folder());
  snprintf(file, sizeof file, "%.2000s/m.gguf", test_folder());
  ASSERT_OK(file_replace(model, bytes.data, bytes.size));
  ASSERT_OK(write_file(model, 0, file));
  ASSERT_OK(gguf_open(&g, file));
  ASSERT_OK(gguf_array(&g, "tokenizer.ggml.token_type", false, GGUF_I32, &types));
  for (int i = 0; i < USERS; i++) ASSERT_INT(gguf_array_int(types, FIRST + i), users[i].type);
  gguf_close(&g);
  Tokenizer *a, *b;
  ASSERT_OK(tokenizer_open(&a, model));
  ASSERT_OK(tokenizer_open(&b, file));
  static const char *const mixed[] = {"77a7aa", "a_b__a___aab", "b7\nab a", "\342\226\2017aa"};
  for (int i = 0; i < 4; i++) same_ids(a, b, mixed[i], SPECIAL_TEXT);
  tokenizer_close(a);
  tokenizer_close(b);
  bytes_free(&bytes);
}

TEST(models_of_others_come_back) {
  char path[PATH_BYTES];
  static const char *const names[] = {"golden/text/spm/unigram_nmt_nfkc.model", "data/tokenizers/telechat3/tokenizer.model"};
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "%.2000s/%s", test_shared(), names[i]);
    comes_back(path, true);
  }
  snprintf(path, sizeof path, "%.2000s/t.gguf", test_folder());
  char model[PATH_BYTES];
  snprintf(model, sizeof model, "%.2000s/golden/text/spm/char.model", test_shared());
  ASSERT_ERR(write_file(model, 0, path), ERR_CONFIG, "characters");
  snprintf(model, sizeof model, "%.2000s/golden/text/spm/bpe_cf_suffix.model", test_shared());
  ASSERT_ERR(write_file(model, 0, path), ERR_CONFIG, "behind words");
}

TEST(a_copy_of_a_file_is_its_key_values) {
  char a[PATH_BYTES], b[PATH_BYTES];
  FileMap x, y;
  snprintf(a, sizeof a, "%.2000s/a.gguf", test_folder());
  snprintf(b, sizeof b, "%.2000s/b.gguf", test_folder());
  ASSERT_OK(write_file(own_case("hf/llama3/tokenizer.json"), 5, a));
  ASSERT_OK(write_file(a, 0, b));
  ASSERT_OK(file_map(&x, a));
  ASSERT_OK(file_map(&y, b));
  ASSERT(x.size == y.size && memcmp(x.data, y.data, x.size) == 0);
  file_unmap(&x);
  file_unmap(&y);
}

TEST(what_has_no_form_is_refused) {
  char to[PATH_BYTES];
  snprintf(to, sizeof to, "%.2000s/t.gguf", test_folder());
  ASSERT_ERR(write_file(own_case("hf/llama2/tokenizer.json"), 0, to), ERR_CONFIG, "no name in GGUF");
  ASSERT_ERR(write_file(own_case("hf/gpt2/tokenizer.json"), -1, to), ERR_CONFIG, "rows");
  ASSERT(!file_exists(to));
}

// ---- files that are wrong

static void put_all(GgufWriter *w, const char *model, const char *pre, int64_t scores) {
  static const GgufText pieces[] = {{"a", 1}, {"b", 1}, {"ab", 2}, {"<e>", 3}}, merges[] = {{"a b", 3}};
  static const int32_t types[] = {1, 1, 1, 3};
  static const float score[] = {0, 0, -1, 0};
  if (model) ASSERT_OK(gguf_put_text(w, "tokenizer.ggml.model", model, strlen(model)));
  if (pre) ASSERT_OK(gguf_put_text(w, "tokenizer.ggml.pre", pre, strlen(pre)));
  ASSERT_OK(gguf_put_texts(w, "tokenizer.ggml.tokens", pieces, 4));
  ASSERT_OK(gguf_put_i32s(w, "tokenizer.ggml.token_type", types, 4));
  ASSERT_OK(gguf_put_texts(w, "tokenizer.ggml.merges", merges, 1));
  if (scores) ASSERT_OK(gguf_put_f32s(w, "tokenizer.ggml.scores", score, scores));
}

static Err open_with(const char *model, const char *pre, int64_t scores, uint32_t eos) {
  static const char template[] = "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}";
  char path[PATH_BYTES];
  GgufWriter w;
  Tokenizer *t;
  snprintf(path, sizeof path, "%.2000s/w.gguf", test_folder());
  ASSERT_OK(gguf_create(&w, path));
  put_all(&w, model, pre, scores);
  ASSERT_OK(gguf_put_u32(&w, "tokenizer.ggml.eos_token_id", eos));
  ASSERT_OK(gguf_put_text(&w, "tokenizer.chat_template", template, strlen(template)));
  ASSERT_OK(gguf_begin(&w));
  ASSERT_OK(gguf_commit(&w));
  TRY(tokenizer_open(&t, path));
  tokenizer_close(t);
  return ERR_OK;
}

TEST(what_is_wrong_is_named) {
  ASSERT_OK(open_with("gpt2", "gpt-2", 0, 3));
  ASSERT_ERR(open_with(NULL, "gpt-2", 0, 3), ERR_FORMAT, "\"tokenizer.ggml.model\" is missing");
  ASSERT_ERR(open_with("bert", "gpt-2", 0, 3), ERR_FORMAT, "\"bert\"; gpt2, llama and t5 are read");
  ASSERT_ERR(open_with("gpt2", NULL, 0, 3), ERR_FORMAT, "\"tokenizer.ggml.pre\" is missing");
  ASSERT_ERR(open_with("gpt2", "default", 0, 3), ERR_FORMAT, "\"default\", which is not read here");
  ASSERT_ERR(open_with("gpt2", "gpt-2", 3, 3), ERR_FORMAT, "\"tokenizer.ggml.scores\" has 3 items");
  ASSERT_ERR(open_with("gpt2", "gpt-2", 0, 4), ERR_FORMAT, "\"tokenizer.ggml.eos_token_id\" is 4, but there are 4 tokens");
  ASSERT_ERR(open_with("llama", NULL, 0, 3), ERR_FORMAT, "\"tokenizer.ggml.scores\" is missing");
}

TEST(the_chat_template_is_in_the_file) {
  char path[PATH_BYTES];
  Chat c;
  JinjaOutput out = {0};
  ASSERT_OK(open_with("gpt2", "gpt-2", 0, 3));
  snprintf(path, sizeof path, "%.2000s/w.gguf", test_folder());
  ASSERT_OK(chat_open(&c, path));
  json_t *messages = json_loads("[{\"role\": \"user\", \"content\": \"hi\"}]", 0, NULL);
  ASSERT_OK(chat_render(&c, &(ChatRequest){.messages = messages}, &out));
  ASSERT(out.text.size == 5 && memcmp(out.text.data, "hi<e>", 5) == 0);
  json_decref(messages);
  jinja_output_free(&out);
  chat_close(&c);
}
