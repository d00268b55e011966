#include "base/thread.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

enum { N = 10007 };

typedef struct {
  Pool *pool;
  int64_t sum[64];
  uint8_t seen[N];
  int phase[64];
  atomic_int wrong;
  int rounds;
} Work;

static void mark(void *arg, int thread, int n_threads) {
  Work *w = arg;
  int64_t begin, end;
  pool_range(N, 8, thread, n_threads, &begin, &end);
  for (int64_t i = begin; i < end; i++) w->seen[i]++;
}

// Each thread reads what all the others wrote before the barrier.
static void phases(void *arg, int thread, int n_threads) {
  Work *w = arg;
  for (int round = 1; round <= w->rounds; round++) {
    w->phase[thread] = round;
    pool_barrier(w->pool);
    for (int t = 0; t < n_threads; t++)
      if (w->phase[t] != round) atomic_fetch_add(&w->wrong, 1);
    pool_barrier(w->pool);
  }
}

static Work *work_new(Pool *pool, int rounds) {
  Work *w = calloc(1, sizeof *w);
  ASSERT(w);
  w->pool = pool;
  w->rounds = rounds;
  return w;
}

static void exercise(int n_threads, bool pin, int regions, int rounds) {
  Pool *pool = NULL;
  ASSERT_OK(pool_open(&pool, n_threads, pin));
  if (n_threads) ASSERT_INT(pool_threads(pool), n_threads);
  Work *w = work_new(pool, rounds);
  for (int r = 1; r <= regions; r++) {
    pool_run(pool, mark, w);
    for (int i = 0; i < N; i++) ASSERT_INT(w->seen[i], (uint8_t)r);
  }
  pool_run(pool, phases, w);
  ASSERT_INT(atomic_load(&w->wrong), 0);
  free(w);
  pool_close(pool);
}

TEST(one_thread_is_the_caller) { exercise(1, false, 3, 3); }
TEST(all_cores) { exercise(0, true, 200, 200); }
TEST(two_threads) { exercise(2, false, 200, 200); }
TEST(seven_threads_on_fewer_cores) { exercise(7, true, 50, 50); }

static void nothing(void *arg, int thread, int n_threads) { (void)arg, (void)thread, (void)n_threads; }

// Threads that have gone to sleep wake for the next region, whatever the moment.
TEST(sleepers_wake) {
  Pool *pool = NULL;
  ASSERT_OK(pool_open(&pool, 3, false));
  Work *w = work_new(pool, 1);
  for (int i = 1; i <= 20; i++) {
    usleep((useconds_t)(i * 317 % 4000));
    pool_run(pool, mark, w);
    ASSERT_INT(w->seen[N - 1], i);
  }
  free(w);
  pool_close(pool);
}

TEST(opening_and_closing_at_once) {
  for (int i = 0; i < 20; i++) {
    Pool *pool = NULL;
    ASSERT_OK(pool_open(&pool, 1 + i % 5, false));
    if (i % 3 == 0) pool_run(pool, nothing, NULL);
    pool_close(pool);
  }
  pool_close(NULL);
}

static int cores_allowed(void) {
  cpu_set_t set;
  ASSERT(sched_getaffinity(0, sizeof set, &set) == 0);
  return CPU_COUNT(&set);
}

// A pinned pool leaves its opener as it was, so that the next pool sees the same cores.
TEST(a_pinned_pool_gives_the_cores_back) {
  int before = cores_allowed(), threads = 0;
  for (int i = 0; i < 2; i++) {
    Pool *pool = NULL;
    ASSERT_OK(pool_open(&pool, 0, true));
    if (i) ASSERT_INT(pool_threads(pool), threads);
    threads = pool_threads(pool);
    ASSERT_INT(cores_allowed(), 1);
    pool_close(pool);
    ASSERT_INT(cores_allowed(), before);
  }
}

// Two programs of one thread each are not to share a core while another idles.
TEST(fewer_threads_than_cores_are_not_bound) {
  int before = cores_allowed();
  if (before < 2) test_skip("one core here");
  Pool *pool = NULL;
  ASSERT_OK(pool_open(&pool, 0, true));
  const int cores = pool_threads(pool);
  pool_close(pool);
  if (cores < 2) test_skip("one core here");
  ASSERT_OK(pool_open(&pool, cores - 1, true));
  ASSERT_INT(cores_allowed(), before);
  pool_close(pool);
}

TEST(ranges_tile_in_order) {
  static const int64_t sizes[] = {0, 1, 7, 8, 9, 63, 64, 65, 1000, N};
  for (int s = 0; s < 10; s++)
    for (int threads = 1; threads <= 9; threads++)
      for (int64_t grain = 1; grain <= 64; grain *= 8) {
        int64_t at = 0, begin, end;
        for (int t = 0; t < threads; t++) {
          pool_range(sizes[s], grain, t, threads, &begin, &end);
          ASSERT_INT(begin, at);
          ASSERT(end >= begin && (end == sizes[s] || end % grain == 0));
          at = end;
        }
        ASSERT_INT(at, sizes[s]);
      }
}
