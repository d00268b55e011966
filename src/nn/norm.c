#include "nn/norm.h"

void rms_norm_forward(const RmsNorm *m, const Run *run, Mat y, Mat x, int64_t N, RmsNormSaved *s) {
  s->x = x;
  s->rstd = mat_of(arena_take(run->kept, (size_t)N * sizeof(float)), 1, DT_F32);
  run->dev->op->rms_norm_forward(run->dev, y, s->rstd, x, mat_of(m->w, m->D, DT_F32), N, m->D, m->eps);
}

void rms_norm_backward_input(const RmsNorm *m, const Run *run, const RmsNormSaved *s, Mat dx, Mat add, Mat dy, int64_t N) {
  run->dev->op->rms_norm_backward_input(run->dev, dx, add, dy, s->x, s->rstd, mat_of(m->w, m->D, DT_F32), N, m->D);
}

void rms_norm_backward_weight(const RmsNorm *m, const Run *run, const RmsNormSaved *s, Mat dy, int64_t N) {
  run->dev->op->rms_norm_backward_weight(run->dev, mat_of(m->g, m->D, DT_F32), dy, s->x, s->rstd, N, m->D);
}
