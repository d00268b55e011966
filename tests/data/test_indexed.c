#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "data/indexed.h"
#include "data/summary.h"
#include "test.h"

static const char *prefix(void) {
  static char path[4096];
  snprintf(path, sizeof path, "%s/x", test_folder());
  return path;
}

static void write_three(TokenType type) {
  IndexedWriter w;
  ASSERT_OK(indexed_create(&w, prefix(), type, NULL));
  ASSERT_OK(indexed_add(&w, (int32_t[]){1, 2, 3}, 3));
  ASSERT_OK(indexed_end_document(&w));
  ASSERT_OK(indexed_end_document(&w));  // no tokens: no sequence
  ASSERT_OK(indexed_add(&w, (int32_t[]){4}, 1));
  ASSERT_OK(indexed_add(&w, (int32_t[]){5, 100}, 2));
  ASSERT_OK(indexed_end_document(&w));
  ASSERT_OK(indexed_commit(&w));
}

TEST(what_is_written_is_read_in_every_integer_type) {
  static const TokenType types[] = {TOKENS_U8, TOKENS_I8, TOKENS_I16, TOKENS_I32, TOKENS_I64, TOKENS_U16};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    write_three(types[i]);
    Indexed x;
    int32_t id[3];
    ASSERT_OK(indexed_open(&x, prefix()));
    ASSERT(x.type == types[i]);
    ASSERT_INT(x.sequences, 3);
    ASSERT_INT(x.documents, 3);
    ASSERT_INT(x.tokens, 6);
    ASSERT_INT(x.bin.size, 6 * token_type_bytes(types[i]));
    ASSERT_INT(indexed_document(&x, 1), 1);
    ASSERT_INT(indexed_document(&x, 2), 1);
    ASSERT_INT(indexed_document(&x, 3), 3);
    ASSERT_OK(indexed_read(&x, 0, 1, 2, 101, id));
    ASSERT(id[0] == 2 && id[1] == 3);
    ASSERT_OK(indexed_read(&x, 2, 0, 2, 101, id));
    ASSERT(id[0] == 5 && id[1] == 100);
    ASSERT_ERR(indexed_read(&x, 2, 0, 2, 100, id), ERR_FORMAT, "sequence 2, token 1: id 100 is not in the vocabulary of 100");
    indexed_close(&x);
  }
}

TEST(an_id_that_does_not_fit_is_refused) {
  IndexedWriter w;
  ASSERT_OK(indexed_create(&w, prefix(), TOKENS_U16, NULL));
  ASSERT_ERR(indexed_add(&w, (int32_t[]){1, 65536}, 2), ERR_FORMAT, "id 65536 does not fit uint16");
  indexed_abandon(&w, false);
  ASSERT_OK(indexed_create(&w, prefix(), TOKENS_I8, NULL));
  ASSERT_ERR(indexed_add(&w, (int32_t[]){128}, 1), ERR_FORMAT, "id 128 does not fit int8");
  indexed_abandon(&w, false);
  ASSERT_ERR(indexed_create(&w, prefix(), TOKENS_F32, NULL), ERR_ARG, "float32");
  Indexed x;
  ASSERT_ERR(indexed_open(&x, prefix()), ERR_IO, "x.idx");
}

TEST(one_writer_at_a_time) {
  IndexedWriter w, other;
  ASSERT_OK(indexed_create(&w, prefix(), TOKENS_I32, NULL));
  ASSERT_ERR(indexed_create(&other, prefix(), TOKENS_I32, NULL), ERR_STATE, "another process");
  ASSERT_OK(indexed_add(&w, (int32_t[]){7}, 1));
  ASSERT_OK(indexed_end_document(&w));
  ASSERT_OK(indexed_commit(&w));
  Indexed x;
  ASSERT_OK(indexed_open(&x, prefix()));
  indexed_close(&x);
}

