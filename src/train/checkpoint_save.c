// Writing checkpoints: staged at the step's end, written by a thread of its own.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "train/checkpoint_file.h"

enum { COPY_GRAIN = 1 << 16, WRITER_NICE = 5 };
static const char TEMP_END[] = ".tmp";

struct Checkpointer {
  CheckpointOptions o;
  size_t bytes;  // of the staged state
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool busy, stop, unread;  // unread: `report` is of a write nobody has asked about
  int64_t protected_step;
  // of the write under way
  int64_t step, kept_step;  // kept: protected when it was asked for
  json_t *state;            // owned
  CheckpointReport report;
};

size_t checkpoint_staging_bytes(const CheckpointArray *array, int64_t n_arrays) {
  size_t bytes = 0;
  for (int64_t i = 0; i < n_arrays; i++) bytes += array_room(&array[i]);
  return bytes;
}

enum { ENTRY_BYTES = 2 << 10 };  // of an array in the manifest: objects, and its text while it is put together

size_t checkpoint_writing_bytes(int64_t n_arrays) {
  return SHARD_BLOCK_BYTES + FILE_BUFFER_BYTES + (size_t)n_arrays * ENTRY_BYTES;
}

size_t checkpoint_reading_bytes(int64_t n_arrays) { return SHARD_BLOCK_BYTES + (size_t)n_arrays * ENTRY_BYTES; }

// ---- the state, copied

static size_t overlap(size_t begin, size_t end, size_t low, size_t high, size_t *from) {
  *from = begin > low ? begin : low;
  size_t to = end < high ? end : high;
  return to > *from ? to - *from : 0;
}

// Bytes [from, from + n) of an array; of halves whole elements are wanted.
static void copy_array(const CheckpointArray *a, size_t from, size_t n, void *out) {
  if (a->split.data) mat_read(a->split, a->dim[1], (int64_t)(from / sizeof(float)), (int64_t)(n / sizeof(float)), out);
  else memcpy(out, (const char *)a->data + from, n);
}

// Copies bytes [begin, end) of the staged state, and zeros between arrays: the file's bytes follow from the state alone.
static void copy_part(void *arg, int thread, int n_threads) {
  Checkpointer *c = arg;
  int64_t first, last;
  pool_range((int64_t)c->bytes, COPY_GRAIN, thread, n_threads, &first, &last);
  size_t at = 0, begin = (size_t)first, end = (size_t)last, from;
  char *out = c->o.staging;
  for (int64_t i = 0; i < c->o.n_arrays && at < end; i++) {
    const CheckpointArray *a = &c->o.array[i];
    size_t bytes = array_bytes(a), room = array_room(a), n = overlap(begin, end, at, at + bytes, &from);
    if (n) copy_array(a, from - at, n, out + from);
    n = overlap(begin, end, at + bytes, at + room, &from);
    if (n) memset(out + from, 0, n);
    at += room;
  }
}

// ---- the files

static Err write_arrays(const Checkpointer *c, CheckpointStream *s) {
  const char *at = c->o.staging;
  for (int64_t i = 0; i < c->o.n_arrays; i++) {
    const CheckpointArray *a = &c->o.array[i];
    TRY(checkpoint_stream_write(s, at, array_bytes(a)));
    at += array_room(a);
  }
  return checkpoint_stream_commit(s, c->state);
}

static Err write_folder(const Checkpointer *c, const char *folder) {
  CheckpointStream s;
  CheckpointHead head = {.folder = folder,
                         .step = c->step,
                         .identity = c->o.identity,
                         .config = c->o.config,
                         .version = c->o.version,
                         .array = c->o.array,
                         .n_arrays = c->o.n_arrays,
                         .shard_bytes = c->o.shard_bytes};
  TRY(checkpoint_stream_open(&s, &head));
  Err err = write_arrays(c, &s);
  checkpoint_stream_close(&s);
  return err;
}

