// A run on packed samples learns what their masks say, and nothing else.
#include <stdlib.h>

#include "data/indexed.h"
#include "test.h"
#include "train/loop.h"
#include "train/tiny.h"

enum { SAMPLES = 24, TOKENS = 12 };

// Samples of a fixed chain; the last token of each is `last`, and learnt or not, besides tokens 4 to 8.
static void write_set(const char *folder, int32_t last, bool learn_last) {
  char prefix[PATH_BYTES];
  IndexedWriter ids, mask;
  snprintf(prefix, sizeof prefix, "%.4000s/toy", folder);
  ASSERT_OK(indexed_create(&ids, prefix, TOKENS_U16, NULL));
  snprintf(prefix, sizeof prefix, "%.4000s/toy.mask", folder);
  ASSERT_OK(indexed_create(&mask, prefix, TOKENS_U8, NULL));
  for (int32_t s = 0; s < SAMPLES; s++) {
    int32_t id[TOKENS], learnt[TOKENS];
    for (int32_t i = 0; i < TOKENS; i++) {
      id[i] = 3 + (7 * s + 5 * i) % 50;
      learnt[i] = i >= 4 && i <= 8;
    }
    id[TOKENS - 1] = last;
    learnt[TOKENS - 1] = learn_last;
    ASSERT_OK(indexed_add(&ids, id, TOKENS));
    ASSERT_OK(indexed_end_document(&ids));
    ASSERT_OK(indexed_add(&mask, learnt, TOKENS));
    ASSERT_OK(indexed_end_document(&mask));
  }
  ASSERT_OK(indexed_commit(&mask));
  ASSERT_OK(indexed_commit(&ids));
}

static double train(const char *name, int32_t last, bool learn_last) {
  char folder[PATH_BYTES];
  RunConfig *c = calloc(1, sizeof *c);
  TrainSummary s;
  ASSERT(c);
  ASSERT_OK(path_join(folder, test_folder(), name));
  ASSERT_OK(folder_make(folder));
  write_set(folder, last, learn_last);
  tiny_config(c, folder);
  c->train.steps = 3;
  c->model.moe.experts = c->model.mtp.layers = 0;  // a router counts every token, learnt or not
  snprintf(c->data.split, sizeof c->data.split, "1,0,0");
  ASSERT_OK(tiny_run(c, &s));
  free(c);
  return s.loss;
}

TEST(sft_run_learns_what_the_mask_says) {
  double a = train("a", 60, false), b = train("b", 61, false), c = train("c", 61, true);
  ASSERT(a == b);  // the last token is only ever a label, and not a learnt one
  ASSERT(a != c);
  ASSERT(a > 0 && a < 4.2);
}
