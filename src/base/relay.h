// Pieces of work from a source to a sink, on all threads: one thread at a time reads the next piece, all work, one at a time
// writes, in the order of reading.
//
// A piece lies in a slot of a ring, memory of the caller's. Reading, working and writing overlap as long as slots are free: two
// or three a thread keep all busy, and bound what is in memory. While one thread waits within `read`, what was read before is
// worked on and written, so an answer does not wait for the next question.
//
// Deterministic: `write` sees the pieces in the order in which `read` gave them, whatever the threads.
// The first error in that order is returned; the pieces before it have been written, none after it is.
// Cost: some microseconds a piece; allocates once, some KiB a slot.
#ifndef BASE_RELAY_H
#define BASE_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/thread.h"

typedef struct {
  // The next piece into `slot`; *got false at the end, and then it is not called again. One call at a time.
  Err (*read)(void *context, int64_t slot, bool *got);
  // thread: 0 .. pool_threads - 1, for what a thread has of its own. Calls for different slots run at the same time.
  Err (*work)(void *context, int64_t slot, int thread);
  // One call at a time; afterwards the slot is free.
  Err (*write)(void *context, int64_t slot);
  // NULL, or called once when an error has ended the run: makes a `read` that waits come back (its result is not used).
  void (*stop)(void *context);
  void *context;
  int64_t slots;
} Relay;

Err relay_run(Pool *pool, const Relay *relay);

#endif
