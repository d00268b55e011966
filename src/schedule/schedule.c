#include "schedule/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static void push(Schedule *s, Move move, int64_t chunk, int64_t micro_batch) {
  s->turn[s->count++] = (Turn){move, (int32_t)chunk, (int32_t)micro_batch};
}

Err schedule_build(Schedule *s, ScheduleShape shape) {
  *s = (Schedule){.shape = shape};
  CHECK(shape.chunks >= 1 && shape.micro_batches >= 1 && shape.chunks <= INT32_MAX && shape.micro_batches <= INT32_MAX, ERR_ARG,
        "a schedule of %lld chunks and %lld micro-batches: both must be at least 1", (long long)shape.chunks,
        (long long)shape.micro_batches);
  size_t each = shape.late_weights ? 3 : 2;
  s->turn = calloc((size_t)shape.chunks * (size_t)shape.micro_batches, each * sizeof *s->turn);
  CHECK(s->turn, ERR_MEMORY, "no memory for a schedule of %lld micro-batches", (long long)shape.micro_batches);
  for (int64_t m = 0; m < shape.micro_batches; m++) {
    for (int64_t c = 0; c < shape.chunks; c++) push(s, MOVE_FORWARD, c, m);
    for (int64_t c = shape.chunks; c-- > 0;) push(s, shape.late_weights ? MOVE_BACKWARD_INPUT : MOVE_BACKWARD, c, m);
    for (int64_t c = shape.chunks; shape.late_weights && c-- > 0;) push(s, MOVE_BACKWARD_WEIGHT, c, m);
  }
  return ERR_OK;
}

void schedule_free(Schedule *s) {
  free(s->turn);
  *s = (Schedule){0};
}

static const char move_letter[] = {
    [MOVE_FORWARD] = 'F', [MOVE_BACKWARD] = 'B', [MOVE_BACKWARD_INPUT] = 'I', [MOVE_BACKWARD_WEIGHT] = 'W'};

typedef struct {
  bool forward, input, weight;
} Done;

// `why` is NULL when the turn may come now; what it does is noted in `done`.
static const char *turn_check(const Schedule *s, Done *done, Turn t) {
  Done *d = &done[t.micro_batch * s->shape.chunks + t.chunk];
  bool first = t.chunk == 0, last = t.chunk + 1 == s->shape.chunks;
  switch (t.move) {
    case MOVE_FORWARD:
      if (d->forward) return "its forward ran already";
      if (!first && !d[-1].forward) return "the chunk before it was not forwarded";
      d->forward = true;
      return NULL;
    case MOVE_BACKWARD:
    case MOVE_BACKWARD_INPUT:
      if (!d->forward) return "its forward did not run";
      if (d->input) return "its backward ran already";
      if (!last && !d[1].input) return "the chunk after it has no input gradient yet";
      d->input = true;
      d->weight = t.move == MOVE_BACKWARD;
      return NULL;
    case MOVE_BACKWARD_WEIGHT:
      if (!d->input) return "its backward to the input did not run";
      if (d->weight) return "its backward to the weights ran already";
      d->weight = true;
      return NULL;
  }
  return "no such move";
}

static Err check_turns(const Schedule *s, Done *done, int64_t *open, ScheduleLoad *load) {
  int64_t in_flight = 0, micro_batches = 0;
  for (int64_t i = 0; i < s->count; i++) {
    Turn t = s->turn[i];
    CHECK(t.chunk >= 0 && t.chunk < s->shape.chunks && t.micro_batch >= 0 && t.micro_batch < s->shape.micro_batches, ERR_STATE,
          "schedule: turn %lld names chunk %d of micro-batch %d, which is not there", (long long)i, t.chunk, t.micro_batch);
    const char *why = turn_check(s, done, t);
    CHECK(!why, ERR_STATE, "schedule: turn %lld (%c, chunk %d, micro-batch %d) cannot come here: %s", (long long)i,
          move_letter[t.move], t.chunk, t.micro_batch, why);
    if (t.move == MOVE_FORWARD) {
      in_flight++;
      if (open[t.micro_batch]++ == 0) micro_batches++;
    } else if (t.move != MOVE_BACKWARD_INPUT) {
      in_flight--;
      if (--open[t.micro_batch] == 0) micro_batches--;
    }
    if (in_flight > load->in_flight) load->in_flight = in_flight;
    if (micro_batches > load->micro_batches) load->micro_batches = micro_batches;
  }
  for (int64_t i = 0; i < s->shape.chunks * s->shape.micro_batches; i++)
    CHECK(done[i].weight, ERR_STATE, "schedule: chunk %lld of micro-batch %lld has no %s", (long long)(i % s->shape.chunks),
          (long long)(i / s->shape.chunks), done[i].forward ? "backward" : "forward");
  return ERR_OK;
}

