// Orders and sizes of blends.
#include <stdio.h>
#include <stdlib.h>

#include "data/blend.h"
#include "golden/golden_data.h"

typedef struct {
  int64_t sets, size, *each, *sample;
  double *weight;
  int16_t *set;
} Blend;

static Err build(Blend *b, const json_t *weights) {
  if (!weights) return blend_exhaustive(b->each, b->sets, b->set, b->sample);
  TRY(blend_normalise(b->weight, b->sets, b->weight));
  return blend_build(b->weight, b->sets, b->size, b->set, b->sample);
}

static void compare_blend(GoldenCount *n, const json_t *c, Blend *b) {
  const json_t *weights = json_object_get(c, "weights"), *sizes = json_object_get(c, "sizes"),
               *normal = json_object_get(c, "normalised");
  const char *name = golden_text(c, "name");
  int64_t sum = 0;
  for (int64_t i = 0; i < b->sets; i++) {
    b->weight[i] = json_number_value(json_array_get(weights, (size_t)i));
    b->each[i] = golden_element(sizes, (size_t)i);
    sum += b->each[i];
  }
  golden_compare(n, weights || sum == b->size, "%s: sizes of %lld in all, \"size\" %lld", name, (long long)sum,
                 (long long)b->size);
  if ((!weights && sum != b->size) || !golden_ok(n, build(b, weights))) return;
  for (size_t i = 0; i < json_array_size(normal) && i < (size_t)b->sets; i++)
    golden_compare(n, b->weight[i] == json_number_value(json_array_get(normal, i)), "%s: weight %zu is %.17g", name, i,
                   b->weight[i]);
  char array[GOLDEN_NAME_BYTES];
  snprintf(array, sizeof array, "blend/%.200s.dataset_index", name);
  golden_array_is(n, array, b->set, (size_t)b->size * 2, 'i', 2);
  snprintf(array, sizeof array, "blend/%.200s.dataset_sample_index", name);
  golden_array_is(n, array, b->sample, (size_t)b->size * 8, 'i', 8);
}

static void blend_line(GoldenCount *n, const json_t *c, void *context) {
  (void)context;
  enum { SAMPLES_MAX = 1 << 26 };
  const json_t *weights = json_object_get(c, "weights");
  Blend b = {.size = golden_int(c, "size"), .sets = (int64_t)json_array_size(weights ? weights : golden_array(n, c, "sizes"))};
  bool fits = b.size > 0 && b.size <= SAMPLES_MAX && b.sets > 0;
  golden_compare(n, fits, "%s: %lld samples of %lld sets", golden_text(c, "name"), (long long)b.size, (long long)b.sets);
  if (!fits) return;
  b.each = calloc((size_t)b.sets, sizeof *b.each), b.weight = calloc((size_t)b.sets, sizeof *b.weight);
  b.sample = calloc((size_t)b.size, sizeof *b.sample), b.set = calloc((size_t)b.size, sizeof *b.set);
  compare_blend(n, c, &b);
  free(b.each), free(b.weight), free(b.sample), free(b.set);
}
void golden_data_blend(GoldenCount *n) { golden_each_line(n, n->folder, blend_line, NULL); }

static void build_size_line(GoldenCount *n, const json_t *c, void *context) {
  (void)context;
  size_t i;
  json_t *weight;
  const json_t *mindformers = golden_array(n, c, "mindformers"), *megatron = golden_array(n, c, "megatron_0_15");
  json_array_foreach(golden_array(n, c, "weights"), i, weight) {
    double w = json_number_value(weight);
    int64_t target = golden_int(c, "target");
    golden_compare(n, blend_size_mindformers(w, target) == golden_element(mindformers, i), "size %zu of %lld, MindFormers", i,
                   (long long)target);
    golden_compare(n, blend_size_megatron(w, target) == golden_element(megatron, i), "size %zu of %lld, Megatron", i,
                   (long long)target);
  }
}
void golden_data_build_sizes(GoldenCount *n) { golden_each_line(n, n->folder, build_size_line, NULL); }
