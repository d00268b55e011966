// A model against the activations that another program computed: the first place on the way where the two part.
#ifndef CLI_VERIFY_TRACE_H
#define CLI_VERIFY_TRACE_H

#include "cli/verify/verify.h"

// trace: a safetensors file (tools/trace_torch.py makes one of any model that the transformers library runs):
//   input_ids    I64 [B, T]
//   hidden.0     F32 [B, T, D]  the residual stream before the first layer; hidden.N: after layer N - 1
//   attended.N   F32 [B, T, D]  the residual stream between attention and MLP of layer N
//   final_norm   F32 [B, T, D]  what the head multiplies
//   logits       F32 [B, T, V]
// with metadata "dtype": what it was computed in (float32 without). Any of these but input_ids may be missing; any other name
// is refused. path: whatever names a model. Lines come in the order of computing, errors over the tensor's greatest number;
// tolerance 2^12 roundings of the fp32 type, 2^4 of a narrower one.
Err verify_trace(VerifyCase *report, const char *trace, const char *path, int threads);
// The first line beyond its tolerance, -1: none.
int verify_first(const VerifyCase *r);
// What a line beyond its tolerance means, the one before it being right.
const char *trace_meaning(const char *what);

#endif
