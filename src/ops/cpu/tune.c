#include "ops/cpu/tune.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "ops/cpu/blocks.h"

enum { SHAPES = 4, CHOICES_MAX = 128, LEFT_MIN = 3, ROUNDS_MAX = 64 };

typedef struct {
  int64_t M, N, K;
  bool a_t, b_t, accumulate;
} Shape;

// A long K, a weight's forward and its gradient, a square.
static const Shape shapes[SHAPES] = {
    {1024, 1024, 2048, false, false, false},
    {2048, 1536, 512, false, true, false},
    {1536, 512, 2048, true, false, true},
    {1024, 1024, 1024, false, true, false},
};

typedef struct {
  GemmBlocks blocks;
  double least_s[SHAPES];
  double score;  // seconds, of all shapes as if each were of as many operations
} Choice;

typedef struct {
  Dev *dev;
  Dtype type;
  GemmArgs product[SHAPES];
  Choice choice[CHOICES_MAX];
  int n;
} Search;

static double flops(const Shape *s) { return 2.0 * (double)s->M * (double)s->N * (double)s->K; }

// From a measuring arena first.
static void carve(Search *s, Arena *a) {
  for (int i = 0; i < SHAPES; i++) {
    const Shape *p = &shapes[i];
    const size_t mark = arena_mark(a);  // one at a time is in use: all lie in one place
    Mat c = mat_take(a, p->M, p->N, p->accumulate ? DT_F32 : s->type);
    s->product[i] = (GemmArgs){.M = p->M,
                               .N = p->N,
                               .K = p->K,
                               .c = c,
                               .add = p->accumulate ? c : mat_none(),
                               .a = p->a_t ? mat_take(a, p->K, p->M, s->type) : mat_take(a, p->M, p->K, s->type),
                               .a_t = p->a_t,
                               .b = p->b_t ? mat_take(a, p->N, p->K, s->type) : mat_take(a, p->K, p->N, s->type),
                               .b_t = p->b_t};
    arena_rewind(a, mark);
  }
}

static void list_choices(Search *s, const GemmKernel *k) {
  static const int64_t rows[] = {56, 84, 128, 192, 256, 384}, cols[] = {256, 512, 1024}, ks[] = {192, 256, 384, 512, 768, 1024};
  s->choice[s->n++].blocks = blocks_standard(k);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    for (size_t j = 0; j < sizeof cols / sizeof *cols; j++)
      for (size_t l = 0; l < sizeof ks / sizeof *ks; l++) {
        const GemmBlocks b = {rows[i], cols[j], ks[l]}, standard = s->choice[0].blocks;
        const bool same = b.rows == standard.rows && b.cols == standard.cols && b.k == standard.k;
        if (!same && blocks_fit(k, b)) s->choice[s->n++].blocks = b;
      }
  for (int i = 0; i < s->n; i++)
    for (int j = 0; j < SHAPES; j++) s->choice[i].least_s[j] = INFINITY;
}

// One call of every shape more; the best of a shape's calls counts.
static void measure(Search *s, Choice *c) {
  s->dev->blocks[s->type] = c->blocks;
  c->score = 0;
  for (int i = 0; i < SHAPES; i++) {
    const double begin = clock_s();
    s->dev->op->gemm(s->dev, &s->product[i]);
    c->least_s[i] = fmin(c->least_s[i], clock_s() - begin);
    c->score += c->least_s[i] / flops(&shapes[i]);
  }
}

static int by_score(const void *a, const void *b) {
  const Choice *x = a, *y = b;
  return x->score < y->score ? -1 : x->score > y->score;
}

// The standard is choice 0 and stays there.
static void search(Search *s, double budget_s, Tuned *out) {
  const double begin = clock_s();
  measure(s, &s->choice[0]);  // warms up
  for (int i = 0; i < s->n; i++) {
    if (i > 1 && clock_s() - begin > budget_s / 2) s->n = i;
    else measure(s, &s->choice[i]);
  }
  out->tried = s->n;
  for (int round = 0; round < ROUNDS_MAX && clock_s() - begin < budget_s; round++) {
    qsort(s->choice + 1, (size_t)s->n - 1, sizeof *s->choice, by_score);
    if (s->n > LEFT_MIN) s->n = (s->n + 1) / 2 > LEFT_MIN ? (s->n + 1) / 2 : LEFT_MIN;
    for (int i = 0; i < s->n; i++) measure(s, &s->choice[i]);
  }
  qsort(s->choice + 1, (size_t)s->n - 1, sizeof *s->choice, by_score);
}

Err gemm_tune(Dev *d, Dtype type, double budget_s, Tuned *out) {
  const double worth = 1.02;
  const GemmKernel *k = gemm_kernel(d, type);
  CHECK(k, ERR_ARG, "the %s level computes products without blocks: there is nothing to tune", isa_names[d->isa]);
  type = k->ku == 1 ? DT_F32 : DT_BF16;
  const GemmBlocks before = d->blocks[type];
  Arena arena;
  Err err = ERR_OK;
  Search *s = calloc(1, sizeof *s);
  CHECK(s, ERR_MEMORY, "no memory for the blocks to be tried");
  *s = (Search){.dev = d, .type = type};
  arena_measure(&arena, "the products to be timed");
  carve(s, &arena);
  TRY_OUT(arena_init(&arena, "the products to be timed", arena.peak));
  carve(s, &arena);
  arena_touch(&arena);
  list_choices(s, k);
  search(s, budget_s, out);
  const Choice *standard = &s->choice[0], *best = s->n > 1 ? &s->choice[1] : standard;
  if (standard->score < worth * best->score) best = standard;
  out->kernel = k->name;
  out->best = best->blocks;
  out->standard = standard->blocks;
  out->gain = standard->score / best->score - 1;
  arena_free(&arena);
out:
  d->blocks[type] = before;
  free(s);
  return err;
}
