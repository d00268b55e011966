// RMSNorm: y = w x / sqrt(mean(x^2) + eps). Zhang and Sennrich 2019.
#ifndef NN_NORM_H
#define NN_NORM_H

#include "nn/param.h"
#include "nn/run.h"

typedef struct {
  int64_t D;
  double eps;
  float *w, *g;  // [D]
} RmsNorm;

typedef struct {
  Mat x;     // [N,D] borrowed: must stay until backward
  Mat rstd;  // [N] rows of ld 1
} RmsNormSaved;

// rstd is taken from run->kept. y f32 or bf16.
void rms_norm_forward(const RmsNorm *m, const Run *run, Mat y, Mat x, int64_t N, RmsNormSaved *s);
// The normed rows [N,D] in the compute type, where run->recompute has them; and in the backward, made again if they were not
// kept.
Mat rms_norm_rows(const RmsNorm *m, const Run *run, Mat x, int64_t N, RmsNormSaved *s);
void rms_norm_rows_again(const RmsNorm *m, const Run *run, Mat *y, int64_t N, RmsNormSaved *s);
// dx = add + gradient; add or none, may be dx.
void rms_norm_backward_input(const RmsNorm *m, const Run *run, const RmsNormSaved *s, Mat dx, Mat add, Mat dy, int64_t N);
void rms_norm_backward_weight(const RmsNorm *m, const Run *run, const RmsNormSaved *s, Mat dy, int64_t N);

// The same within each of H heads, columns [h * stride, h * stride + D): queries and keys of Qwen3. rstd: [H,N].
void rms_norm_heads_forward(const RmsNorm *m, const Run *run, Mat y, Mat x, int64_t N, int64_t H, int64_t stride,
                            RmsNormSaved *s);
// dx may not be dy.
void rms_norm_heads_backward_input(const RmsNorm *m, const Run *run, const RmsNormSaved *s, Mat dx, Mat dy, int64_t N,
                                   int64_t H, int64_t stride);
void rms_norm_heads_backward_weight(const RmsNorm *m, const Run *run, const RmsNormSaved *s, Mat dy, int64_t N, int64_t H,
                                    int64_t stride);

#endif
