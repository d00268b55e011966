// Grouped-query attention with rotary positions: h_out = h + o(attend(rope(q(norm h)), rope(k(norm h)), v(norm h))).
// Reference: Hugging Face LlamaAttention; Ainslie et al. 2023.
#ifndef NN_ATTENTION_H
#define NN_ATTENTION_H

#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/rotary.h"

typedef struct {
  int64_t H, K, Dh, layer;
  double scale;
  RmsNorm norm;
  Weight qkv;            // [(H + 2K) Dh, D]: q, k, v
  Weight o;              // [D, H Dh]
  const Rotary *rotary;  // borrowed
} Attention;

typedef struct {
  RmsNormSaved norm;
  Mat x, qkv, out, lse;  // normed input [N,D]; [N,(H+2K)Dh] turned; [N,H Dh]; [N,H]
  Mat dy, dqkv, dx;      // from backward_input, for backward_weight
} AttentionSaved;

void attention_params(Attention *m, ParamList *list, int64_t D, const char *prefix);
// h, h_out [N,D] f32; h_out may be h where nothing is kept.
void attention_forward(const Attention *m, const Run *run, const MicroBatch *mb, Mat h_out, Mat h, int64_t N,
                       AttentionSaved *s);
// dh [N,D] f32, in: gradient of h_out, out: of h.
void attention_backward_input(const Attention *m, const Run *run, const MicroBatch *mb, Mat dh, int64_t N, AttentionSaved *s);
void attention_backward_weight(const Attention *m, const Run *run, int64_t N, AttentionSaved *s);

#endif
