// The dense feed-forward: h_out = h + down(silu(gate(x)) up(x)), x = norm(h). Shazeer 2020 (SwiGLU).
#ifndef NN_MLP_H
#define NN_MLP_H

#include "nn/linear.h"
#include "nn/norm.h"

// The three matrices alone, without norm and residual: the shared experts are this too.
typedef struct {
  int64_t F;
  bool up_bias, down_bias;  // up_bias: of gate, too
  Weight gate_up;           // [2F, D]
  Weight down;              // [D, F]
} Ffn;

typedef struct {
  Mat gate_up;  // [N,2F]; its gradient after backward_input
  Mat act;      // [N,F], from backward_input, for backward_weight: made by SwiGLU's backward and never kept
} FfnSaved;

void ffn_params(Ffn *m, ParamList *list, int64_t D, const char *prefix);
// y [N,D] f32 = add + ffn(x); add may be y.
void ffn_forward(const Ffn *m, const Run *run, Mat y, Mat add, Mat x, int64_t N, FfnSaved *s);
// dx [N,D] = add + gradient; add or none, may be dx. The gradient of gate_up takes its place.
void ffn_backward_input(const Ffn *m, const Run *run, Mat dx, Mat add, Mat dy, int64_t N, FfnSaved *s);
void ffn_backward_weight(const Ffn *m, const Run *run, Mat dy, Mat x, int64_t N, FfnSaved *s);

typedef struct {
  RmsNorm norm;
  Ffn ffn;
} Mlp;

typedef struct {
  RmsNormSaved norm;
  FfnSaved ffn;
  Mat x, dy, dx;
} MlpSaved;

void mlp_params(Mlp *m, ParamList *list, int64_t D, const char *prefix);
void mlp_forward(const Mlp *m, const Run *run, Mat h_out, Mat h, int64_t N, MlpSaved *s);
void mlp_backward_input(const Mlp *m, const Run *run, Mat dh, int64_t N, MlpSaved *s);
void mlp_backward_weight(const Mlp *m, const Run *run, int64_t N, MlpSaved *s);

#endif
