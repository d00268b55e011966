// Reading tensors in runs: the next is read by a thread of its own while one is being worked on.
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/lane.h"
#include "model/weights.h"

enum { CHUNK = 1 << 19, PART = 1 << 12, SLOTS = 3 };  // elements of a run; of what is converted at once

typedef struct {
  WeightSource *source;
  int64_t tensor, first, n;
  void *raw;
  size_t room;  // bytes
  LaneJob job;
} Slot;

struct WeightAhead {
  Lane *lane;  // NULL: the system refuses a thread, and the caller reads
  Slot slot[SLOTS];
  int oldest, under_way;
  uint8_t out[CHUNK * sizeof(float)];
};

static Err read_slot(void *arg) {
  Slot *slot = arg;
  return slot->source->read(slot->source, slot->tensor, slot->first, slot->n, slot->raw);
}

static struct WeightAhead *ahead_of(WeightSource *s) {
  if (s->ahead) return s->ahead;
  struct WeightAhead *a = s->ahead = calloc(1, sizeof *a);
  if (!a) return NULL;
  for (int i = 0; i < SLOTS; i++) a->slot[i] = (Slot){.source = s, .job = {.fn = read_slot, .arg = &a->slot[i]}};
  if (lane_open(&a->lane) != ERR_OK) a->lane = NULL;
  return a;
}

// ---- slots, in the order they were asked for

static Err ask(struct WeightAhead *a, int64_t tensor, int64_t first, int64_t n) {
  Slot *slot = &a->slot[(a->oldest + a->under_way) % SLOTS];
  const WeightSource *s = slot->source;
  size_t bytes = (size_t)n * st_type_bytes(s->tensor[tensor].type);
  if (slot->room < bytes) {
    free(slot->raw);
    slot->raw = malloc(bytes);
    slot->room = slot->raw ? bytes : 0;
    CHECK(slot->raw, ERR_MEMORY, "%s: no memory for %lld weights of %s", s->path, (long long)n, s->tensor[tensor].name);
  }
  slot->tensor = tensor, slot->first = first, slot->n = n;
  if (a->lane) lane_put(a->lane, &slot->job);
  a->under_way++;
  return ERR_OK;
}

static Err take(struct WeightAhead *a, const Slot **out) {
  Slot *slot = &a->slot[a->oldest];
  assert(a->under_way > 0);
  a->oldest = (a->oldest + 1) % SLOTS;
  a->under_way--;
  *out = slot;
  return a->lane ? lane_wait(a->lane, &slot->job) : read_slot(slot);
}

