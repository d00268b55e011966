#include "base/relay.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct {
  bool ready;     // worked on, or failed
  ErrInfo error;  // of reading or working on it
} Slot;

typedef struct {
  const Relay *relay;
  pthread_mutex_t mutex;
  pthread_cond_t moved;
  Slot *slot;
  int64_t read, written;  // pieces so far
  bool reading, writing, ended, failed;
  ErrInfo error;
} Run;

// With the mutex.
static void fail(Run *r, const ErrInfo *error) {
  r->error = *error;
  r->failed = true;
  if (r->relay->stop) r->relay->stop(r->relay->context);
}

// With the mutex, which is free meanwhile: writes what is ready, in order, unless another thread is at it.
static void drain(Run *r) {
  if (r->writing) return;
  r->writing = true;
  while (!r->failed && r->written < r->read && r->slot[r->written % r->relay->slots].ready) {
    int64_t at = r->written % r->relay->slots;
    Slot *s = &r->slot[at];
    pthread_mutex_unlock(&r->mutex);
    if (!s->error.kind && r->relay->write(r->relay->context, at) != ERR_OK) err_take(&s->error);
    pthread_mutex_lock(&r->mutex);
    if (s->error.kind) fail(r, &s->error);
    s->ready = false;
    r->written++;
    pthread_cond_broadcast(&r->moved);
  }
  r->writing = false;
}

// With the mutex, which is free meanwhile. False: there is no piece.
static bool take(Run *r, int64_t at) {
  bool got = false;
  r->reading = true;
  pthread_mutex_unlock(&r->mutex);
  Err err = r->relay->read(r->relay->context, at, &got);
  if (err) err_take(&r->slot[at].error);  // told in its turn: an earlier piece may be wrong
  pthread_mutex_lock(&r->mutex);
  r->reading = false;
  r->ended = err || !got;
  if (err || got) r->read++;
  pthread_cond_broadcast(&r->moved);
  return err || got;
}

static void run_thread(void *arg, int thread, int n_threads) {
  (void)n_threads;
  Run *r = arg;
  pthread_mutex_lock(&r->mutex);
  while (!r->failed && !(r->ended && r->written == r->read)) {
    int64_t at = r->read % r->relay->slots;
    if (r->reading || r->ended || r->read - r->written == r->relay->slots) {
      pthread_cond_wait(&r->moved, &r->mutex);
      continue;
    }
    if (!take(r, at)) continue;
    pthread_mutex_unlock(&r->mutex);
    Slot *s = &r->slot[at];
    if (!s->error.kind && r->relay->work(r->relay->context, at, thread) != ERR_OK) err_take(&s->error);
    pthread_mutex_lock(&r->mutex);
    s->ready = true;
    drain(r);
  }
  pthread_mutex_unlock(&r->mutex);
}

Err relay_run(Pool *pool, const Relay *relay) {
  Run *r = calloc(1, sizeof *r);
  Slot *slot = calloc((size_t)relay->slots, sizeof *slot);
  Err err = ERR_OK;
  CHECK_OUT(r && slot, ERR_MEMORY, "no memory for %lld pieces of work", (long long)relay->slots);
  r->relay = relay;
  r->slot = slot;
  pthread_mutex_init(&r->mutex, NULL);
  pthread_cond_init(&r->moved, NULL);
  pool_run(pool, run_thread, r);
  if (r->failed) err = err_give(&r->error);
  pthread_cond_destroy(&r->moved);
  pthread_mutex_destroy(&r->mutex);
out:
  free(slot);
  free(r);
  return err;
}
