#include "nn/norm.h"

void rms_norm_forward(const RmsNorm *m, const Run *run, Mat y, Mat x, int64_t N, RmsNormSaved *s) {
  s->x = x;
  s->rstd = mat_of(arena_take(run->kept, (size_t)N * sizeof(float)), 1, DT_F32);
  run->dev->op->rms_norm_forward(run->dev, y, s->rstd, x, mat_of(m->w, m->D, DT_F32), N, m->D, m->eps);
}

Mat rms_norm_rows(const RmsNorm *m, const Run *run, Mat x, int64_t N, RmsNormSaved *s) {
  Mat y = mat_take(run_rows_arena(run), N, m->D, run->type);
  rms_norm_forward(m, run, y, x, N, s);
  return y;
}

void rms_norm_rows_again(const RmsNorm *m, const Run *run, Mat *y, int64_t N, RmsNormSaved *s) {
  Run again = run_again(run);
  if (run_recomputes(run, RECOMPUTE_ROWS)) *y = rms_norm_rows(m, &again, s->x, N, s);
}

void rms_norm_backward_input(const RmsNorm *m, const Run *run, const RmsNormSaved *s, Mat dx, Mat add, Mat dy, int64_t N) {
  run->dev->op->rms_norm_backward_input(run->dev, dx, add, dy, s->x, s->rstd, mat_of(m->w, m->D, DT_F32), N, m->D);
}

void rms_norm_backward_weight(const RmsNorm *m, const Run *run, const RmsNormSaved *s, Mat dy, int64_t N) {
  run->dev->op->rms_norm_backward_weight(run->dev, mat_of(m->g, m->D, DT_F32), dy, s->x, s->rstd, N, m->D);
}

// The rows of one head of all tokens, or, for one token, its heads: few calls when decoding.
typedef struct {
  int64_t calls, rows, step;  // rows of a call; columns between calls
} HeadRows;

static HeadRows head_rows(int64_t N, int64_t H, int64_t stride) {
  return N == 1 ? (HeadRows){1, H, 0} : (HeadRows){H, N, stride};
}

static Mat head_at(Mat m, HeadRows r, int64_t call, int64_t stride) {
  m = mat_at(m, 0, call * r.step);
  if (r.step == 0) m.ld = stride;
  return m;
}

void rms_norm_heads_forward(const RmsNorm *m, const Run *run, Mat y, Mat x, int64_t N, int64_t H, int64_t stride,
                            RmsNormSaved *s) {
  HeadRows r = head_rows(N, H, stride);
  s->x = x;
  s->rstd = mat_of(arena_take(run->kept, (size_t)(H * N) * sizeof(float)), 1, DT_F32);
  for (int64_t i = 0; i < r.calls; i++)
    run->dev->op->rms_norm_forward(run->dev, head_at(y, r, i, stride), mat_at(s->rstd, i * N, 0), head_at(x, r, i, stride),
                                   mat_of(m->w, m->D, DT_F32), r.rows, m->D, m->eps);
}

void rms_norm_heads_backward_input(const RmsNorm *m, const Run *run, const RmsNormSaved *s, Mat dx, Mat dy, int64_t N,
                                   int64_t H, int64_t stride) {
  HeadRows r = head_rows(N, H, stride);
  for (int64_t i = 0; i < r.calls; i++)
    run->dev->op->rms_norm_backward_input(run->dev, head_at(dx, r, i, stride), mat_none(), head_at(dy, r, i, stride),
                                          head_at(s->x, r, i, stride), mat_at(s->rstd, i * N, 0), mat_of(m->w, m->D, DT_F32),
                                          r.rows, m->D);
}

void rms_norm_heads_backward_weight(const RmsNorm *m, const Run *run, const RmsNormSaved *s, Mat dy, int64_t N, int64_t H,
                                    int64_t stride) {
  HeadRows r = head_rows(N, H, stride);
  for (int64_t i = 0; i < r.calls; i++)
    run->dev->op->rms_norm_backward_weight(run->dev, mat_of(m->g, m->D, DT_F32), head_at(dy, r, i, stride),
                                           head_at(s->x, r, i, stride), mat_at(s->rstd, i * N, 0), r.rows, m->D);
}