Err schedule_check(const Schedule *s, ScheduleLoad *load) {
  ScheduleLoad unwanted, *l = load ? load : &unwanted;
  *l = (ScheduleLoad){0};
  Done *done = calloc((size_t)(s->shape.chunks * s->shape.micro_batches), sizeof *done);
  int64_t *open = calloc((size_t)s->shape.micro_batches, sizeof *open);
  Err err = ERR_OK;
  CHECK_OUT(done && open, ERR_MEMORY, "no memory to check a schedule of %lld turns", (long long)s->count);
  TRY_OUT(check_turns(s, done, open, l));
out:
  free(done);
  free(open);
  return err;
}

Err schedule_run(const Schedule *s, TurnFn *fn, void *context, TurnTime *times) {
  for (int64_t i = 0; i < s->count; i++) {
    if (times) times[i].begin_s = clock_s();
    TRY(fn(context, s->turn[i].move, s->turn[i].chunk, s->turn[i].micro_batch));
    if (times) times[i].end_s = clock_s();
  }
  return ERR_OK;
}

void schedule_draw_text(const Schedule *s, int64_t turns_max, FILE *to) {
  for (int64_t i = 0; i < s->count && i < turns_max; i++)
    fprintf(to, "%s%c%d.%d", i ? " " : "", move_letter[s->turn[i].move], s->turn[i].chunk, s->turn[i].micro_batch);
  if (s->count > turns_max) fprintf(to, " ... %lld more", (long long)(s->count - turns_max));
  fputc('\n', to);
}

static double turn_begin(const Schedule *s, const TurnTime *times, int64_t i) {
  if (times) return times[i].begin_s - times[0].begin_s;
  double at = 0;
  for (int64_t j = 0; j < i; j++) at += s->turn[j].move == MOVE_BACKWARD ? 2 : 1;
  return at;
}

void schedule_draw_svg(const Schedule *s, const TurnTime *times, FILE *to) {
  static const char *const fill[] = {[MOVE_FORWARD] = "#4477aa",
                                     [MOVE_BACKWARD] = "#cc6677",
                                     [MOVE_BACKWARD_INPUT] = "#ddaa33",
                                     [MOVE_BACKWARD_WEIGHT] = "#44aa77"};
  const double width = 1200;
  int64_t last = s->count - 1;
  double end =
      times ? times[last].end_s - times[0].begin_s : turn_begin(s, NULL, last) + (s->turn[last].move == MOVE_BACKWARD ? 2 : 1);
  double scale = end > 0 ? width / end : 1, at = 0;
  fprintf(to,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1220 %d\" font-family=\"sans-serif\" font-size=\"10\">\n",
          (int)(24 * s->shape.chunks + 20));
  for (int64_t i = 0; i < s->count; i++) {
    Turn t = s->turn[i];
    double length = t.move == MOVE_BACKWARD ? 2 : 1;
    if (times) at = turn_begin(s, times, i), length = times[i].end_s - times[i].begin_s;
    fprintf(to,
            "<rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"20\" fill=\"%s\" stroke=\"#fff\"><title>%c chunk %d micro-batch "
            "%d</title></rect>\n",
            10 + at * scale, 10 + 24 * t.chunk, length * scale, fill[t.move], move_letter[t.move], t.chunk, t.micro_batch);
    if (length * scale > 24)
      fprintf(to, "<text x=\"%.2f\" y=\"%d\" fill=\"#fff\">%c%d</text>\n", 14 + at * scale, 24 + 24 * t.chunk,
              move_letter[t.move], t.micro_batch);
    at += length;
  }
  fprintf(to, "</svg>\n");
}
