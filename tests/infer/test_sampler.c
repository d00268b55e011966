#include "infer/sampler.h"

#include <math.h>

#include "test.h"

enum { V = 6 };

static SamplerConfig config_of(double temperature, int64_t top_k, double top_p, double min_p) {
  return (SamplerConfig){
      .temperature = temperature, .top_k = top_k, .top_p = top_p, .min_p = min_p, .repetition_penalty = 1, .seed = 3};
}

// How often each token is drawn in n draws.
static void draw(const SamplerConfig *c, const float *logits, int n, int *count) {
  Sampler s;
  ASSERT_OK(sampler_open(&s, c, V));
  memset(count, 0, V * sizeof *count);
  for (int i = 0; i < n; i++) {
    int32_t id;
    ASSERT_OK(sampler_choose(&s, logits, i, &id));
    count[id]++;
  }
  sampler_close(&s);
}

static const float logits[V] = {1, 3, 2, -1, 3, 0};

TEST(greedy_takes_the_likeliest_and_the_lower_of_two) {
  int count[V];
  SamplerConfig c = config_of(0, 0, 1, 0);
  draw(&c, logits, 5, count);
  ASSERT_INT(count[1], 5);
}

TEST(draws_follow_the_probabilities) {
  int count[V], n = 20000;
  SamplerConfig c = config_of(0.7, 0, 1, 0);
  double sum = 0;
  for (int v = 0; v < V; v++) sum += exp((double)logits[v] / 0.7);
  draw(&c, logits, n, count);
  for (int v = 0; v < V; v++) ASSERT_NEAR((double)count[v] / n, exp((double)logits[v] / 0.7) / sum, 0.012);
}

TEST(limits_leave_what_they_say) {
  int count[V];
  SamplerConfig k = config_of(1, 3, 1, 0);
  draw(&k, logits, 3000, count);
  ASSERT(count[1] && count[4] && count[2] && !count[0] && !count[3] && !count[5]);
  // Of the three, 3 and 3 have 0.42 each: 0.5 needs both and no third; 0.4 only the first.
  SamplerConfig p = config_of(1, 3, 0.5, 0);
  draw(&p, logits, 3000, count);
  ASSERT(count[1] && count[4] && !count[2]);
  p.top_p = 0.4;
  draw(&p, logits, 3000, count);
  ASSERT_INT(count[1], 3000);
  SamplerConfig all = config_of(1, 0, 0.5, 0);
  draw(&all, logits, 3000, count);
  ASSERT(count[1] && count[4] && !count[2] && !count[0]);
  SamplerConfig m = config_of(1, 0, 1, 0.3);
  draw(&m, logits, 3000, count);
  ASSERT(count[1] && count[4] && count[2] && !count[0]);
}

TEST(the_same_seed_and_position_choose_the_same) {
  Sampler a, b;
  SamplerConfig c = config_of(1, 0, 1, 0);
  ASSERT_OK(sampler_open(&a, &c, V));
  ASSERT_OK(sampler_open(&b, &c, V));
  for (int i = 50; i-- > 0;) {
    int32_t x, y, first;
    ASSERT_OK(sampler_choose(&a, logits, i, &x));
    ASSERT_OK(sampler_choose(&b, logits, 49 - i, &first));
    ASSERT_OK(sampler_choose(&b, logits, i, &y));
    ASSERT_INT(x, y);
  }
  sampler_close(&a);
  sampler_close(&b);
}

TEST(penalties_lower_what_was_seen) {
  Sampler s;
  SamplerConfig c = config_of(0, 0, 1, 0);
  c.repetition_penalty = 2;
  ASSERT_OK(sampler_open(&s, &c, V));
  int32_t seen[] = {1, 4}, id;
  sampler_see(&s, seen, 2, 1);
  ASSERT_OK(sampler_choose(&s, logits, 0, &id));
  ASSERT_INT(id, 2);
  sampler_see(&s, seen, 1, -1);
  ASSERT_OK(sampler_choose(&s, logits, 0, &id));
  ASSERT_INT(id, 1);
  sampler_close(&s);
  c.repetition_penalty = 1, c.frequency_penalty = 0.6;
  ASSERT_OK(sampler_open(&s, &c, V));
  int32_t twice[] = {1, 1, 4};
  sampler_see(&s, twice, 3, 1);
  ASSERT_OK(sampler_choose(&s, logits, 0, &id));
  ASSERT_INT(id, 4);
  sampler_close(&s);
}

TEST(logits_that_are_no_numbers_are_never_chosen) {
  Sampler s;
  SamplerConfig c = config_of(1, 0, 1, 0);
  float broken[V] = {NAN, INFINITY, NAN, 0.5f, -INFINITY, NAN};
  int32_t id;
  ASSERT_OK(sampler_open(&s, &c, V));
  ASSERT_OK(sampler_choose(&s, broken, 0, &id));
  ASSERT_INT(id, 3);
  broken[3] = NAN;
  ASSERT_ERR(sampler_choose(&s, broken, 12, &id), ERR_NUMERIC, "position 12");
  sampler_close(&s);
}
