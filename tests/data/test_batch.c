#include <stdlib.h>

#include "base/file.h"
#include "data/batch.h"
#include "data/gpt_cache.h"
#include "data/tiny_tokenizer.h"
#include "data/token_bytes.h"
#include "test.h"

enum { SEQUENCE = 8, ROWS = 3, EOD = 2 };

// A token file of `documents` documents; document d is d + 3, d + 4, ..., eod, in all `length` tokens.
static const char *write_file(const char *name, int documents, int length) {
  static char prefix[8][PATH_BYTES];
  static int used;
  IndexedWriter w;
  char *p = prefix[used++];
  ASSERT_OK(path_join(p, test_folder(), name));
  ASSERT_OK(indexed_create(&w, p, TOKENS_U16, NULL));
  for (int d = 0; d < documents; d++) {
    int32_t id[64];
    for (int i = 0; i < length; i++) id[i] = i + 1 < length ? d + 3 + i : EOD;
    ASSERT_OK(indexed_add(&w, id, length));
    ASSERT_OK(indexed_end_document(&w));
  }
  ASSERT_OK(indexed_commit(&w));
  return p;
}

static DataOptions options(const DataSource *source, int64_t sources) {
  return (DataOptions){.source = source,
                       .sources = sources,
                       .split = "1,0,0",
                       .samples = 20,
                       .T = SEQUENCE,
                       .vocab = 1000,
                       .seed = 1234,
                       .eod = EOD};
}

typedef struct {
  Batch b;
  int32_t ids[ROWS * SEQUENCE], labels[ROWS * SEQUENCE], position[ROWS * SEQUENCE], doc_start[ROWS * SEQUENCE];
  float mask[ROWS * SEQUENCE];
} Space;

static Batch *space(Space *s) {
  s->b = (Batch){.B = ROWS,
                 .T = SEQUENCE,
                 .ids = s->ids,
                 .labels = s->labels,
                 .mask = s->mask,
                 .position = s->position,
                 .doc_start = s->doc_start};
  return &s->b;
}

TEST(a_batch_is_a_function_of_the_sample_number) {
  DataSource source = {write_file("a", 40, 7), 1};
  DataOptions o = options(&source, 1);
  Dataset *d;
  Space one, three;
  ASSERT_OK(dataset_open(&d, &o));
  ASSERT(dataset_samples(d) >= 20);
  ASSERT_OK(data_batch(d, 4, space(&three)));
  for (int64_t row = 0; row < ROWS; row++) {
    space(&one)->B = 1;
    ASSERT_OK(data_batch(d, 4 + row, &one.b));
    ASSERT(memcmp(one.ids, three.ids + row * SEQUENCE, SEQUENCE * 4) == 0);
    ASSERT(memcmp(one.labels, three.labels + row * SEQUENCE, SEQUENCE * 4) == 0);
    ASSERT(memcmp(one.ids + 1, one.labels, (SEQUENCE - 1) * 4) == 0);
    ASSERT_INT(one.b.mask_count, SEQUENCE);
  }
  ASSERT_ERR(data_batch(d, dataset_samples(d) - 1, space(&three)), ERR_ARG, "the data set has");
  dataset_close(d);
}

TEST(masks_follow_the_documents) {
  DataSource source = {write_file("a", 40, 5), 1};
  DataOptions o = options(&source, 1);
  o.eod_mask_loss = o.reset_positions = o.reset_attention = true;
  Dataset *d;
  Space s;
  ASSERT_OK(dataset_open(&d, &o));
  ASSERT_OK(data_batch(d, 0, space(&s)));
  int64_t counted = 0;
  for (int64_t i = 0; i < ROWS * SEQUENCE; i++) {
    int32_t row = (int32_t)(i % SEQUENCE);
    bool begins = row == 0 || s.ids[i - 1] == EOD;
    ASSERT_INT(s.doc_start[i], begins ? row : s.doc_start[i - 1]);
    ASSERT_INT(s.position[i], row - s.doc_start[i]);
    ASSERT((s.mask[i] == 0) == (s.ids[i] == EOD));
    counted += s.mask[i] != 0;
  }
  ASSERT_INT(s.b.mask_count, counted);
  ASSERT(counted < ROWS * SEQUENCE);
  dataset_close(d);
  o.eod = -1;
  ASSERT_ERR(dataset_open(&d, &o), ERR_CONFIG, "ends a document");
}

