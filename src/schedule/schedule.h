// A training step as one object: for a rank, the ordered list of (move, chunk, micro-batch). It is built here, checked, run and
// drawn; it knows nothing of arithmetic. A chunk is a run of blocks; chunk c + 1 needs what chunk c gave.
//
// Determinism: a schedule is a function of its shape. Cost: one pass over the moves each.
#ifndef SCHEDULE_SCHEDULE_H
#define SCHEDULE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/move.h"

typedef struct {
  Move move;
  int32_t chunk, micro_batch;
} Turn;

typedef struct {
  int64_t chunks, micro_batches;
  // Weight gradients of a micro-batch after all its input gradients: what the blocks of the whole micro-batch keep stays until
  // then.
  bool late_weights;
} ScheduleShape;

typedef struct {
  ScheduleShape shape;
  Turn *turn;  // owned
  int64_t count;
} Schedule;

// One rank: micro-batch after micro-batch, forward over the chunks, then backward over them in reverse. ERR_ARG without
// chunks or micro-batches, ERR_MEMORY.
Err schedule_build(Schedule *s, ScheduleShape shape);
void schedule_free(Schedule *s);

// What a schedule holds at its worst, in (chunk, micro-batch) pairs whose forward ran and whose weights' backward did not.
typedef struct {
  int64_t in_flight;      // pairs at the same time
  int64_t micro_batches;  // different micro-batches at the same time
} ScheduleLoad;

// Every chunk of every micro-batch forward once, in order of chunks; backward once, in reverse order, after all its forwards;
// weights once, with or after the input's. ERR_STATE names the first turn that breaks this. load: or NULL.
Err schedule_check(const Schedule *s, ScheduleLoad *load);

// Carries out one turn; an error ends the run.
typedef Err TurnFn(void *context, Move move, int64_t chunk, int64_t micro_batch);

typedef struct {
  double begin_s, end_s;
} TurnTime;

// Runs the turns in order. times: [count], filled with clock_s, or NULL.
Err schedule_run(const Schedule *s, TurnFn *fn, void *context, TurnTime *times);

// Draws it: a line of text (F0.1 = forward of chunk 0, micro-batch 1; B both, I input, W weights) of at most `turns_max` turns,
// or an SVG strip, to scale when times are given, else with forward 1, each half of backward 1.
void schedule_draw_text(const Schedule *s, int64_t turns_max, FILE *to);
void schedule_draw_svg(const Schedule *s, const TurnTime *times, FILE *to);

#endif
