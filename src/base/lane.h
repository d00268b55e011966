// A thread that does jobs one after the other, in the order they were put, while the one who puts them does something else:
// reading ahead, writing behind.
//
// A job is memory of the caller's, untouched from lane_put until lane_wait has returned. What a job fails with is made the
// waiting thread's error. One thread puts and waits. Deterministic: the order of the jobs is that of lane_put.
// Cost: some microseconds a job; nothing allocates but lane_open. An idle lane sleeps.
#ifndef BASE_LANE_H
#define BASE_LANE_H

#include <stdbool.h>

#include "base/err.h"

typedef Err LaneFn(void *arg);

typedef struct LaneJob LaneJob;
struct LaneJob {
  LaneFn *fn;
  void *arg;
  // The lane's:
  LaneJob *next;
  bool pending, done;
  Err err;
  ErrInfo info;  // of an error
};

typedef struct Lane Lane;

// ERR_MEMORY also where the system refuses a thread.
Err lane_open(Lane **lane);
// Does what was put first; fine with NULL.
void lane_close(Lane *lane);
// job->fn and job->arg are set; no earlier put of it is pending.
void lane_put(Lane *lane, LaneJob *job);
// Waits for the job if it is pending, and gives its error once.
Err lane_wait(Lane *lane, LaneJob *job);

#endif
