#include "train/muon.h"

#include <math.h>
#include <stdlib.h>

enum { ROUNDS = 5, BATCH_ELEMENTS = 4 << 20 };  // of one batch: enough to share out, little next to the gradients

void newton_schulz_take(NewtonSchulz *n, int64_t groups, int64_t rows, int64_t cols, Dtype type, Arena *arena) {
  int64_t s = rows < cols ? rows : cols;
  *n = (NewtonSchulz){.groups = groups,
                      .rows = rows,
                      .cols = cols,
                      .x = mat_take(arena, groups * rows, cols, type),
                      .y = mat_take(arena, groups * rows, cols, type),
                      .square = mat_take(arena, groups * s, s, type),
                      .factor = mat_take(arena, groups * s, s, type),
                      .step = mat_take(arena, groups * s, s, type),
                      .sums = mat_take(arena, groups * s, s, DT_F32),
                      .row = arena_take(arena, (size_t)(groups + 1) * sizeof(int32_t)),
                      .side = arena_take(arena, (size_t)(groups + 1) * sizeof(int32_t))};
  for (int64_t g = 0; n->row && g <= groups; g++) n->row[g] = (int32_t)(g * rows), n->side[g] = (int32_t)(g * s);
}

// square = X X^T, or X^T X where that is smaller.
static void square(Dev *dev, const NewtonSchulz *n, int64_t s) {
  if (n->rows <= n->cols) {
    dev->op->gemm_grouped(dev, &(GroupedGemmArgs){.groups = n->groups,
                                                  .N = s,
                                                  .K = n->cols,
                                                  .rows_max = n->groups * n->rows,
                                                  .offset = n->row,
                                                  .c = n->square,
                                                  .a = n->x,
                                                  .b = n->x,
                                                  .b_stride = n->rows * n->x.ld,
                                                  .b_t = true});
    return;
  }
  dev->op->zero(dev, n->sums, n->groups * s, s);
  dev->op->gemm_grouped_weight(dev, &(GroupedWeightArgs){.groups = n->groups,
                                                         .M = s,
                                                         .N = s,
                                                         .rows_max = n->groups * n->rows,
                                                         .offset = n->row,
                                                         .c = n->sums,
                                                         .c_stride = s * n->sums.ld,
                                                         .a = n->x,
                                                         .b = n->x});
  dev->op->cast(dev, n->square, n->sums, n->groups * s, s);
}

void newton_schulz(Dev *dev, NewtonSchulz *n) {
  static const double a = 3.4445, b = -4.7750, c = 2.0315;
  bool wide = n->rows <= n->cols;
  int64_t s = wide ? n->rows : n->cols, sides = n->groups * s;
  for (int round = 0; round < ROUNDS; round++) {
    // X = (a + A (b + c A)) X
    square(dev, n, s);
    dev->op->scale_add(dev, n->factor, n->square, mat_none(), sides, s, c, 0, b);
    dev->op->gemm_grouped(dev, &(GroupedGemmArgs){.groups = n->groups,
                                                  .N = s,
                                                  .K = s,
                                                  .rows_max = sides,
                                                  .offset = n->side,
                                                  .c = n->step,
                                                  .a = n->square,
                                                  .b = n->factor,
                                                  .b_stride = s * n->factor.ld});
    dev->op->scale_add(dev, n->step, n->step, mat_none(), sides, s, 1, 0, a);
    dev->op->gemm_grouped(dev, &(GroupedGemmArgs){.groups = n->groups,
                                                  .N = n->cols,
                                                  .K = s,
                                                  .rows_max = n->groups * n->rows,
                                                  .offset = n->row,
                                                  .c = n->y,
                                                  .a = wide ? n->step : n->x,
                                                  .b = wide ? n->x : n->step,
                                                  .b_stride = wide ? n->rows * n->x.ld : s * n->step.ld});
    Mat x = n->x;
    n->x = n->y;
    n->y = x;
  }
}

