// Elements of tensors as fp32 and back.
#include <assert.h>
#include <string.h>

#include "base/half.h"
#include "base/safetensors.h"
#include "base/wide.h"

bool st_is_float(StType type) {
  return type == ST_F32 || type == ST_F64 || type == ST_F16 || type == ST_BF16 || type == ST_F8_E4M3 || type == ST_F8_E5M2;
}

enum { BLOCK = 64 };  // a count that compilers know makes them use vectors

WIDE_PART void bf16_block_to_f32(const uint8_t *in, float *out) {
  uint16_t half[BLOCK];
  uint32_t bits[BLOCK];
  memcpy(half, in, sizeof half);
  for (int i = 0; i < BLOCK; i++) bits[i] = (uint32_t)half[i] << 16;
  memcpy(out, bits, sizeof bits);
}

WIDE_PART void fp16_block_to_f32(const uint8_t *in, float *out) {
  uint16_t half[BLOCK];
  float real[BLOCK];
  memcpy(half, in, sizeof half);
  for (int i = 0; i < BLOCK; i++) real[i] = fp16_to_f32(half[i]);
  memcpy(out, real, sizeof real);
}

WIDE_PART void fp16_to_f32s(const uint8_t *in, int64_t n, float *out) {
  int64_t i = 0;
  for (; i + BLOCK <= n; i += BLOCK) fp16_block_to_f32(in + 2 * i, out + i);
  for (; i < n; i++) {
    uint16_t half;
    memcpy(&half, in + 2 * i, sizeof half);
    out[i] = fp16_to_f32(half);
  }
}

WIDE_PART void bf16_to_f32s(const uint8_t *in, int64_t n, float *out) {
  int64_t i = 0;
  for (; i + BLOCK <= n; i += BLOCK) bf16_block_to_f32(in + 2 * i, out + i);
  for (; i < n; i++) {
    uint16_t half;
    memcpy(&half, in + 2 * i, sizeof half);
    out[i] = bf16_to_f32(half);
  }
}

WIDE void st_to_f32(StType type, const void *bytes, int64_t n, float *out) {
  assert(st_is_float(type));
  const uint8_t *p = bytes;
  switch (type) {
    case ST_F32:
      if (n) memcpy(out, p, (size_t)n * sizeof *out);
      break;
    case ST_BF16: bf16_to_f32s(p, n, out); break;
    case ST_F16: fp16_to_f32s(p, n, out); break;
    case ST_F64:
      for (int64_t i = 0; i < n; i++) {
        double wide;
        memcpy(&wide, p + 8 * i, sizeof wide);
        out[i] = (float)wide;
      }
      break;
    case ST_F8_E4M3:
      for (int64_t i = 0; i < n; i++) out[i] = e4m3_to_f32(p[i]);
      break;
    default:
      for (int64_t i = 0; i < n; i++) out[i] = e5m2_to_f32(p[i]);
      break;
  }
}

WIDE_PART void bf16_block_from_f32(const float *in, uint8_t *out) {
  uint16_t half[BLOCK];
  for (int i = 0; i < BLOCK; i++) half[i] = bf16_from_f32(in[i]);
  memcpy(out, half, sizeof half);
}

WIDE_PART void fp16_block_from_f32(const float *in, uint8_t *out) {
  uint16_t half[BLOCK];
  for (int i = 0; i < BLOCK; i++) half[i] = fp16_from_f32(in[i], false);
  memcpy(out, half, sizeof half);
}

WIDE void st_from_f32(StType type, const float *in, int64_t n, void *bytes) {
  assert(type == ST_F32 || type == ST_BF16 || type == ST_F16);
  uint8_t *p = bytes;
  int64_t i = 0;
  if (type == ST_F32) {
    if (n) memcpy(p, in, (size_t)n * sizeof *in);
    return;
  }
  if (type == ST_BF16)
    for (; i + BLOCK <= n; i += BLOCK) bf16_block_from_f32(in + i, p + 2 * i);
  if (type == ST_F16)
    for (; i + BLOCK <= n; i += BLOCK) fp16_block_from_f32(in + i, p + 2 * i);
  for (; i < n; i++) {
    uint16_t half = type == ST_BF16 ? bf16_from_f32(in[i]) : fp16_from_f32(in[i], false);
    memcpy(p + 2 * i, &half, sizeof half);
  }
}

Err st_read_f32(const StTensor *t, int64_t first, int64_t n, float *out) {
  assert(t->data && first >= 0 && n >= 0 && first + n <= st_elements(t));
  CHECK(st_is_float(t->type), ERR_FORMAT, "tensor \"%s\" is %s; a floating type is wanted", t->name, st_type_name(t->type));
  st_to_f32(t->type, (const uint8_t *)t->data + (size_t)first * st_type_bytes(t->type), n, out);
  return ERR_OK;
}
