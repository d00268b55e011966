// Training against what the reference trainers made of the same text (tests/golden/train, tools/make_train_golden.py).
#include "text/bpe_train.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "test.h"
#include "text/tokenizer.h"

enum { NAMES_MAX = 8 };

static void read_names(const json_t *options, const char *key, const char **names, int64_t *count) {
  const json_t *list = json_object_get(options, key);
  ASSERT(json_array_size(list) <= NAMES_MAX);
  for (size_t i = 0; i < json_array_size(list); i++) names[(*count)++] = json_string_value(json_array_get(list, i));
}

static void read_flag(const json_t *options, const char *key, bool *flag) {
  const json_t *v = json_object_get(options, key);
  if (v) *flag = json_is_true(v);
}

static void read_number(const json_t *options, const char *key, int64_t *number) {
  const json_t *v = json_object_get(options, key);
  if (v) *number = json_integer_value(v);
}

static void read_options(const json_t *c, TrainOptions *o, const char **control, const char **user) {
  const json_t *options = json_object_get(c, "options");
  bool spm = strcmp(json_string_value(json_object_get(c, "format")), "sentencepiece") == 0;
  train_defaults(o, spm ? TRAIN_SENTENCEPIECE : TRAIN_HUGGINGFACE);
  if (!spm) o->bos = "<s>", o->eos = "</s>";
  o->vocab = json_integer_value(json_object_get(c, "vocab"));
  read_flag(options, "split_digits", &o->split_digits);
  read_flag(options, "byte_fallback", &o->byte_fallback);
  read_flag(options, "allow_whitespace_only", &o->allow_whitespace_only);
  read_flag(options, "split_by_whitespace", &o->split_by_whitespace);
  read_flag(options, "split_by_script", &o->split_by_script);
  read_flag(options, "split_by_number", &o->split_by_number);
  read_number(options, "max_piece_length", &o->max_piece_length);
  read_number(options, "max_sentence_bytes", &o->max_sentence_bytes);
  const json_t *coverage = json_object_get(options, "character_coverage");
  if (coverage) o->character_coverage = json_real_value(coverage);
  read_names(options, "control", control, &o->n_control);
  read_names(options, "user", user, &o->n_user);
  o->control = control;
  o->user = user;
}

// Trains on the lines of text: each without its end for SentencePiece, with it for Hugging Face.
static Err train(const TrainOptions *o, const char *text, size_t size, int threads, const char *path) {
  Pool *pool;
  BpeTrainer *t = NULL;
  ASSERT_OK(pool_open(&pool, threads, false));
  Err err = bpe_trainer_open(&t, o, pool);
  for (size_t at = 0, end; !err && at < size; at = end) {
    const char *newline = memchr(text + at, '\n', size - at);
    end = newline ? (size_t)(newline - text) + 1 : size;
    err = bpe_trainer_add(t, text + at, end - at - (newline && o->format == TRAIN_SENTENCEPIECE));
  }
  if (!err) err = bpe_trainer_run(t, NULL, NULL);
  if (!err) err = bpe_trainer_save(t, path);
  bpe_trainer_close(t);
  pool_close(pool);
  return err;
}

static void check_pieces(const json_t *c, const char *path) {
  const json_t *want = json_object_get(c, "pieces");
  Tokenizer *t;
  ASSERT_OK(tokenizer_open(&t, path));
  ASSERT_INT(tokenizer_vocab(t), json_array_size(want));
  for (size_t i = 0; i < json_array_size(want); i++)
    ASSERT_TEXT(tokenizer_piece(t, (int32_t)i), json_string_value(json_array_get(want, i)));
  tokenizer_close(t);
}

static void check_merges(const json_t *c, const char *path) {
  json_t *made;
  Tokenizer *t;
  ASSERT_OK(tokenizer_open(&t, path));
  tokenizer_close(t);
  ASSERT_OK(json_read(&made, path, true));
  const json_t *got = json_object_get(json_object_get(made, "model"), "merges"), *want = json_object_get(c, "merges");
  ASSERT_INT(json_array_size(got), json_array_size(want));
  ASSERT(json_array_size(want) > 200);
  ASSERT(json_equal(got, want));
  json_decref(made);
}

