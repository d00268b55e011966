// Grouped-query attention with rotary positions: h_out = h + o(attend(rope(q(norm h)), rope(k(norm h)), v(norm h))).
// Reference: Hugging Face LlamaAttention; Ainslie et al. 2023. What families add to it: biases, a norm of each head's query and
// key before the turn (Qwen3), projections that several layers share (TeleChat3-1.8B), keys and values that alternate by head
// in one tensor (TeleChat2's key_value).
#ifndef NN_ATTENTION_H
#define NN_ATTENTION_H

#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/rotary.h"

typedef struct {
  int64_t H, K, Dh, layer;
  bool key_value;  // rows after the queries': k of head 0, v of head 0, k of head 1, ...; else all of k, then all of v
  bool qkv_bias, o_bias, qk_norm;
  double scale;
  RmsNorm norm, q_norm, k_norm;  // the last two over Dh
  Weight own_qkv, own_o;         // not of a layer that borrows
  const Weight *qkv;             // [(H + 2K) Dh, D]: q, then k and v; own_qkv, or that of the layer it borrows from
  const Weight *o;               // [D, H Dh]
  const Rotary *rotary;          // borrowed
} Attention;

typedef struct {
  RmsNormSaved norm, q_norm, k_norm;
  // Normed input [N,D]; [N,(H+2K)Dh] before the heads' norm (without one: qkv); turned; [N,H Dh]; [N,H]
  Mat x, raw, qkv, out, lse;
  Mat dy, dqkv, dturned, dx;  // from backward_input, for backward_weight
} AttentionSaved;

// lender: the layer whose projections this one uses, or NULL. Gradients of both go into the lender's, in the order of the
// backward.
void attention_params(Attention *m, ParamList *list, int64_t D, const char *prefix, const Attention *lender);
// h, h_out [N,D] f32; h_out may be h where nothing is kept, or none where it is not wanted (run->again).
void attention_forward(const Attention *m, const Run *run, const MicroBatch *mb, Mat h_out, Mat h, int64_t N,
                       AttentionSaved *s);
// dh [N,D] f32, in: gradient of h_out, out: of h.
void attention_backward_input(const Attention *m, const Run *run, const MicroBatch *mb, Mat dh, int64_t N, AttentionSaved *s);
void attention_backward_weight(const Attention *m, const Run *run, int64_t N, AttentionSaved *s);

#endif
