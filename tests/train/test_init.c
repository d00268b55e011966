// A run that begins with the weights of another.
#include <stdlib.h>

#include "base/file.h"
#include "test.h"
#include "train/checkpoint_convert.h"
#include "train/loop.h"
#include "train/tiny.h"

static void expect_equal(const char *a, const char *b) {
  WeightSource *x, *y;
  ASSERT_OK(checkpoint_source_open(&x, a));
  ASSERT_OK(checkpoint_source_open(&y, b));
  ASSERT_INT(x->count, y->count);
  for (int64_t i = 0; i < x->count; i++) {
    const WeightTensor *s = &x->tensor[i], *t = weights_find(y, s->name);
    float *p = malloc((size_t)s->n * sizeof *p), *q = malloc((size_t)s->n * sizeof *q);
    ASSERT(t && t->n == s->n && p && q);
    ASSERT_OK(x->read(x, i, 0, s->n, p));
    ASSERT_OK(y->read(y, t - y->tensor, 0, s->n, q));
    ASSERT_MSG(memcmp(p, q, (size_t)s->n * sizeof *p) == 0, "%s differs", s->name);
    free(p);
    free(q);
  }
  weights_close(x);
  weights_close(y);
}

// A step of no length leaves the weights that the run began with.
TEST(a_run_begins_with_the_weights_of_another) {
  RunConfig *c = calloc(1, sizeof *c);
  TrainSummary s;
  char first[PATH_BYTES], imported[PATH_BYTES], second[PATH_BYTES];
  ASSERT(c);
  tiny_data(test_folder());
  tiny_config(c, test_folder());
  c->train.steps = 3;
  ASSERT_OK(tiny_run(c, &s));
  ASSERT_OK(path_join(first, test_folder(), "run"));
  ASSERT_OK(path_join(imported, test_folder(), "imported"));
  ASSERT_OK(path_join(second, test_folder(), "second"));
  WeightSource *w;
  ASSERT_OK(checkpoint_source_open(&w, first));
  ASSERT_OK(checkpoint_convert(imported, w, &(CheckpointConvert){.type = ST_OTHER}));
  weights_close(w);
  snprintf(c->train.init, sizeof c->train.init, "%.900s", imported);
  snprintf(c->train.output, sizeof c->train.output, "%.900s", second);
  c->train.steps = 1;
  c->lr.peak = c->lr.low = 0;
  c->lr.warmup = 0;
  c->model.moe.bias_rate = 0;
  ASSERT_OK(tiny_run(c, &s));
  expect_equal(first, second);
  snprintf(c->train.init, sizeof c->train.init, "%.900s.not", imported);
  snprintf(c->train.output, sizeof c->train.output, "%.900s.not", second);
  ASSERT_ERR(tiny_run(c, &s), ERR_CONFIG, "imported.not is not there");
  free(c);
}