static void read_golden(const char *name, char **text, size_t *size) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/tests/golden/train/%s", test_root(), name);
  ASSERT_OK(file_read(path, 1 << 24, text, size));
}

static void run_case(const json_t *c, const char *text, size_t size) {
  char path[PATH_BYTES], *first = NULL, *again = NULL;
  size_t first_size = 0, again_size;
  const char *control[NAMES_MAX], *user[NAMES_MAX];
  TrainOptions o;
  read_options(c, &o, control, user);
  snprintf(path, sizeof path, "%s/%s", test_folder(), json_string_value(json_object_get(c, "name")));
  for (int threads = 1; threads <= 5; threads += 2) {
    ASSERT_OK(train(&o, text, size, threads, path));
    if (o.format == TRAIN_SENTENCEPIECE) check_pieces(c, path);
    else check_merges(c, path);
    ASSERT_OK(file_read(path, 1 << 24, &again, &again_size));
    ASSERT(!first || (first_size == again_size && memcmp(first, again, first_size) == 0));
    free(first);
    first = again;
    first_size = again_size;
  }
  free(first);
}

TEST(training_gives_the_reference_merges_on_any_thread_count) {
  char *text, *cases;
  size_t size, cases_size;
  int count = 0;
  read_golden("text.txt", &text, &size);
  read_golden("cases.jsonl", &cases, &cases_size);
  for (char *at = cases, *end; at < cases + cases_size && (end = memchr(at, '\n', (size_t)(cases + cases_size - at)));
       at = end + 1) {
    json_t *c;
    ASSERT_OK(json_parse(&c, at, (size_t)(end - at), "cases.jsonl", true));
    run_case(c, text, size);
    json_decref(c);
    count++;
  }
  ASSERT(count >= 6);
  free(text);
  free(cases);
}

TEST(training_says_what_cannot_be) {
  char path[PATH_BYTES];
  TrainOptions o;
  static const char text[] = "aa bb cc aa bb\n";
  snprintf(path, sizeof path, "%s/none.model", test_folder());
  train_defaults(&o, TRAIN_SENTENCEPIECE);
  ASSERT_ERR(train(&o, text, sizeof text - 1, 1, path), ERR_ARG, "merges for a vocabulary of");
  o.vocab = 5;
  ASSERT_ERR(train(&o, text, sizeof text - 1, 1, path), ERR_ARG, "cannot hold");
  o.vocab = 8;
  ASSERT_ERR(train(&o, text, 0, 1, path), ERR_ARG, "no text to train on");
  o.unk = NULL;
  ASSERT_ERR(train(&o, text, sizeof text - 1, 1, path), ERR_ARG, "unknown piece");
  train_defaults(&o, TRAIN_SENTENCEPIECE);
  o.eos = "<s>";
  ASSERT_ERR(train(&o, text, sizeof text - 1, 1, path), ERR_ARG, "\"<s>\" is given twice");
  train_defaults(&o, TRAIN_HUGGINGFACE);
  o.vocab = 200;
  ASSERT_ERR(train(&o, text, sizeof text - 1, 1, path), ERR_ARG, "256 bytes");
  ASSERT(!file_exists(path));
}

TEST(training_a_small_byte_level_text_ends_early) {
  char path[PATH_BYTES];
  TrainOptions o;
  Tokenizer *t;
  snprintf(path, sizeof path, "%s/small.json", test_folder());
  train_defaults(&o, TRAIN_HUGGINGFACE);
  ASSERT_OK(train(&o, "aa aa\n\xff\n", 8, 2, path));  // a and a, space and aa; the pieces of U+FFFD
  ASSERT_OK(tokenizer_open(&t, path));
  ASSERT_INT(tokenizer_vocab(t), 260);
  tokenizer_close(t);
}
