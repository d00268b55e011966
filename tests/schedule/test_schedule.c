#include "schedule/schedule.h"

#include <stdlib.h>

#include "test.h"

static ScheduleLoad load_of(ScheduleShape shape) {
  Schedule s;
  ScheduleLoad load;
  ASSERT_OK(schedule_build(&s, shape));
  ASSERT_OK(schedule_check(&s, &load));
  schedule_free(&s);
  return load;
}

TEST(every_shape_is_in_order_and_holds_one_micro_batch) {
  for (int64_t chunks = 1; chunks <= 5; chunks++)
    for (int64_t micro = 1; micro <= 4; micro++)
      for (int late = 0; late < 2; late++) {
        ScheduleLoad load = load_of((ScheduleShape){chunks, micro, late});
        ASSERT_INT(load.in_flight, chunks);
        ASSERT_INT(load.micro_batches, 1);
      }
}

TEST(turns_out_of_order_are_named) {
  Schedule s;
  ASSERT_OK(schedule_build(&s, (ScheduleShape){2, 1, true}));  // F0 F1 I1 I0 W1 W0
  Turn kept = s.turn[4];
  s.turn[4] = s.turn[3];
  ASSERT_ERR(schedule_check(&s, NULL), ERR_STATE,
             "turn 4 (I, chunk 0, micro-batch 0) cannot come here: its backward ran already");
  s.turn[4] = kept;
  s.turn[0].chunk = 1;
  ASSERT_ERR(schedule_check(&s, NULL), ERR_STATE, "the chunk before it was not forwarded");
  s.turn[0] = (Turn){MOVE_BACKWARD_WEIGHT, 0, 0};
  ASSERT_ERR(schedule_check(&s, NULL), ERR_STATE, "its backward to the input did not run");
  s.turn[0] = (Turn){MOVE_FORWARD, 0, 7};
  ASSERT_ERR(schedule_check(&s, NULL), ERR_STATE, "which is not there");
  s.turn[0] = (Turn){MOVE_FORWARD, 0, 0};
  s.count--;
  ASSERT_ERR(schedule_check(&s, NULL), ERR_STATE, "chunk 0 of micro-batch 0 has no backward");
  schedule_free(&s);
  ASSERT_ERR(schedule_build(&s, (ScheduleShape){0, 1, false}), ERR_ARG, "at least 1");
}

// Two micro-batches interleaved by hand hold twice as much.
TEST(load_counts_what_is_open) {
  Schedule s;
  ScheduleLoad load;
  ASSERT_OK(schedule_build(&s, (ScheduleShape){1, 2, false}));
  Turn b0 = s.turn[1];
  s.turn[1] = s.turn[2];
  s.turn[2] = b0;
  ASSERT_OK(schedule_check(&s, &load));
  ASSERT_INT(load.in_flight, 2);
  ASSERT_INT(load.micro_batches, 2);
  schedule_free(&s);
}

typedef struct {
  char seen[64];
  int stop_at, count;
} Seen;

static Err note(void *context, Move move, int64_t chunk, int64_t micro_batch) {
  Seen *seen = context;
  CHECK(seen->count != seen->stop_at, ERR_NUMERIC, "told to stop");
  int n = (int)strlen(seen->seen);
  snprintf(seen->seen + n, sizeof seen->seen - (size_t)n, "%d:%d:%d ", (int)move, (int)chunk, (int)micro_batch);
  seen->count++;
  return ERR_OK;
}

TEST(run_calls_in_order_and_stops_at_an_error) {
  Schedule s;
  TurnTime times[4];
  ASSERT_OK(schedule_build(&s, (ScheduleShape){2, 1, false}));
  Seen seen = {.stop_at = -1};
  ASSERT_OK(schedule_run(&s, note, &seen, times));
  ASSERT_TEXT(seen.seen, "0:0:0 0:1:0 1:1:0 1:0:0 ");
  for (int i = 1; i < 4; i++) ASSERT(times[i].begin_s >= times[i - 1].end_s);
  seen = (Seen){.stop_at = 2};
  ASSERT_ERR(schedule_run(&s, note, &seen, NULL), ERR_NUMERIC, "told to stop");
  ASSERT_INT(seen.count, 2);
  schedule_free(&s);
}

TEST(drawings) {
  Schedule s;
  ASSERT_OK(schedule_build(&s, (ScheduleShape){2, 2, false}));
  char *text = NULL;
  size_t size;
  FILE *f = open_memstream(&text, &size);
  schedule_draw_text(&s, 3, f);
  fclose(f);
  ASSERT_TEXT(text, "F0.0 F1.0 B1.0 ... 5 more\n");
  free(text);
  f = open_memstream(&text, &size);
  schedule_draw_svg(&s, NULL, f);
  fclose(f);
  int rects = 0;
  for (const char *p = text; (p = strstr(p, "<rect")); p++) rects++;
  ASSERT_INT(rects, 8);
  ASSERT(strstr(text, "</svg>\n"));
  free(text);
  schedule_free(&s);
}
