#include "base/relay.h"

#include <stdatomic.h>
#include <unistd.h>

#include "test.h"

enum { PIECES = 500, SLOTS = 7 };

typedef struct {
  int64_t number[SLOTS];
  int64_t given, written, ends_at, read_fails, work_fails, write_fails;  // at piece
  int64_t wait_at;                                                       // reading it waits until stopped
  atomic_int readers, writers, stops, wrong;
} Course;

static Err give(void *context, int64_t slot, bool *got) {
  Course *c = context;
  if (atomic_fetch_add(&c->readers, 1) != 0) atomic_fetch_add(&c->wrong, 1);
  int64_t number = c->given++;
  while (number == c->wait_at && !atomic_load(&c->stops)) usleep(100);
  c->number[slot] = number;
  *got = number < c->ends_at;
  atomic_fetch_sub(&c->readers, 1);
  CHECK(number != c->read_fails, ERR_IO, "read %lld", (long long)number);
  return ERR_OK;
}

static Err work(void *context, int64_t slot, int thread) {
  Course *c = context;
  int64_t number = c->number[slot];
  if (thread < 0) atomic_fetch_add(&c->wrong, 1);
  if (number % 11 == 3) usleep(300);
  c->number[slot] = number * 2;
  CHECK(number != c->work_fails, ERR_FORMAT, "work %lld", (long long)number);
  return ERR_OK;
}

static Err take(void *context, int64_t slot) {
  Course *c = context;
  if (atomic_fetch_add(&c->writers, 1) != 0) atomic_fetch_add(&c->wrong, 1);
  if (c->number[slot] != 2 * c->written) atomic_fetch_add(&c->wrong, 1);
  int64_t number = c->written;
  if (number != c->write_fails) c->written++;
  atomic_fetch_sub(&c->writers, 1);
  CHECK(number != c->write_fails, ERR_IO, "write %lld", (long long)number);
  return ERR_OK;
}

static void stop(void *context) { atomic_fetch_add(&((Course *)context)->stops, 1); }

static Err run(Course *c, int threads) {
  Pool *pool;
  Relay relay = {give, work, take, stop, c, SLOTS};
  ASSERT_OK(pool_open(&pool, threads, false));
  Err err = relay_run(pool, &relay);
  pool_close(pool);
  ASSERT_INT(atomic_load(&c->wrong), 0);
  return err;
}

static Course course(void) {
  return (Course){.ends_at = PIECES, .read_fails = -1, .work_fails = -1, .write_fails = -1, .wait_at = -1};
}

TEST(pieces_are_written_in_the_order_of_reading) {
  for (int threads = 1; threads <= 8; threads++) {
    Course c = course();
    ASSERT_OK(run(&c, threads));
    ASSERT_INT(c.written, PIECES);
    ASSERT_INT(c.given, PIECES + 1);
    ASSERT_INT(atomic_load(&c.stops), 0);
  }
}

TEST(nothing_to_read_is_no_error) {
  Course c = course();
  c.ends_at = 0;
  ASSERT_OK(run(&c, 3));
  ASSERT_INT(c.written, 0);
}

TEST(the_first_error_in_order_is_told_and_what_is_before_it_written) {
  for (int threads = 1; threads <= 5; threads++) {
    Course c = course();
    c.read_fails = 104;
    c.work_fails = 103;
    ASSERT_ERR(run(&c, threads), ERR_FORMAT, "work 103");
    ASSERT_INT(c.written, 103);
    c = course();
    c.read_fails = 102;
    c.work_fails = 103;
    ASSERT_ERR(run(&c, threads), ERR_IO, "read 102");
    ASSERT_INT(c.written, 102);
    c = course();
    c.write_fails = 101;
    c.work_fails = 102;
    ASSERT_ERR(run(&c, threads), ERR_IO, "write 101");
    ASSERT_INT(c.written, 101);
    ASSERT_INT(atomic_load(&c.stops), 1);
  }
}

// One thread waits for piece 50, which comes never; another meets an error in piece 49.
TEST(an_error_ends_a_read_that_waits) {
  Course c = course();
  c.wait_at = 50;
  c.work_fails = 49;
  ASSERT_ERR(run(&c, 2), ERR_FORMAT, "work 49");
  ASSERT_INT(c.written, 49);
}