// Puts `temp` in the place of `path`. If there is one already (a bad one that the run fell back from), the two change places in
// one move, so that at every moment one of them is there.
static Err put_in_place(const char *temp, const char *path) {
  if (rename(temp, path) == 0) return ERR_OK;
  CHECK(errno == ENOTEMPTY || errno == EEXIST, ERR_IO, "%s: cannot be put in place: %s", path, strerror(errno));
  if (renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_EXCHANGE) == 0) return folder_remove(temp);
  TRY(folder_remove(path));  // a file system without exchange
  CHECK(rename(temp, path) == 0, ERR_IO, "%s: cannot be put in place: %s", path, strerror(errno));
  return ERR_OK;
}

static Err temp_path(char out[PATH_BYTES], const char *folder, int64_t step) {
  TRY(checkpoint_path(out, folder, step));
  size_t n = strlen(out);
  CHECK(n + sizeof TEMP_END <= PATH_BYTES, ERR_ARG, "%.100s...: a path too long", out);
  memcpy(out + n, TEMP_END, sizeof TEMP_END);
  return ERR_OK;
}

// Under its other name first: a kill in between leaves no half of a checkpoint that looks like none and stays for ever.
static Err remove_step(const char *folder, int64_t step) {
  char path[PATH_BYTES], temp[PATH_BYTES];
  TRY(checkpoint_path(path, folder, step));
  TRY(temp_path(temp, folder, step));
  CHECK(rename(path, temp) == 0, ERR_IO, "%s: cannot be removed: %s", path, strerror(errno));
  return folder_remove(temp);
}

// Removes, of the steps up to `step`, those that no rule keeps. What cannot be removed costs space, not the run.
static void remove_old(const CheckpointOptions *o, int64_t step, int64_t kept_step) {
  int64_t *steps, n, newer = 0;
  if (checkpoint_steps(o->folder, &steps, &n) != ERR_OK) return;
  for (int64_t i = n - 1; i >= 0; i--) {
    if (steps[i] > step) continue;  // of a run that was ahead of the one resumed; not ours to judge
    if (newer++ < o->keep_last || (o->keep_every > 0 && steps[i] % o->keep_every == 0) || steps[i] == kept_step) continue;
    if (remove_step(o->folder, steps[i]) != ERR_OK) log_warn("an old checkpoint stays: %s", err_text());
  }
  free(steps);
}

static Err write_checkpoint(const Checkpointer *c) {
  char path[PATH_BYTES], temp[PATH_BYTES];
  TRY(checkpoint_path(path, c->o.folder, c->step));
  TRY(temp_path(temp, c->o.folder, c->step));
  Err err = ERR_OK;
  TRY_OUT(folder_remove(temp));
  TRY_OUT(write_folder(c, temp));
  TRY_OUT(put_in_place(temp, path));
  TRY_OUT(folder_sync(c->o.folder));
  remove_old(&c->o, c->step, c->kept_step);  // only after the newest is in place
  return ERR_OK;
out:;
  ErrInfo info;
  err_take(&info);  // removing sets an error of its own
  (void)folder_remove(temp);
  (void)err_give(&info);
  return err;
}

// ---- the thread

// It came from a thread that may be bound to one core, which it would then share with the training step.
static void leave_core(void) {
  cpu_set_t all;
  memset(&all, 0xff, sizeof all);
  (void)pthread_setaffinity_np(pthread_self(), sizeof all, &all);
  (void)setpriority(PRIO_PROCESS, (id_t)gettid(), WRITER_NICE);
}

static void *writer(void *arg) {
  Checkpointer *c = arg;
  leave_core();
  pthread_mutex_lock(&c->lock);
  for (;;) {
    while (!c->busy && !c->stop) pthread_cond_wait(&c->changed, &c->lock);
    if (!c->busy) break;
    pthread_mutex_unlock(&c->lock);
    double start_s = clock_s();
    Err err = write_checkpoint(c);
    pthread_mutex_lock(&c->lock);
    c->report.write_s = clock_s() - start_s;
    c->report.error = (ErrInfo){0};
    if (err) err_take(&c->report.error);
    c->report.bytes = err ? 0 : c->bytes;
    c->unread = true;
    c->busy = false;
    json_decref(c->state);
    c->state = NULL;
    pthread_cond_broadcast(&c->changed);
  }
  pthread_mutex_unlock(&c->lock);
  return NULL;
}