TEST(a_blend_draws_from_its_sources_by_weight) {
  DataSource source[2] = {{write_file("a", 40, 7), 3}, {write_file("b", 60, 9), 1}};
  DataOptions o = options(source, 2);
  Dataset *d;
  Space s;
  int64_t from[2] = {0}, set, sample;
  o.samples = 40;
  ASSERT_OK(dataset_open(&d, &o));
  ASSERT_INT(dataset_samples(d), 40);
  for (int64_t i = 0; i < 40; i++) {
    dataset_place(d, i, &set, &sample);
    ASSERT_INT(sample, from[set]++);
  }
  ASSERT_INT(from[0], 30);
  ASSERT_INT(from[1], 10);
  ASSERT_OK(data_batch(d, 37, space(&s)));
  dataset_close(d);
  o.samples = ONE_EPOCH;  // all of both, once
  ASSERT_OK(dataset_open(&d, &o));
  ASSERT_INT(dataset_samples(d), (40 * 7 - 1) / SEQUENCE + (60 * 9 - 1) / SEQUENCE);
  dataset_close(d);
  source[1].prefix = "/nowhere/c";
  ASSERT_ERR(dataset_open(&d, &o), ERR_IO, "/nowhere/c.idx");
  source[1] = source[0];
  source[0].weight = source[1].weight = 0;
  o.samples = 10;
  ASSERT_ERR(dataset_open(&d, &o), ERR_CONFIG, "sum to 0");
}

TEST(too_little_data_is_said) {
  DataSource empty = {write_file("empty", 0, 0), 1}, tiny = {write_file("tiny", 1, 5), 1},
             some = {write_file("some", 3, 20), 1};
  DataOptions o = options(&empty, 1);
  Dataset *d;
  ASSERT_ERR(dataset_open(&d, &o), ERR_CONFIG, "none of the 0 sequences");
  o.source = &tiny;
  ASSERT_OK(dataset_open(&d, &o));  // as many epochs as it takes
  ASSERT(dataset_samples(d) >= 20);
  ASSERT(dataset_source(d, 0)->epochs > 20);
  dataset_close(d);
  o.samples = ONE_EPOCH;
  ASSERT_ERR(dataset_open(&d, &o), ERR_CONFIG, "5 tokens in sequences [0, 1), one sample wants 9");
  o.source = &some;
  o.split = "99,1,0";
  o.part = SPLIT_VALID;
  ASSERT_ERR(dataset_open(&d, &o), ERR_CONFIG, "split \"99,1,0\" gives the valid part none");
  o.T = 1;
  o.part = SPLIT_TRAIN;
  ASSERT_ERR(dataset_open(&d, &o), ERR_CONFIG, "sequence length 1");
  o.split = "1;0";
  ASSERT_ERR(dataset_open(&d, &o), ERR_ARG, "split \"1;0\"");
}

TEST(an_id_outside_the_vocabulary_is_named) {
  DataSource source = {write_file("a", 40, 7), 1};
  DataOptions o = options(&source, 1);
  o.vocab = 10;
  Dataset *d;
  Space s;
  Err err = ERR_OK;
  ASSERT_OK(dataset_open(&d, &o));
  for (int64_t i = 0; i + ROWS <= dataset_samples(d) && !err; i++) err = data_batch(d, i, space(&s));
  ASSERT(err == ERR_FORMAT && strstr(err_text(), "a.bin: sequence ") && strstr(err_text(), "vocabulary of 10"));
  dataset_close(d);
}

