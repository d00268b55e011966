#include "cli/verify/differ.h"

#include <math.h>
#include <string.h>

#include "base/half.h"

// The bits of a number of a type, and its value.
typedef struct {
  int64_t bits;
  double value;
} Number;

static Number number_at(const CheckpointArray *a, int64_t i) {
  size_t size = st_type_bytes(a->type);
  const char *at = (const char *)a->data + (size_t)i * size;
  uint8_t u8;
  uint16_t u16;
  uint32_t u32;
  uint64_t u64;
  double f64;
  switch (size) {
    case 1: memcpy(&u8, at, 1), u64 = u8; break;
    case 2: memcpy(&u16, at, 2), u64 = u16; break;
    case 4: memcpy(&u32, at, 4), u64 = u32; break;
    default: memcpy(&u64, at, 8); break;
  }
  switch (a->type) {
    case ST_F32: return (Number){(int64_t)u64, (double)f32_from_bits((uint32_t)u64)};
    case ST_BF16: return (Number){(int64_t)u64, (double)bf16_to_f32((Bf16)u64)};
    case ST_F16: return (Number){(int64_t)u64, (double)fp16_to_f32((uint16_t)u64)};
    case ST_F8_E4M3: return (Number){(int64_t)u64, (double)e4m3_to_f32((uint8_t)u64)};
    case ST_F8_E5M2: return (Number){(int64_t)u64, (double)e5m2_to_f32((uint8_t)u64)};
    case ST_F64: memcpy(&f64, at, 8); return (Number){(int64_t)u64, f64};
    case ST_I64: return (Number){(int64_t)u64, (double)(int64_t)u64};
    case ST_I32: return (Number){(int64_t)u64, (double)(int32_t)(uint32_t)u64};
    case ST_I16: return (Number){(int64_t)u64, (double)(int16_t)(uint16_t)u64};
    case ST_I8: return (Number){(int64_t)u64, (double)(int8_t)(uint8_t)u64};
    default: return (Number){(int64_t)u64, (double)u64};
  }
}

// Numbers of a floating type as integers in their order: sign and magnitude to two's complement.
static int64_t ordered(int64_t bits, size_t bytes) {
  uint64_t sign = (uint64_t)1 << (8 * bytes - 1), u = (uint64_t)bits;
  return u & sign ? -(int64_t)(u & ~sign) : (int64_t)u;
}

static int64_t ulp_between(const Number *x, const Number *y, size_t bytes) {
  if (isnan(x->value) || isnan(y->value)) return -1;
  int64_t a = ordered(x->bits, bytes), b = ordered(y->bits, bytes);
  uint64_t d = a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
  return d < INT64_MAX ? (int64_t)d : INT64_MAX;
}

static void note(Difference *d, const Number *x, const Number *y, int64_t i, bool steps, size_t bytes) {
  if (d->differing++ == 0) d->first = i, d->a = x->value, d->b = y->value;
  double gap = fabs(x->value - y->value);
  if (isnan(gap)) gap = isnan(x->value) && isnan(y->value) ? 0 : INFINITY;
  d->greatest = fmax(d->greatest, gap);
  int64_t ulp = steps ? ulp_between(x, y, bytes) : -1;
  if (ulp < 0 || d->ulp < 0) d->ulp = -1;
  else if (ulp > d->ulp) d->ulp = ulp;
}

static bool is_floating(StType t) {
  return t == ST_F64 || t == ST_F32 || t == ST_F16 || t == ST_BF16 || t == ST_F8_E4M3 || t == ST_F8_E5M2;
}

Difference arrays_differ(const CheckpointArray *a, const CheckpointArray *b, int64_t n) {
  Difference d = {.elements = n, .first = -1};
  bool same_type = a->type == b->type, steps = same_type && is_floating(a->type);
  size_t bytes = st_type_bytes(a->type);
  double most = 0;
  if (same_type && memcmp(a->data, b->data, (size_t)n * bytes) == 0) return d;
  for (int64_t i = 0; i < n; i++) {
    Number x = number_at(a, i), y = number_at(b, i);
    d.not_finite += !isfinite(x.value) || !isfinite(y.value);
    if (isfinite(x.value)) most = fmax(most, fabs(x.value));
    if (isfinite(y.value)) most = fmax(most, fabs(y.value));
    if (same_type ? x.bits != y.bits : x.value != y.value) note(&d, &x, &y, i, steps, bytes);
  }
  d.relative = d.greatest == 0 ? 0 : most > 0 ? d.greatest / most : INFINITY;
  return d;
}

Difference reals_differ(double a, double b) {
  CheckpointArray x = {.type = ST_F64, .data = &a}, y = {.type = ST_F64, .data = &b};
  return arrays_differ(&x, &y, 1);
}

void element_place(const CheckpointArray *a, int64_t i, char out[64]) {
  int64_t at[TENSOR_DIMS] = {0};
  for (int k = a->n_dims - 1; k >= 0; k--) {
    at[k] = a->dim[k] ? i % a->dim[k] : 0;
    i = a->dim[k] ? i / a->dim[k] : 0;
  }
  size_t used = (size_t)snprintf(out, 64, "[");
  for (int k = 0; k < a->n_dims && used < 56; k++)
    used += (size_t)snprintf(out + used, 64 - used, "%s%lld", k ? ", " : "", (long long)at[k]);
  if (used < 63) snprintf(out + used, 64 - used, "]");
}
