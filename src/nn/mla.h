// Multi-head latent attention (DeepSeek-AI 2024, DeepSeek-V2, section 2.1; reference: Hugging Face DeepseekV3Attention).
//
// Keys and values of all heads are made from one latent of kv_rank; queries from one of q_rank (or straight from x when q_rank
// is 0). A head's key is `nope` columns of its own and `rope` rotary columns shared by all heads. With a_bias the projections
// to the latents have biases, but not the one straight from x.
#ifndef NN_MLA_H
#define NN_MLA_H

#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/rotary.h"

typedef struct {
  int64_t H, q_rank, kv_rank, nope, rope, v, layer;
  bool a_bias, o_bias;
  double scale;
  RmsNorm norm, q_norm, kv_norm;
  Weight a;    // [first + kv_rank + rope, D]: q_a (or q when q_rank is 0), then kv_a_proj_with_mqa; first = q_rank or H (nope +
               // rope)
  Weight q_b;  // [H (nope + rope), q_rank], not when q_rank is 0
  Weight kv_b;           // [H (nope + v), kv_rank]: for each head its nope rows of k, then its rows of v
  Weight o;              // [D, H v]
  const Rotary *rotary;  // borrowed
} Mla;

typedef struct {
  RmsNormSaved norm, q_norm, kv_norm;
  Mat x, a, q_latent, q, kv_latent, kv, out, lse;
  Mat dy, da, dq_latent, dq, dkv_latent, dkv, dx;  // from backward_input, for backward_weight
} MlaSaved;

void mla_params(Mla *m, ParamList *list, int64_t D, const char *prefix);
// h, h_out [N,D] f32; h_out may be h where nothing is kept, or none where it is not wanted (run->again).
void mla_forward(const Mla *m, const Run *run, const MicroBatch *mb, Mat h_out, Mat h, int64_t N, MlaSaved *s);
// dh [N,D] f32, in: gradient of h_out, out: of h.
void mla_backward_input(const Mla *m, const Run *run, const MicroBatch *mb, Mat dh, int64_t N, MlaSaved *s);
void mla_backward_weight(const Mla *m, const Run *run, int64_t N, MlaSaved *s);

#endif
