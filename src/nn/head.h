// The head and its loss: logits = x W^T, cross-entropy with the label. Never all logits: rows go through in chunks, and a
// training forward makes the gradients of each chunk at once, since the loss needs nothing from later blocks.
#ifndef NN_HEAD_H
#define NN_HEAD_H

#include "nn/linear.h"

// logits [N,V] f32
void head_logits(const Weight *head, const Run *run, Mat logits, Mat x, int64_t N);

// *loss += scale * sum(mask nll), *z_loss += z scale sum(mask lse^2). label [N], mask [N].
// In training: dx [N,D] f32 = add (or none) + gradient of both, and head->g += its own.
void head_loss(const Weight *head, const Run *run, Mat dx, Mat add, Mat x, const int32_t *label, const float *mask, int64_t N,
               double scale, double z, double *loss, double *z_loss);

#endif