TEST(an_order_is_cached_and_a_damaged_cache_is_built_again) {
  DataSource source = {write_file("a", 40, 7), 1};
  DataOptions o = options(&source, 1);
  char cache[PATH_BYTES], path[PATH_BYTES], md5[MD5_HEX_BYTES], name[128], *text;
  ASSERT_OK(path_join(cache, test_folder(), "cache"));
  Dataset *plain, *cached;
  Space a, b;
  ASSERT_OK(dataset_open(&plain, &o));
  o.cache = cache;
  ASSERT_OK(gpt_cache_describe(source.prefix, o.split, o.part, &(GptOptions){.samples = 20, .T = SEQUENCE, .seed = 1234}, &text,
                               md5));
  free(text);
  snprintf(name, sizeof name, "%s-GPTDataset-train-shuffle_index.npy", md5);
  ASSERT_OK(path_join(path, cache, name));
  for (int round = 0; round < 3; round++) {  // made, read, damaged
    if (round == 2) ASSERT_OK(file_replace(path, "\x93NUMPY", 6));
    ASSERT_OK(dataset_open(&cached, &o));
    ASSERT(file_exists(path));
    for (int64_t i = 0; i < 18; i += ROWS) {
      ASSERT_OK(data_batch(plain, i, space(&a)));
      ASSERT_OK(data_batch(cached, i, space(&b)));
      ASSERT(memcmp(a.ids, b.ids, sizeof a.ids) == 0);
    }
    dataset_close(cached);
  }
  dataset_close(plain);
}

TEST(the_batch_lies_in_an_arena) {
  Arena a;
  Batch b;
  arena_measure(&a, "batch");
  batch_take(&b, &a, ROWS, SEQUENCE);
  ASSERT(b.ids == NULL && a.peak >= 5 * ROWS * SEQUENCE * 4);
  size_t bytes = a.peak;
  ASSERT_OK(arena_init(&a, "batch", bytes));
  batch_take(&b, &a, ROWS, SEQUENCE);
  ASSERT(b.ids && b.doc_start && a.used == bytes);
  arena_free(&a);
}

TEST(tokens_stand_for_bytes) {
  Tokenizer *t;
  int32_t bytes[TINY_VOCAB];
  ASSERT_OK(tiny_tokenizer_open(&t, test_folder()));
  ASSERT_OK(data_token_bytes(t, bytes));
  for (int i = 0; i < TINY_EOD; i++) ASSERT_INT(bytes[i], 1);
  ASSERT_INT(bytes[TINY_EOD], 0);
  tokenizer_close(t);
}

// The bytes of the ids of a text sum to its size, but for the space in front.
TEST(bytes_of_tokens_sum_to_the_text) {
  static const char *const text =
      "Hello  world, 你好世界！\n\tif (x) { return 12345; } \xF0\x9F\x98\x80\xE2\x82\xAC naïve 龘𠮷";
  static const char *const models[] = {"data/tokenizers/telechat3/tokenizer.model",
                                       "data/tokenizers/telechat2-115b/tokenizer.model"};
  for (int m = 0; m < 2; m++) {
    char path[PATH_BYTES];
    ASSERT_OK(path_join(path, test_shared(), models[m]));
    Tokenizer *t;
    TokenizerWork *w;
    Ids ids = {0};
    ASSERT_OK(tokenizer_open(&t, path));
    ASSERT_OK(tokenizer_work_open(&w, t));
    int32_t *bytes = malloc((size_t)tokenizer_vocab(t) * sizeof *bytes);
    ASSERT_OK(data_token_bytes(t, bytes));
    ASSERT_OK(tokenizer_encode(t, w, text, strlen(text), SPECIAL_TEXT, &ids));
    int64_t sum = 0;
    for (int64_t i = 0; i < ids.count; i++) sum += bytes[ids.id[i]];
    int64_t added = bytes[ids.id[0]] > 0 && tokenizer_piece(t, ids.id[0])[0] == '\xE2';
    ASSERT_INT(sum, (int64_t)strlen(text) + added);
    free(bytes);
    ids_free(&ids);
    tokenizer_work_close(w);
    tokenizer_close(t);
  }
}
