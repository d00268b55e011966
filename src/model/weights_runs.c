// Runs of a tensor on their way: read by a thread of its own, worked on by some others, and handed on in order by the caller's.
#include <assert.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>

#include "base/lane.h"
#include "model/weights.h"

enum { CHUNK = 1 << 19, READ_AHEAD = 2, WORKERS_MAX = 8, RING_MAX = WORKERS_MAX + READ_AHEAD + 2 };
enum { ALONE = 1 << 14 };  // elements that are not worth waking another thread

typedef struct {
  WeightSource *source;
  int64_t tensor;
  WeightRun run;
  void *raw;
  size_t raw_room, made_room;  // bytes of raw, of run.room
  WeightMake *make;
  void *context;
  Err alone;   // of work done by the caller
  Lane *lane;  // that works on it, NULL: none
  LaneJob read, work;
} Slot;

// Slots follow each other in the ring as the runs do: those that are being worked on, then those being read.
struct WeightAhead {
  Lane *reader;  // NULL: the system refuses a thread, and the caller reads
  Lane *worker[WORKERS_MAX];
  int workers, turn;  // turn: whose the next run is
  Slot slot[RING_MAX];
  int ring;  // slots in use
  int oldest, working, reading;
};

static Err read_slot(void *arg) {
  Slot *slot = arg;
  return slot->source->read(slot->source, slot->tensor, slot->run.first, slot->run.n, slot->raw);
}

static Err work_slot(void *arg) {
  Slot *slot = arg;
  return slot->make(slot->context, &slot->run);
}

static int workers_wanted(void) {
  cpu_set_t allowed;
  int n = sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
  return n < WORKERS_MAX ? n : WORKERS_MAX;
}

static struct WeightAhead *ahead_of(WeightSource *s) {
  if (s->ahead) return s->ahead;
  struct WeightAhead *a = s->ahead = calloc(1, sizeof *a);
  if (!a) return NULL;
  for (int i = 0; i < RING_MAX; i++) {
    Slot *slot = &a->slot[i];
    *slot = (Slot){.source = s, .read = {.fn = read_slot, .arg = slot}, .work = {.fn = work_slot, .arg = slot}};
  }
  if (lane_open(&a->reader) != ERR_OK) a->reader = NULL;
  for (int wanted = workers_wanted(); a->workers < wanted && lane_open(&a->worker[a->workers]) == ERR_OK;) a->workers++;
  a->ring = a->workers + READ_AHEAD + 2;
  return a;
}

// ---- slots, in the order they were asked for

static Slot *slot_at(struct WeightAhead *a, int i) { return &a->slot[(a->oldest + i) % a->ring]; }

// At least so many bytes; what was there is gone.
static Err want_room(const Slot *slot, void **memory, size_t *room, size_t bytes) {
  if (*room >= bytes) return ERR_OK;
  free(*memory);
  *memory = malloc(bytes);
  *room = *memory ? bytes : 0;
  CHECK(*memory, ERR_MEMORY, "%s: no memory for %lld weights of %s", slot->source->path, (long long)slot->run.n,
        slot->source->tensor[slot->tensor].name);
  return ERR_OK;
}

static Err ask(struct WeightAhead *a, int64_t tensor, int64_t first, int64_t n) {
  Slot *slot = slot_at(a, a->working + a->reading);
  slot->tensor = tensor;
  slot->run.first = first, slot->run.n = n;
  TRY(want_room(slot, &slot->raw, &slot->raw_room, (size_t)n * st_type_bytes(slot->source->tensor[tensor].type)));
  if (a->reader) lane_put(a->reader, &slot->read);
  a->reading++;
  return ERR_OK;
}

// The first that is being read, when it is, goes to the next worker.
static Err work(struct WeightAhead *a, const WeightRuns *r, WeightMake *make, void *context) {
  Slot *slot = slot_at(a, a->working);
  assert(a->reading > 0);
  TRY(want_room(slot, &slot->run.room, &slot->made_room, (size_t)slot->run.n * r->room));
  slot->make = make;
  slot->context = context;
  slot->run.raw = slot->raw;
  a->reading--;
  a->working++;
  slot->lane = NULL;
  slot->alone = a->reader ? lane_wait(a->reader, &slot->read) : read_slot(slot);
  if (slot->alone) return slot->alone;
  if (slot->run.n > ALONE && a->workers > 0) {
    slot->lane = a->worker[a->turn];
    a->turn = (a->turn + 1) % a->workers;
    lane_put(slot->lane, &slot->work);
  } else {
    slot->alone = work_slot(slot);
  }
  return slot->alone;
}

