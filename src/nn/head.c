#include "nn/head.h"

// Of a chunk: with fewer, adding to the weight's gradient, once a chunk, and packing the weight anew take longer; with more,
// the logits outgrow everything else that is temporary.
enum { CHUNK_ROWS = 512 };

void head_logits(const Weight *head, const Run *run, Mat logits, Mat x, int64_t N) {
  linear_forward(head, run, logits, mat_none(), x, N);
}

void head_loss(const Weight *head, const Run *run, Mat dx, Mat add, Mat x, const int32_t *label, const float *mask, int64_t N,
               double scale, double z, double *loss, double *z_loss) {
  int64_t V = head->out, R = CHUNK_ROWS < N ? CHUNK_ROWS : N;
  size_t mark = arena_mark(run->temp);
  Mat logits = mat_take(run->temp, R, V, DT_F32), dlogits = logits;
  if (run->type == DT_BF16) dlogits = mat_of(logits.data, 2 * logits.ld, DT_BF16);
  Mat nll = mat_of(arena_take(run->temp, (size_t)R * sizeof(float)), 1, DT_F32);
  Mat lse = mat_of(arena_take(run->temp, (size_t)R * sizeof(float)), 1, DT_F32);
  for (int64_t row = 0; row < N; row += R) {
    int64_t n = row + R < N ? R : N - row;
    // Measuring has no arrays to point into.
    const int32_t *chunk_label = label ? label + row : NULL;
    const float *chunk_mask = mask ? mask + row : NULL;
    linear_forward(head, run, logits, mat_none(), mat_at(x, row, 0), n);
    run->dev->op->cross_entropy(run->dev, run->training ? dlogits : mat_none(), nll, lse, logits, chunk_label, chunk_mask, n, V,
                                scale, z);
    if (run->training) {
      linear_backward_input(head, run, mat_at(dx, row, 0), mat_at(add, row, 0), dlogits, n);
      linear_backward_weight(head, run, dlogits, mat_at(x, row, 0), n);
    }
    if (dev_measuring(run->dev)) continue;
    for (int64_t i = 0; i < n; i++) {
      double l = (double)((const float *)lse.data)[i], keep = chunk_mask ? (double)chunk_mask[i] : 0;
      *loss += scale * (double)((const float *)nll.data)[i];
      *z_loss += z * scale * keep * l * l;
    }
  }
  arena_rewind(run->temp, mark);
}