// What a kill left behind.
static Err remove_left_over(const char *folder) {
  char **names, path[PATH_BYTES];
  size_t n;
  TRY(folder_list(folder, &names, &n));
  Err err = ERR_OK;
  for (size_t i = 0; i < n && !err; i++) {
    if (checkpoint_step_of(names[i], TEMP_END) < 0) continue;
    err = path_join(path, folder, names[i]);
    if (!err) err = folder_remove(path);
  }
  names_free(names, n);
  return err;
}

Err checkpoint_open(Checkpointer **out, const CheckpointOptions *options) {
  *out = NULL;
  TRY(folder_make(options->folder));
  TRY(remove_left_over(options->folder));
  Checkpointer *c = calloc(1, sizeof *c);
  CHECK(c, ERR_MEMORY, "%s: no memory for the checkpoint writer", options->folder);
  c->o = *options;
  if (c->o.keep_last < 1) c->o.keep_last = 1;
  c->bytes = checkpoint_staging_bytes(c->o.array, c->o.n_arrays);
  c->protected_step = -1;
  pthread_mutex_init(&c->lock, NULL);
  pthread_cond_init(&c->changed, NULL);
  int cause = pthread_create(&c->thread, NULL, writer, c);
  if (cause) {
    free(c);
    FAIL(ERR_MEMORY, "%s: no thread for the checkpoint writer: %s", options->folder, strerror(cause));
  }
  *out = c;
  return ERR_OK;
}

// The error of the last write if nobody has had it; the lock is held.
static Err unread_error(Checkpointer *c) {
  if (!c->unread) return ERR_OK;
  c->unread = false;
  return c->report.error.kind ? err_give(&c->report.error) : ERR_OK;
}

Err checkpoint_save(Checkpointer *c, int64_t step, const json_t *state) {
  double start_s = clock_s();
  json_t *copy = json_deep_copy(state);
  CHECK(copy, ERR_MEMORY, "%s: no memory for the state of a checkpoint", c->o.folder);
  pthread_mutex_lock(&c->lock);
  while (c->busy) pthread_cond_wait(&c->changed, &c->lock);
  Err before = unread_error(c);
  pthread_mutex_unlock(&c->lock);
  if (c->o.pool) pool_run(c->o.pool, copy_part, c);
  else copy_part(c, 0, 1);
  pthread_mutex_lock(&c->lock);
  c->step = step;
  c->kept_step = c->protected_step;
  c->state = copy;
  c->report = (CheckpointReport){.step = step, .stall_s = clock_s() - start_s};
  c->busy = true;
  pthread_cond_broadcast(&c->changed);
  pthread_mutex_unlock(&c->lock);
  return before;
}

bool checkpoint_finished(Checkpointer *c, CheckpointReport *report) {
  pthread_mutex_lock(&c->lock);
  bool ready = c->unread && !c->busy;
  if (ready) *report = c->report;
  if (ready) c->unread = false;
  pthread_mutex_unlock(&c->lock);
  return ready;
}

void checkpoint_wait(Checkpointer *c) {
  pthread_mutex_lock(&c->lock);
  while (c->busy) pthread_cond_wait(&c->changed, &c->lock);
  pthread_mutex_unlock(&c->lock);
}

void checkpoint_protect(Checkpointer *c, int64_t step) { c->protected_step = step; }

void checkpoint_tidy(Checkpointer *c, int64_t step) {
  checkpoint_wait(c);
  remove_old(&c->o, step, c->protected_step);
}

Err checkpoint_close(Checkpointer *c) {
  if (!c) return ERR_OK;
  pthread_mutex_lock(&c->lock);
  c->stop = true;
  pthread_cond_broadcast(&c->changed);
  pthread_mutex_unlock(&c->lock);
  pthread_join(c->thread, NULL);
  Err err = unread_error(c);
  pthread_mutex_destroy(&c->lock);
  pthread_cond_destroy(&c->changed);
  free(c);
  return err;
}
