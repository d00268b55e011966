#include "nn/linear.h"

void linear_forward(const Weight *w, const Run *run, Mat y, Mat add, Mat x, int64_t N) {
  GemmArgs g = {.M = N, .N = w->out, .K = w->in, .c = y, .a = x, .b = w->c, .b_t = true, .add = add, .b_packed = w->packed};
  if (w->bias) g.bias = mat_of(w->bias, w->out, DT_F32);
  run->dev->op->gemm(run->dev, &g);
}

void linear_backward_input(const Weight *w, const Run *run, Mat dx, Mat add, Mat dy, int64_t N) {
  GemmArgs g = {.M = N, .N = w->in, .K = w->out, .c = dx, .a = dy, .b = w->c, .add = add};
  run->dev->op->gemm(run->dev, &g);
}

void linear_backward_weight(const Weight *w, const Run *run, Mat dy, Mat x, int64_t N) {
  Mat dw = mat_of(w->g, w->in, DT_F32);
  GemmArgs g = {.M = w->out, .N = w->in, .K = N, .c = dw, .a = dy, .a_t = true, .b = x, .add = dw};
  run->dev->op->gemm(run->dev, &g);
  if (w->bias) run->dev->op->bias_backward(run->dev, mat_of(w->bias_g, w->out, DT_F32), dy, N, w->out);
}
