// The mixture of experts: h_out = h + shared(x) + sum over slots s of weight_s expert_s(x), x = norm(h). Dropless.
// Reference: DeepSeek-AI 2024 (DeepSeek-V3), section 2.1.2; Hugging Face DeepseekV3MoE.
//
// Five nodes: route (norm, scores, choice) -> dispatch (rows sorted by expert) -> shared -> experts -> combine. Expert rows
// stand in (token, slot) order within an expert and are summed in slot order, so where they are computed changes no bit. The
// gate's weight multiplies the activation before `down` (which is linear), so that its gradient needs no copy of the experts'
// output. With down_bias (TeleChat2-39B-A12B) every expert's bias is added times the gate's weight, in fp32.
#ifndef NN_MOE_H
#define NN_MOE_H

#include "nn/mlp.h"

// Sees what a router chose, or says it: two computations that round differently are compared with one choice of experts.
typedef struct {
  void *context;
  bool given;  // ids are asked for before the router, and again by a backward that recomputes; else shown after it, once
  void (*ids)(void *context, int64_t layer, int32_t *ids, int64_t n);  // n = N k, tokens in order
} RouteHook;

typedef struct {
  int64_t E, k, F, layer, n_group, topk_group;
  Scoring scoring;
  bool normalise, group_max, down_bias;
  double norm_eps, scaling, aux_loss;
  RmsNorm norm;
  Weight router;          // [E, D], always fp32
  float *bias;            // [E] selection bias or NULL; moved by the training loop, not by the optimiser
  Weight gate_up, down;   // E times [2F, D] and E times [D, F], one after the other; of this layer alone (Run.zero_grads)
  Ffn shared;             // F 0: none
  const RouteHook *hook;  // borrowed, or NULL
  int64_t *load;          // [E] picks since the training loop set them to 0; counted in training forwards
} Moe;

typedef struct {
  RmsNormSaved norm;
  FfnSaved shared;
  Mat x, logits, weights, aux;                                      // [N,D], [N,E], [N,k], [B]
  int32_t *ids, *picks, *offset, *row_token, *row_slot, *slot_row;  // see moe_sort
  Mat row_weight, gate_up, rows;  // [N k]; [N k, 2F], its gradient after the experts' backward_input; [N k, D] until combine
  Mat biases;                     // [N k, D] f32, with down_bias: each row's bias times its weight
  Mat dy, dx, act, drow_weight, drows, dlogits;  // from backward_input
} MoeSaved;

void moe_params(Moe *m, ParamList *list, Arena *other, int64_t D, const char *prefix);

void moe_route_forward(const Moe *m, const Run *run, const MicroBatch *mb, Mat h, int64_t N, MoeSaved *s, double *aux_loss);
void moe_dispatch_forward(const Moe *m, const Run *run, int64_t N, MoeSaved *s);
void moe_shared_forward(const Moe *m, const Run *run, Mat h_out, Mat h, int64_t N, MoeSaved *s);
void moe_experts_forward(const Moe *m, const Run *run, int64_t N, MoeSaved *s);
void moe_combine_forward(const Moe *m, const Run *run, Mat h_out, Mat h, int64_t N, MoeSaved *s);

// In reverse: combine, experts, shared, dispatch, route. dh [N,D] f32, in: gradient of h_out, out (after route): of h.
void moe_combine_backward_input(const Moe *m, const Run *run, Mat dh, int64_t N, MoeSaved *s);
void moe_experts_backward_input(const Moe *m, const Run *run, int64_t N, MoeSaved *s);
void moe_shared_backward_input(const Moe *m, const Run *run, int64_t N, MoeSaved *s);
void moe_dispatch_backward_input(const Moe *m, const Run *run, int64_t N, MoeSaved *s);
void moe_route_backward_input(const Moe *m, const Run *run, const MicroBatch *mb, Mat dh, int64_t N, MoeSaved *s);

void moe_experts_backward_weight(const Moe *m, const Run *run, int64_t N, MoeSaved *s);
void moe_shared_backward_weight(const Moe *m, const Run *run, int64_t N, MoeSaved *s);
void moe_route_backward_weight(const Moe *m, const Run *run, int64_t N, MoeSaved *s);

#endif