bool muon_takes(const Param *p) { return p->n_dims == 2 && (p->role == PARAM_MATRIX || p->role == PARAM_OUTPUT); }

static bool same_shape(const Param *a, const Param *b) { return a->dim[0] == b->dim[0] && a->dim[1] == b->dim[1]; }

static int by_shape(const void *a, const void *b, void *list) {
  int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
  const Param *p = &((const ParamList *)list)->param[i], *q = &((const ParamList *)list)->param[j];
  if (p->dim[0] != q->dim[0]) return p->dim[0] < q->dim[0] ? -1 : 1;
  if (p->dim[1] != q->dim[1]) return p->dim[1] < q->dim[1] ? -1 : 1;
  return i < j ? -1 : i > j;
}

Err muon_init(Muon *u, const ParamList *list) {
  *u = (Muon){.list = list};
  u->order = calloc((size_t)list->count + 1, sizeof *u->order);
  CHECK(u->order, ERR_MEMORY, "no memory for the order of %lld parameters", (long long)list->count);
  for (int64_t i = 0; i < list->count; i++)
    if (muon_takes(&list->param[i])) u->order[u->count++] = i;
  qsort_r(u->order, (size_t)u->count, sizeof *u->order, by_shape, (void *)(uintptr_t)list);
  return ERR_OK;
}

void muon_free(Muon *u) {
  free(u->order);
  *u = (Muon){0};
}

// Parameters from `first` on in the order that go together.
static int64_t batch_of(const Muon *u, int64_t first) {
  const Param *p = &u->list->param[u->order[first]];
  int64_t most = BATCH_ELEMENTS / p->n > 1 ? BATCH_ELEMENTS / p->n : 1, count = 1;
  while (count < most && first + count < u->count && same_shape(p, &u->list->param[u->order[first + count]])) count++;
  return count;
}

// m and x of a parameter, x of norm 1; its gradient is not needed any more.
static void momentum_of(Dev *dev, const Param *p, Mat x, Mat m, double momentum, double grad_scale) {
  double squares = 0;
  Mat g = mat_of(p->g, p->n, DT_F32);
  dev->op->scale_add(dev, m, m, g, 1, p->n, momentum, grad_scale, 0);
  dev->op->scale_add(dev, g, g, m, 1, p->n, grad_scale, momentum, 0);
  dev->op->sum_squares(dev, &squares, p->g, p->n);
  g.ld = p->dim[1];
  dev->op->scale_add(dev, x, g, mat_none(), p->dim[0], p->dim[1], 1 / (sqrt(squares) + 1e-7), 0, 0);
}

static void update(Dev *dev, const Param *p, Mat x, double lr, const ParamSettings *s) {
  double rate = lr * s->lr_factor, longer = (double)(p->dim[0] > p->dim[1] ? p->dim[0] : p->dim[1]);
  const int64_t rows = p->dim[0], cols = p->dim[1];
  dev->op->scale_add(dev, p->w, p->w, x, rows, cols, 1 - rate * s->decay, -rate * 0.2 * sqrt(longer), 0);
}

void muon_step(const Muon *u, Dev *dev, Arena *temp, const Mat *m, const ParamSettings *settings, double lr, double momentum,
               double grad_scale) {
  for (int64_t first = 0, count; first < u->count; first += count) {
    count = batch_of(u, first);
    const int64_t *index = u->order + first;
    const Param *shape = &u->list->param[*index];
    size_t mark = arena_mark(temp);
    NewtonSchulz n;
    newton_schulz_take(&n, count, shape->dim[0], shape->dim[1], u->list->type, temp);
    for (int64_t i = 0; i < count; i++)
      momentum_of(dev, &u->list->param[index[i]], mat_at(n.x, i * n.rows, 0), m[index[i]], momentum, grad_scale);
    newton_schulz(dev, &n);
    for (int64_t i = 0; i < count; i++)
      update(dev, &u->list->param[index[i]], mat_at(n.x, i * n.rows, 0), lr, &settings[index[i]]);
    arena_rewind(temp, mark);
  }
}
