#include "base/err.h"

#include <pthread.h>
#include <stdlib.h>

#include "test.h"

static Err inner(int n) {
  CHECK(n < 10, ERR_IO, "file %d: %s", n, "no such file");
  return ERR_OK;
}

static Err outer(int n) {
  TRY(inner(n));
  return ERR_OK;
}

static Err cleans_up(int n, int *cleaned) {
  Err err = ERR_OK;
  TRY_OUT(outer(n));
  CHECK_OUT(n != 5, ERR_ARG, "five");
out:
  *cleaned += 1;
  return err;
}

TEST(an_error_carries_its_text_and_trace) {
  ASSERT_OK(outer(1));
  ASSERT_ERR(outer(10), ERR_IO, "file 10: no such file");
  ErrInfo e;
  err_take(&e);
  ASSERT_INT(e.n_frames, 2);
  ASSERT_TEXT(e.frame[0].function, "inner");
  ASSERT_TEXT(e.frame[1].function, "outer");
  ASSERT_TEXT(err_text(), "");
}

TEST(clean_up_runs_on_every_way_out) {
  int cleaned = 0;
  ASSERT_OK(cleans_up(1, &cleaned));
  ASSERT_ERR(cleans_up(5, &cleaned), ERR_ARG, "five");
  ASSERT_ERR(cleans_up(10, &cleaned), ERR_IO, "file 10");
  ASSERT_INT(cleaned, 3);
}

TEST(a_message_may_hold_the_one_before) {
  (void)inner(10);
  ASSERT_ERR(err_set(ERR_FORMAT, "f", "f.c", 1, "shard 3: %s", err_text()), ERR_FORMAT, "shard 3: file 10: no such file");
}

TEST(long_messages_are_cut_not_overrun) {
  char longer[3 * ERR_TEXT_BYTES];
  memset(longer, 'x', sizeof longer - 1);
  longer[sizeof longer - 1] = '\0';
  (void)err_set(ERR_ARG, "f", "f.c", 1, "%s", longer);
  ASSERT_INT(strlen(err_text()), ERR_TEXT_BYTES - 1);
}

static Err deep(int n) {
  if (n == 0) FAIL(ERR_STATE, "the bottom");
  TRY(deep(n - 1));
  return ERR_OK;
}

TEST(deep_traces_keep_the_first_frames) {
  ErrInfo e;
  ASSERT_ERR(deep(100), ERR_STATE, "the bottom");
  err_take(&e);
  ASSERT_INT(e.n_frames, ERR_FRAMES);
}

static void *work(void *arg) {
  (void)inner(11);
  err_take(arg);
  return NULL;
}

TEST(a_thread_hands_its_error_over) {
  ErrInfo e;
  pthread_t thread;
  (void)inner(12);
  ASSERT(pthread_create(&thread, NULL, work, &e) == 0);
  ASSERT(pthread_join(thread, NULL) == 0);
  ASSERT_TEXT(err_text(), "file 12: no such file");
  ASSERT_ERR(err_give(&e), ERR_IO, "file 11");
}

TEST(errors_print_for_people) {
  char *text = NULL;
  size_t size = 0;
  FILE *to = open_memstream(&text, &size);
  (void)outer(13);
  err_print(to, 0);
  fclose(to);
  ASSERT_TEXT(text, "error: file 13: no such file\n");
  free(text);
  for (Err k = ERR_OK; k < ERR_KINDS; k++) ASSERT(err_kind_name(k)[0]);
  ASSERT_TEXT(err_kind_name(ERR_KINDS), "unknown");
}

// Names from files are in messages, and messages go to terminals.
TEST(control_characters_do_not_reach_the_terminal) {
  ASSERT_INT(err_set(ERR_FORMAT, __func__, __FILE__, __LINE__, "name \"%s\"\n\tnext", "a\x1b[31m\x7f\r\xe4\xbd\xa0"),
             ERR_FORMAT);
  ASSERT_TEXT(err_text(), "name \"a?[31m??\xe4\xbd\xa0\"\n\tnext");
  (void)err_set(ERR_FORMAT, __func__, __FILE__, __LINE__, "%s",
                "\xbd"
                "7\xe4\xbd, \xe4\xbd\xa0\xff");
  ASSERT_TEXT(err_text(), "?7??, \xe4\xbd\xa0?");
}
