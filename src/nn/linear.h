// y = x W^T (+ bias) (+ add): the three moves of a matrix of weights. The input x that the weight gradient needs is kept by the
// caller.
#ifndef NN_LINEAR_H
#define NN_LINEAR_H

#include "nn/param.h"
#include "nn/run.h"

// y [N,out] = add + bias + x W^T; add [N,out] or none, may be y. x in the compute type (or f32 for an fp32 weight).
void linear_forward(const Weight *w, const Run *run, Mat y, Mat add, Mat x, int64_t N);
// dx [N,in] = add + dy W; add [N,in] or none, may be dx.
void linear_backward_input(const Weight *w, const Run *run, Mat dx, Mat add, Mat dy, int64_t N);
// dW += dy^T x, and of the bias += the sum of dy; tokens in order.
void linear_backward_weight(const Weight *w, const Run *run, Mat dy, Mat x, int64_t N);

#endif
