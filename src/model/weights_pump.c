// Whole tensors in a type, and what no number can be.
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/weights.h"

enum { PART = 1 << 12 };  // elements converted at once: they stay in the nearest cache

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

static Err make_run(void *context, WeightRun *run) {
  const Pump *p = context;
  const StType from = p->source->tensor[p->tensor].type;
  run->made = run->raw;
  run->bytes = (size_t)run->n * st_type_bytes(p->type);
  if (from != p->type) {
    convert(from, run->raw, p->type, run->room, run->n);
    run->made = run->room;
  }
  bool fit = p->allow_nan || !any_special(p->type, run->made, run->n);
  return fit ? ERR_OK : weights_refuse(p->source, p->tensor, run->first, run->n, p->type, run->raw);
}

static Err sink_run(void *context, const void *data, size_t bytes) {
  const Pump *p = context;
  return p->sink(p->context, data, bytes);
}

Err weights_pump(WeightSource *s, int64_t i, StType type, bool allow_nan, WeightSink *sink, void *context) {
  assert(type == ST_F32 || type == ST_BF16 || type == ST_F16);
  WeightRuns whole = weights_whole(s, i);
  if (s->tensor[i].type != type) whole.room = st_type_bytes(type);
  return weights_runs(
      s, i, &whole, make_run, sink_run,
      &(Pump){.source = s, .tensor = i, .type = type, .allow_nan = allow_nan, .sink = sink, .context = context});
}
