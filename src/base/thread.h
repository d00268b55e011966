// A fixed pool of pinned threads.
//
// Work is divided by index, never by who came first: a region gets (thread, n_threads), and pool_range cuts [0, n) into
// contiguous parts. A computation whose parts do not share sums gives the same bits for any thread count.
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

typedef struct Pool Pool;
typedef void PoolFn(void *arg, int thread, int n_threads);

// Starts n_threads - 1 threads; the caller is thread 0. n_threads 0: one a core this process may use. With `pin`, a thread for
// each of these cores is bound to its own (hwloc); fewer are not: the first cores of every such program would be the same.
Err pool_open(Pool **pool, int n_threads, bool pin);
void pool_close(Pool *pool);
int pool_threads(const Pool *pool);

// Runs fn(arg, thread, n_threads) on every thread and returns when all are done. Only the opening thread may call it, not from
// within a region. Costs about a microsecond while the threads are warm; idle threads sleep. Never allocates.
void pool_run(Pool *pool, PoolFn *fn, void *arg);
// Within a region: waits until every thread of the pool is here.
void pool_barrier(Pool *pool);

// The part [*begin, *end) of [0, n) of `thread`: contiguous, in order, multiples of `grain` but for the last.
static inline void pool_range(int64_t n, int64_t grain, int thread, int n_threads, int64_t *begin, int64_t *end) {
  int64_t units = (n + grain - 1) / grain;
  int64_t b = units * thread / n_threads * grain, e = units * (thread + 1) / n_threads * grain;
  *begin = b < n ? b : n;
  *end = e < n ? e : n;
}

#endif