// What was asked for is waited for and forgotten.
static void forget(struct WeightAhead *a) {
  ErrInfo kept;
  err_take(&kept);
  while (a->under_way > 0) {
    Slot *slot = &a->slot[a->oldest];
    if (a->lane) (void)lane_wait(a->lane, &slot->job);
    a->oldest = (a->oldest + 1) % SLOTS;
    a->under_way--;
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
  lane_close(a->lane);
  for (int i = 0; i < SLOTS; i++) free(a->slot[i].raw);
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

static bool is_under_way(const struct WeightAhead *a, int64_t tensor, int64_t first, int64_t n) {
  const Slot *slot = &a->slot[a->oldest];
  return a->under_way == 1 && slot->tensor == tensor && slot->first == first && slot->n == n;
}

static Err give_runs(struct WeightAhead *a, WeightSource *s, int64_t i, const WeightRuns *r, WeightRunSink *sink,
                     void *context) {
  const WeightTensor *t = &s->tensor[i];
  const Slot *slot;
  int64_t asked = 0;
  if (r->count > 0 && is_under_way(a, i, r->first, run_size(t, r, 0))) asked = 1;
  else forget(a);
  for (int64_t k = 0; k < r->count; k++) {
    while (asked < r->count && asked < k + SLOTS - 1) {
      TRY(ask(a, i, r->first + asked * r->stride, run_size(t, r, asked)));
      asked++;
    }
    TRY(take(a, &slot));
    if (k == r->count - 1) TRY(ask_next_tensor(a, s, i));
    TRY(sink(context, slot->raw, slot->first, slot->n));
    count_read(s, t, slot->n);
  }
  return ERR_OK;
}

Err weights_runs(WeightSource *s, int64_t i, const WeightRuns *runs, WeightRunSink *sink, void *context) {
  struct WeightAhead *a = ahead_of(s);
  CHECK(a, ERR_MEMORY, "%s: no memory for a run of weights", s->path);
  Err err = give_runs(a, s, i, runs, sink, context);
  if (err) forget(a);
  return err;
}

WeightRuns weights_whole(const WeightSource *s, int64_t i) {
  return (WeightRuns){.n = CHUNK, .stride = CHUNK, .count = (s->tensor[i].n + CHUNK - 1) / CHUNK};
}

// ---- numbers that cannot be

// Whether some exponent is all ones. Blocks whose length compilers know become vectors.
static bool any_special(StType type, const uint8_t *p, int64_t n) {
  enum { BLOCK = 64 };
  int64_t i = 0;
  if (type == ST_F32) {
    for (; i + BLOCK <= n; i += BLOCK) {
      uint32_t u[BLOCK], bad = 0;
      memcpy(u, p + i * 4, sizeof u);
      for (int k = 0; k < BLOCK; k++) bad |= (u[k] & 0x7f800000u) == 0x7f800000u;
      if (bad) return true;
    }
    for (uint32_t u; i < n; i++)
      if (memcpy(&u, p + i * 4, 4), (u & 0x7f800000u) == 0x7f800000u) return true;
    return false;
  }
  const uint16_t mask = type == ST_BF16 ? 0x7f80u : 0x7c00u;
  for (; i + BLOCK <= n; i += BLOCK) {
    uint16_t u[BLOCK], bad = 0;
    memcpy(u, p + i * 2, sizeof u);
    for (int k = 0; k < BLOCK; k++) bad |= (u[k] & mask) == mask;
    if (bad) return true;
  }
  for (uint16_t u; i < n; i++)
    if (memcpy(&u, p + i * 2, 2), (u & mask) == mask) return true;
  return false;
}

static Err not_finite(const WeightSource *s, const WeightTensor *t, int64_t at, float value, StType type) {
  char place[64];
  if (t->n_dims == 2) snprintf(place, sizeof place, "[%lld, %lld]", (long long)(at / t->dim[1]), (long long)(at % t->dim[1]));
  else snprintf(place, sizeof place, "[%lld]", (long long)at);
  CHECK(!isfinite(value), ERR_NUMERIC, "%s: weight %s%s is %g, which %s cannot hold; choose fp32 or bf16", s->path, t->name,
        place, (double)value, st_type_name(type));
  FAIL(ERR_NUMERIC, "%s: weight %s%s is %g; allow it by --allow-nan, or use a checkpoint from before", s->path, t->name, place,
       isnan(value) ? NAN : (double)value);  // whose sign says nothing
}

// The first element that is not finite in `type`; in[i] are the elements as fp32.
static Err find_special(const WeightSource *s, const WeightTensor *t, int64_t first, int64_t n, StType type, const float *in) {
  for (int64_t i = 0; i < n; i++) {
    uint32_t bytes;
    st_from_f32(type, &in[i], 1, &bytes);
    if (any_special(type, (const uint8_t *)&bytes, 1)) return not_finite(s, t, first + i, in[i], type);
  }
  return ERR_OK;
}

static bool too_large_for_fp16(const float *x, int64_t n) {
  bool large = false;
  for (int64_t i = 0; i < n; i++) large |= fabsf(x[i]) >= 65520;  // rounds to more than 65504
  return large;
}

bool weights_fit(StType type, const float *x, int64_t n) {
  return !any_special(ST_F32, (const uint8_t *)x, n) && (type != ST_F16 || !too_large_for_fp16(x, n));
}

Err weights_refuse(const WeightSource *s, int64_t i, int64_t first, int64_t n, StType type, const void *raw) {
  const WeightTensor *t = &s->tensor[i];
  const uint8_t *from = raw;
  size_t bytes = st_type_bytes(t->type);
  float x[PART];
  for (int64_t at = 0; at < n; at += PART) {
    int64_t count = n - at < PART ? n - at : PART;
    st_to_f32(t->type, from + (size_t)at * bytes, count, x);
    TRY(find_special(s, t, first + at, count, type, x));
  }
  return ERR_OK;
}

// ---- whole tensors in a type

typedef struct {
  WeightSource *source;
  int64_t tensor;
  StType type;
  bool allow_nan;
  WeightSink *sink;
  void *context;
} Pump;

// In parts that stay in the nearest cache.
static void convert(StType from, const uint8_t *in, StType to, uint8_t *out, int64_t n) {
  float x[PART];
  for (int64_t at = 0; at < n; at += PART) {
    int64_t count = n - at < PART ? n - at : PART;
    st_to_f32(from, in + (size_t)at * st_type_bytes(from), count, x);
    st_from_f32(to, x, count, out + (size_t)at * st_type_bytes(to));
  }
}

static Err pump_run(void *context, const void *raw, int64_t first, int64_t n) {
  const Pump *p = context;
  StType from = p->source->tensor[p->tensor].type;
  const void *out = raw;
  if (from != p->type) {
    convert(from, raw, p->type, p->source->ahead->out, n);
    out = p->source->ahead->out;
  }
  if (!p->allow_nan && any_special(p->type, out, n)) TRY(weights_refuse(p->source, p->tensor, first, n, p->type, raw));
  return p->sink(p->context, out, (size_t)n * st_type_bytes(p->type));
}

Err weights_pump(WeightSource *s, int64_t i, StType type, bool allow_nan, WeightSink *sink, void *context) {
  assert(type == ST_F32 || type == ST_BF16 || type == ST_F16);
  WeightRuns whole = weights_whole(s, i);
  return weights_runs(
      s, i, &whole, pump_run,
      &(Pump){.source = s, .tensor = i, .type = type, .allow_nan = allow_nan, .sink = sink, .context = context});
}
