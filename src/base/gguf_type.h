// The tensor types of GGUF: how a block of elements lies in the file, and its conversion from and to fp32.
//
// A type stores `block` elements in `bytes` bytes; a row of a tensor is whole blocks. Decoding gives ggml's values to the bit.
// Encoding is ours: F16, BF16, Q8_0 and Q4_0 give ggml's reference bytes; Q4_K and Q6_K are searched for the least squared
// error of each block (gguf_encode.c says how), and need no statistics of activations.
// Limits: blocks may have any alignment; encoding wants finite numbers (others give a block of unspecified values, never a
// crash). Deterministic. Cost of decoding: that of writing the fp32 values.
// Source: the layouts of ggml's block structs.
#ifndef BASE_GGUF_TYPE_H
#define BASE_GGUF_TYPE_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  const char *name;  // as ggml spells it: "Q4_K"
  uint32_t code;     // in the file
  int64_t block;     // elements
  size_t bytes;      // of a block
  // n blocks; NULL: a type that is known but not read (or not written) here.
  void (*decode)(const uint8_t *in, int64_t n, float *out);
  void (*encode)(const float *in, int64_t n, uint8_t *out);
} GgufType;

// NULL if there is none, or no more (ggml removed some).
const GgufType *gguf_type_of(uint32_t code);
const GgufType *gguf_type_named(const char *name);  // letters of either case

#endif
