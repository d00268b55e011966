#include "base/lane.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct Lane {
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t put, done;
  LaneJob *first, *last;
  bool closing;
};

static void do_job(LaneJob *job) {
  job->err = job->fn(job->arg);
  if (job->err) err_take(&job->info);
}

static void *lane_main(void *arg) {
  Lane *l = arg;
  pthread_mutex_lock(&l->mutex);
  for (;;) {
    while (!l->first && !l->closing) pthread_cond_wait(&l->put, &l->mutex);
    LaneJob *job = l->first;
    if (!job) break;
    pthread_mutex_unlock(&l->mutex);
    do_job(job);
    pthread_mutex_lock(&l->mutex);
    l->first = job->next;
    job->done = true;
    pthread_cond_signal(&l->done);
  }
  pthread_mutex_unlock(&l->mutex);
  return NULL;
}

static void destroy(Lane *l) {
  pthread_cond_destroy(&l->put);
  pthread_cond_destroy(&l->done);
  pthread_mutex_destroy(&l->mutex);
  free(l);
}

Err lane_open(Lane **out) {
  Lane *l = calloc(1, sizeof *l);
  *out = NULL;
  CHECK(l, ERR_MEMORY, "no memory for a thread");
  pthread_mutex_init(&l->mutex, NULL);
  pthread_cond_init(&l->put, NULL);
  pthread_cond_init(&l->done, NULL);
  if (pthread_create(&l->thread, NULL, lane_main, l) != 0) {
    destroy(l);
    FAIL(ERR_MEMORY, "the system refused a thread");
  }
  *out = l;
  return ERR_OK;
}

void lane_close(Lane *l) {
  if (!l) return;
  pthread_mutex_lock(&l->mutex);
  l->closing = true;
  pthread_cond_signal(&l->put);
  pthread_mutex_unlock(&l->mutex);
  pthread_join(l->thread, NULL);
  destroy(l);
}

void lane_put(Lane *l, LaneJob *job) {
  assert(!job->pending && "put again before it was waited for");
  job->next = NULL;
  job->pending = true;
  job->done = false;
  pthread_mutex_lock(&l->mutex);
  if (l->first) l->last->next = job;
  else l->first = job;
  l->last = job;
  pthread_cond_signal(&l->put);
  pthread_mutex_unlock(&l->mutex);
}

Err lane_wait(Lane *l, LaneJob *job) {
  if (!job->pending) return ERR_OK;
  pthread_mutex_lock(&l->mutex);
  while (!job->done) pthread_cond_wait(&l->done, &l->mutex);
  pthread_mutex_unlock(&l->mutex);
  job->pending = false;
  return job->err ? err_give(&job->info) : ERR_OK;
}