TEST(a_writer_goes_on_from_a_mark) {
  IndexedWriter w;
  IndexedMark mark;
  ASSERT_OK(indexed_create(&w, prefix(), TOKENS_U16, NULL));
  ASSERT_OK(indexed_add(&w, (int32_t[]){1, 2}, 2));
  ASSERT_OK(indexed_end_document(&w));
  ASSERT_OK(indexed_sync(&w, &mark));
  ASSERT_OK(indexed_add(&w, (int32_t[]){9, 9, 9}, 3));  // lost
  ASSERT_OK(indexed_sync(&w, &(IndexedMark){0}));
  indexed_abandon(&w, true);
  ASSERT_OK(indexed_create(&w, prefix(), TOKENS_U16, &mark));
  ASSERT_OK(indexed_add(&w, (int32_t[]){3}, 1));
  ASSERT_OK(indexed_end_document(&w));
  ASSERT_OK(indexed_commit(&w));
  Indexed x;
  int32_t id[1];
  ASSERT_OK(indexed_open(&x, prefix()));
  ASSERT_INT(x.tokens, 3);
  ASSERT_INT(x.documents, 2);
  ASSERT_OK(indexed_read(&x, 1, 0, 1, 10, id));
  ASSERT_INT(id[0], 3);
  indexed_close(&x);
  mark.tokens = 1000;
  ASSERT_ERR(indexed_create(&w, prefix(), TOKENS_U16, &mark), ERR_STATE, "were written before");
}

TEST(no_space_left_is_an_error_and_leaves_no_file) {
  IndexedWriter w;
  int32_t id[4096] = {0};
  signal(SIGXFSZ, SIG_IGN);
  ASSERT(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 20, 1 << 20}) == 0);
  ASSERT_OK(indexed_create(&w, prefix(), TOKENS_I32, NULL));
  Err err = ERR_OK;
  for (int i = 0; i < 200 && !err; i++) err = indexed_add(&w, id, 4096);
  ASSERT(err == ERR_IO && strstr(err_text(), "x.bin.part"));
  indexed_abandon(&w, false);
  char path[4200];
  snprintf(path, sizeof path, "%s.bin.part", prefix());
  ASSERT(!file_exists(path));
  snprintf(path, sizeof path, "%s.bin", prefix());
  ASSERT(!file_exists(path));
}

TEST(an_empty_file_has_no_documents) {
  IndexedWriter w;
  ASSERT_OK(indexed_create(&w, prefix(), TOKENS_I32, NULL));
  ASSERT_OK(indexed_commit(&w));
  Indexed x;
  Summary s;
  ASSERT_OK(indexed_open(&x, prefix()));
  ASSERT_INT(x.documents, 0);
  ASSERT_INT(x.tokens, 0);
  ASSERT_OK(summary_lengths(&x, &s));
  ASSERT_OK(summary_tokens(&x, 10, 0, &s));
  ASSERT_INT(s.greatest_id, -1);
  indexed_close(&x);
}

TEST(a_summary_counts) {
  write_three(TOKENS_I32);
  Indexed x;
  Summary s;
  ASSERT_OK(indexed_open(&x, prefix()));
  ASSERT_OK(summary_lengths(&x, &s));
  ASSERT_OK(summary_tokens(&x, 101, 3, &s));
  ASSERT_INT(s.empty_documents, 1);
  ASSERT_INT(s.shortest, 1);
  ASSERT_INT(s.median, 2);
  ASSERT_INT(s.longest, 3);
  ASSERT_INT(s.count[0], 1);
  ASSERT_INT(s.count[1], 2);
  ASSERT_INT(s.bucket_tokens[1], 5);
  ASSERT_INT(s.least_id, 1);
  ASSERT_INT(s.greatest_id, 100);
  ASSERT_INT(s.eod_tokens, 1);
  ASSERT_INT(s.eod_documents, 1);
  indexed_close(&x);
}

// Every byte of a good index changed to every value of a few: opened or refused, never a crash or a read outside.
TEST(a_damaged_index_is_never_a_crash) {
  write_three(TOKENS_I32);
  char path[4200], *data;
  size_t size;
  snprintf(path, sizeof path, "%s.idx", prefix());
  ASSERT_OK(file_read(path, 1 << 20, &data, &size));
  int refused = 0, opened = 0;
  for (size_t i = 0; i < size; i++) {
    static const unsigned char values[] = {1, 0x80};
    char was = data[i];
    for (size_t v = 0; v < sizeof values; v++) {
      data[i] = (char)values[v];
      FILE *f = fopen(path, "wb");
      ASSERT(f && fwrite(data, 1, size, f) == size && fclose(f) == 0);
      Indexed x;
      int32_t id[8];
      if (indexed_open(&x, prefix()) != ERR_OK) {
        refused++;
        continue;
      }
      opened++;
      for (int64_t s = 0; s < x.sequences; s++) {
        int64_t n = indexed_length(&x, s) < 8 ? indexed_length(&x, s) : 8;
        (void)indexed_read(&x, s, 0, n, 1000, id);
      }
      indexed_close(&x);
    }
    data[i] = was;
  }
  ASSERT(refused > 100 && opened > 5);
  free(data);
}
