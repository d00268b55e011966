#include "base/thread.h"

#include <hwloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { SPINS = 1 << 14 };  // some tens of microseconds: longer than the gap between two regions of a step

typedef struct {
  Pool *pool;
  int id;
  pthread_t thread;
} Worker;

struct Pool {
  int n_threads;
  bool oversubscribed;  // more threads than cores: spinning would only take the core from the one waited for
  Worker *workers;
  hwloc_topology_t topology;
  hwloc_bitmap_t allowed;  // what the opening thread could use, and can again after pool_close
  bool has_topology, pinned;
  // A region is published by raising `turn`; each worker that has finished it raises `done`.
  PoolFn *fn;
  void *arg;
  _Alignas(64) atomic_uint turn;
  _Alignas(64) atomic_int done;
  _Alignas(64) atomic_int barrier_count;
  _Alignas(64) atomic_uint barrier_turn;
  atomic_int sleepers;
  atomic_bool closing;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
};

static inline void relax(const Pool *p, int spin) {
  if (p->oversubscribed && spin % 64 == 63) {
    sched_yield();
    return;
  }
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// The id-th of the cores that the caller might use.
static void pin_self(Pool *p, int id) {
  if (!p->pinned) return;
  hwloc_obj_t core = NULL;
  for (int i = 0; i <= id; i++) do
      core = hwloc_get_next_obj_by_type(p->topology, HWLOC_OBJ_CORE, core);
    while (core && !hwloc_bitmap_intersects(core->cpuset, p->allowed));
  hwloc_bitmap_t set = hwloc_bitmap_alloc();
  if (core && set && hwloc_bitmap_and(set, core->cpuset, p->allowed) == 0) {
    hwloc_bitmap_singlify(set);
    (void)hwloc_set_cpubind(p->topology, set, HWLOC_CPUBIND_THREAD);  // a refusal costs speed only
  }
  hwloc_bitmap_free(set);
}

// What all threads of the process may use together (one of them may be bound by another pool). Returns the number of cores.
static int read_cores(Pool *p) {
  p->allowed = hwloc_bitmap_alloc();
  if (!p->allowed || hwloc_topology_init(&p->topology) != 0) return 1;
  p->has_topology = true;
  hwloc_topology_set_all_types_filter(p->topology, HWLOC_TYPE_FILTER_KEEP_NONE);
  hwloc_topology_set_type_filter(p->topology, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
  if (hwloc_topology_load(p->topology) != 0) return 1;
  if (hwloc_get_cpubind(p->topology, p->allowed, HWLOC_CPUBIND_PROCESS) != 0)
    hwloc_bitmap_copy(p->allowed, hwloc_topology_get_allowed_cpuset(p->topology));
  int cores = 0;
  for (hwloc_obj_t o = NULL; (o = hwloc_get_next_obj_by_type(p->topology, HWLOC_OBJ_CORE, o)) != NULL;)
    cores += hwloc_bitmap_intersects(o->cpuset, p->allowed);
  return cores > 0 ? cores : 1;
}

static unsigned wait_turn(Pool *p, unsigned seen) {
  for (int spin = 0; spin < SPINS; spin++) {
    unsigned now = atomic_load_explicit(&p->turn, memory_order_acquire);
    if (now != seen) return now;
    relax(p, spin);
  }
  pthread_mutex_lock(&p->mutex);
  atomic_fetch_add(&p->sleepers, 1);
  unsigned now;
  while ((now = atomic_load(&p->turn)) == seen) pthread_cond_wait(&p->wake, &p->mutex);
  atomic_fetch_sub(&p->sleepers, 1);
  pthread_mutex_unlock(&p->mutex);
  return now;
}

static void *worker_main(void *arg) {
  Worker *w = arg;
  Pool *p = w->pool;
  pin_self(p, w->id);
  unsigned seen = 0;
  for (;;) {
    seen = wait_turn(p, seen);
    if (atomic_load(&p->closing)) return NULL;
    p->fn(p->arg, w->id, p->n_threads);
    atomic_fetch_add_explicit(&p->done, 1, memory_order_release);
  }
}

static void publish(Pool *p) {
  atomic_fetch_add(&p->turn, 1);
  if (atomic_load(&p->sleepers) > 0) {
    pthread_mutex_lock(&p->mutex);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->mutex);
  }
}

void pool_run(Pool *p, PoolFn *fn, void *arg) {
  if (p->n_threads == 1) {
    fn(arg, 0, 1);
    return;
  }
  p->fn = fn;
  p->arg = arg;
  atomic_store_explicit(&p->done, 0, memory_order_relaxed);
  publish(p);
  fn(arg, 0, p->n_threads);
  for (int spin = 0; atomic_load_explicit(&p->done, memory_order_acquire) < p->n_threads - 1; spin++) {
    relax(p, spin);
    if (spin > SPINS) sched_yield();
  }
}

void pool_barrier(Pool *p) {
  if (p->n_threads == 1) return;
  unsigned turn = atomic_load(&p->barrier_turn);
  if (atomic_fetch_add(&p->barrier_count, 1) == p->n_threads - 1) {
    atomic_store(&p->barrier_count, 0);
    atomic_fetch_add(&p->barrier_turn, 1);
    return;
  }
  for (int spin = 0; atomic_load_explicit(&p->barrier_turn, memory_order_acquire) == turn; spin++) {
    relax(p, spin);
    if (spin > SPINS) sched_yield();
  }
}

Err pool_open(Pool **out, int n_threads, bool pin) {
  *out = NULL;
  Pool *p = aligned_alloc(64, (sizeof *p + 63) / 64 * 64);
  CHECK(p, ERR_MEMORY, "no memory for the thread pool");
  *p = (Pool){0};
  pthread_mutex_init(&p->mutex, NULL);
  pthread_cond_init(&p->wake, NULL);
  int cores = read_cores(p);
  p->n_threads = n_threads > 0 ? n_threads : cores;
  p->oversubscribed = p->n_threads > cores;
  p->pinned = pin && p->has_topology && p->n_threads == cores;
  p->workers = calloc((size_t)p->n_threads, sizeof *p->workers);
  if (!p->workers) {
    pool_close(p);
    FAIL(ERR_MEMORY, "no memory for %d threads", n_threads);
  }
  for (int i = 1; i < p->n_threads; i++) {
    p->workers[i] = (Worker){.pool = p, .id = i};
    if (pthread_create(&p->workers[i].thread, NULL, worker_main, &p->workers[i]) != 0) {
      p->n_threads = i;
      pool_close(p);
      FAIL(ERR_MEMORY, "the system refused thread %d of %d; use --threads %d", i + 1, n_threads, i);
    }
  }
  pin_self(p, 0);
  *out = p;
  return ERR_OK;
}

void pool_close(Pool *p) {
  if (!p) return;
  atomic_store(&p->closing, true);
  publish(p);
  for (int i = 1; p->workers && i < p->n_threads; i++) pthread_join(p->workers[i].thread, NULL);
  free(p->workers);
  if (p->pinned) (void)hwloc_set_cpubind(p->topology, p->allowed, HWLOC_CPUBIND_THREAD);
  if (p->has_topology) hwloc_topology_destroy(p->topology);
  hwloc_bitmap_free(p->allowed);
  pthread_mutex_destroy(&p->mutex);
  pthread_cond_destroy(&p->wake);
  free(p);
}

int pool_threads(const Pool *p) { return p->n_threads; }