// The oldest, when it is done.
static Err take(struct WeightAhead *a, Slot **out) {
  Slot *slot = *out = slot_at(a, 0);
  assert(a->working > 0);
  a->oldest = (a->oldest + 1) % a->ring;
  a->working--;
  return slot->lane ? lane_wait(slot->lane, &slot->work) : slot->alone;
}

// What was asked for is waited for and forgotten.
static void forget(struct WeightAhead *a) {
  Slot *slot;
  ErrInfo kept;
  err_take(&kept);
  while (a->working > 0) (void)take(a, &slot);
  for (; a->reading > 0; a->reading--) {
    if (a->reader) (void)lane_wait(a->reader, &slot_at(a, 0)->read);
    a->oldest = (a->oldest + 1) % a->ring;
  }
  (void)err_give(&kept);
}

void weights_ahead_forget(WeightSource *s) {
  if (s->ahead) forget(s->ahead);
}

void weights_ahead_close(WeightSource *s) {
  struct WeightAhead *a = s->ahead;
  if (!a) return;
  forget(a);
  lane_close(a->reader);
  for (int i = 0; i < a->workers; i++) lane_close(a->worker[i]);
  for (int i = 0; i < RING_MAX; i++) {
    free(a->slot[i].raw);
    free(a->slot[i].run.room);
  }
  free(a);
  s->ahead = NULL;
}

// ---- runs

static void count_read(WeightSource *s, const WeightTensor *t, int64_t n) {
  s->read_bytes += (double)n * (double)st_type_bytes(t->type);
  if (s->progress) progress_update(s->progress, fmin(s->read_bytes * 1e-6, s->progress->total));  // some are written twice
}

static int64_t run_size(const WeightTensor *t, const WeightRuns *r, int64_t k) {
  int64_t left = t->n - (r->first + k * r->stride);
  return left < r->n ? left : r->n;
}

// Those who read the tensors in order find the begin of the next one under way.
static Err ask_next_tensor(struct WeightAhead *a, const WeightSource *s, int64_t i) {
  if (i + 1 >= s->count || s->tensor[i + 1].n == 0) return ERR_OK;
  return ask(a, i + 1, 0, s->tensor[i + 1].n < CHUNK ? s->tensor[i + 1].n : CHUNK);
}

static bool is_under_way(struct WeightAhead *a, int64_t tensor, int64_t first, int64_t n) {
  const Slot *slot = slot_at(a, 0);
  return a->working == 0 && a->reading == 1 && slot->tensor == tensor && slot->run.first == first && slot->run.n == n;
}

static Err hand_on(struct WeightAhead *a, WeightSource *s, const WeightTensor *t, WeightSink *sink, void *context) {
  Slot *slot;
  TRY(take(a, &slot));
  TRY(sink(context, slot->run.made, slot->run.bytes));
  count_read(s, t, slot->run.n);
  return ERR_OK;
}

static Err give_runs(struct WeightAhead *a, WeightSource *s, int64_t i, const WeightRuns *r, WeightMake *make, WeightSink *sink,
                     void *context) {
  const WeightTensor *t = &s->tensor[i];
  int64_t asked = 0;
  if (r->count > 0 && is_under_way(a, i, r->first, run_size(t, r, 0))) asked = 1;
  else forget(a);
  for (int64_t k = 0; k < r->count; k++) {
    for (; asked < r->count && asked <= k + READ_AHEAD; asked++)
      TRY(ask(a, i, r->first + asked * r->stride, run_size(t, r, asked)));
    TRY(work(a, r, make, context));
    if (k == r->count - 1) TRY(ask_next_tensor(a, s, i));
    if (a->working > a->workers) TRY(hand_on(a, s, t, sink, context));
  }
  while (a->working > 0) TRY(hand_on(a, s, t, sink, context));
  return ERR_OK;
}

Err weights_runs(WeightSource *s, int64_t i, const WeightRuns *runs, WeightMake *make, WeightSink *sink, void *context) {
  struct WeightAhead *a = ahead_of(s);
  CHECK(a, ERR_MEMORY, "%s: no memory for a run of weights", s->path);
  Err err = give_runs(a, s, i, runs, make, sink, context);
  if (err) forget(a);
  return err;
}

WeightRuns weights_whole(const WeightSource *s, int64_t i) {
  return (WeightRuns){.n = CHUNK, .stride = CHUNK, .count = (s->tensor[i].n + CHUNK - 1) / CHUNK};
}
