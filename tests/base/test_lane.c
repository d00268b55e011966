#include "base/lane.h"

#include <stdint.h>
#include <unistd.h>

#include "test.h"

enum { JOBS = 16 };

typedef struct {
  LaneJob job;
  int number, *order, *n;
} Step;

static Err note(void *arg) {
  Step *s = arg;
  if (s->number % 5 == 0) usleep(1000);
  s->order[(*s->n)++] = s->number;
  CHECK(s->number != 7, ERR_NUMERIC, "seven");
  return ERR_OK;
}

TEST(jobs_are_done_in_order_and_errors_come_to_who_waits) {
  Lane *lane;
  Step step[JOBS];
  int order[4 * JOBS] = {0}, n = 0;
  ASSERT_OK(lane_open(&lane));
  for (int i = 0; i < JOBS; i++) step[i] = (Step){.job = {.fn = note, .arg = &step[i]}, .number = i, .order = order, .n = &n};
  for (int round = 0; round < 4; round++) {
    for (int i = 0; i < JOBS; i++) lane_put(lane, &step[i].job);
    for (int i = JOBS - 1; i >= 0; i--) {
      if (i == 7) ASSERT_ERR(lane_wait(lane, &step[i].job), ERR_NUMERIC, "seven");
      ASSERT_OK(lane_wait(lane, &step[i].job));  // not pending any more
    }
  }
  lane_close(lane);
  ASSERT_INT(n, 4 * JOBS);
  for (int i = 0; i < n; i++) ASSERT_INT(order[i], i % JOBS);
}

TEST(a_lane_that_closes_does_what_was_put) {
  Lane *lane;
  Step step[JOBS];
  int order[JOBS] = {0}, n = 0;
  ASSERT_OK(lane_open(&lane));
  for (int i = 0; i < JOBS; i++) {
    step[i] = (Step){.job = {.fn = note, .arg = &step[i]}, .number = i, .order = order, .n = &n};
    lane_put(lane, &step[i].job);
  }
  lane_close(lane);
  ASSERT_INT(n, JOBS);
  lane_close(NULL);
}
