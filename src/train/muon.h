// Muon: momentum, made orthogonal by Newton-Schulz, for the matrices inside the blocks. Jordan et al. 2024; the scale, with
// which AdamW's learning rates and decay hold, from Liu et al. 2025 (Muon is scalable for LLM training).
//   M = mu M + g;  G = g + mu M;  X = orthogonal(G / |G|);  p -= lr (0.2 sqrt(max(rows, columns)) X + decay p)
//
// Matrices of one shape go through the products together, as groups, so that many small experts keep every thread at work.
// Determinism: batches follow from the list of parameters alone, and no product's bits depend on its batch.
// Cost: 10 (2 s^2 l + s^3) operations for a matrix of sides s <= l.
#ifndef TRAIN_MUON_H
#define TRAIN_MUON_H

#include "base/arena.h"
#include "nn/param.h"
#include "train/groups.h"

// `groups` matrices [rows, cols], one below the other, and room to work in. s = min(rows, cols).
typedef struct {
  int64_t groups, rows, cols;
  Mat x;                        // [groups * rows, cols], in and out, in the type of the products
  Mat y, square, factor, step;  // [groups * rows, cols], then [groups * s, s] each
  Mat sums;                     // [groups * s, s] f32
  int32_t *row, *side;          // [groups + 1]: multiples of rows, of s
} NewtonSchulz;

// Takes all of it from `arena`.
void newton_schulz_take(NewtonSchulz *n, int64_t groups, int64_t rows, int64_t cols, Dtype type, Arena *arena);
// Each x, of Frobenius norm 1 at most, becomes nearly orthogonal: five times A = X X^T, X = 3.4445 X + (-4.775 A + 2.0315 A A)
// X, on the shorter side (X^T X and from the right where rows > cols).
void newton_schulz(Dev *dev, NewtonSchulz *n);

typedef struct {
  const ParamList *list;
  int64_t *order, count;  // indices of the parameters it takes, shape after shape, within one as in the list. Owned
} Muon;

// Whether Muon may have this parameter: matrices, but not embeddings, heads or routers.
bool muon_takes(const Param *p);
Err muon_init(Muon *u, const ParamList *list);
void muon_free(Muon *u);

// One update of all its parameters. m [list->count]: momentum, f32 or bf16. Products are in the list's compute type; room for
// them is taken from `temp` and given back. Gradients, times grad_scale, are used up.
void muon_step(const Muon *u, Dev *dev, Arena *temp, const Mat *m, const ParamSettings *settings, double lr, double momentum,
               double grad_scale);

#endif
